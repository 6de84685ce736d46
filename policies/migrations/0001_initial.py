"""People, keys, documents, bundles, stops and decisions. The SQL lies in `policies/*/sql/`."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
import policies.order.ids
import simple_history.models
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8").replace(':"app"', ROLE))


class Migration(migrations.Migration):

    initial = True

    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name='User',
            fields=[
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.UUIDField(default=policies.order.ids.new_id, primary_key=True, serialize=False)),
                ('email', models.EmailField(max_length=254, unique=True)),
                ('name', models.TextField(blank=True, default='')),
                ('is_active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'policies_user',
            },
        ),
        migrations.CreateModel(
            name='Tenant',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('slug', models.TextField(unique=True)),
                ('archived_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'policies_tenant',
            },
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.CharField(max_length=8, primary_key=True, serialize=False)),
                ('hash', models.BinaryField()),
                ('tenant', models.TextField()),
                ('team', models.TextField()),
                ('name', models.TextField(blank=True, default='')),
                ('labels', models.JSONField(default=dict)),
                ('scopes', models.JSONField(default=list)),
                ('expires_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_by', models.TextField()),
                ('last_used_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'policies_api_key',
                'indexes': [models.Index(fields=['tenant', 'team'], name='policies_api_key_team')],
            },
        ),
        migrations.CreateModel(
            name='Bundle',
            fields=[
                ('revision', models.BigIntegerField(primary_key=True, serialize=False)),
                ('digest', models.BinaryField()),
                ('engine', models.IntegerField()),
                ('text', models.BinaryField()),
                ('checked', models.BinaryField()),
                ('checked_sha256', models.BinaryField()),
                ('actor', models.TextField()),
                ('flagged', models.BooleanField()),
                ('published_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'policies_bundle',
                'indexes': [models.Index(fields=['digest'], name='policies_bundle_digest')],
            },
        ),
        migrations.CreateModel(
            name='Control',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('revision', models.BigIntegerField(default=0)),
                ('digest', models.BinaryField(default=b'')),
                ('stop_epoch', models.BigIntegerField(default=0)),
            ],
            options={
                'db_table': 'policies_control',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='policies_control_is_one')],
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[sql("decisions/sql/tables.sql")],
            state_operations=[
                migrations.CreateModel(
                    name='Decision',
                    fields=[
                        ('pk', models.CompositePrimaryKey('call', 'no', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('call', models.UUIDField()),
                        ('revision', models.BigIntegerField()),
                        ('no', models.SmallIntegerField()),
                        ('stage', models.TextField()),
                        ('tenant', models.TextField()),
                        ('effect', models.TextField()),
                        ('digest', models.BinaryField()),
                        ('facts', models.BinaryField()),
                    ],
                    options={
                        'db_table': 'policies_decision',
                        'constraints': [models.CheckConstraint(condition=models.Q(('stage__in', ('request', 'tool', 'response', 'failure'))), name='policies_decision_stage'), models.CheckConstraint(condition=models.Q(('effect__in', ('permit', 'deny', 'escalate'))), name='policies_decision_effect')],
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name='Document',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('tenant', models.TextField(blank=True, default='')),
                ('name', models.TextField()),
                ('body', models.TextField()),
                ('source', models.TextField()),
                ('origin', models.TextField()),
            ],
            options={
                'db_table': 'policies_document',
                'constraints': [models.UniqueConstraint(fields=('kind', 'tenant', 'name'), name='policies_document_identity'), models.CheckConstraint(condition=models.Q(('origin__in', ('git', 'console'))), name='policies_document_origin')],
            },
        ),
        migrations.CreateModel(
            name='HistoricalApiKey',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.CharField(db_index=True, max_length=8)),
                ('tenant', models.TextField()),
                ('team', models.TextField()),
                ('name', models.TextField(blank=True, default='')),
                ('labels', models.JSONField(default=dict)),
                ('scopes', models.JSONField(default=list)),
                ('expires_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_by', models.TextField()),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical api key',
                'verbose_name_plural': 'historical api keys',
                'db_table': 'policies_api_key_history',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalDocument',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.BigIntegerField(blank=True, db_index=True)),
                ('kind', models.TextField()),
                ('tenant', models.TextField(blank=True, default='')),
                ('name', models.TextField()),
                ('body', models.TextField()),
                ('source', models.TextField()),
                ('origin', models.TextField()),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical document',
                'verbose_name_plural': 'historical documents',
                'db_table': 'policies_document_history',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalTenant',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.BigIntegerField(blank=True, db_index=True)),
                ('slug', models.TextField(db_index=True)),
                ('archived_at', models.DateTimeField(null=True)),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical tenant',
                'verbose_name_plural': 'historical tenants',
                'db_table': 'policies_tenant_history',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalToken',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.CharField(db_index=True, max_length=8)),
                ('name', models.TextField(blank=True, default='')),
                ('expires_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('user', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical token',
                'verbose_name_plural': 'historical tokens',
                'db_table': 'policies_token_history',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalUser',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.UUIDField(db_index=True, default=policies.order.ids.new_id)),
                ('email', models.EmailField(db_index=True, max_length=254)),
                ('name', models.TextField(blank=True, default='')),
                ('is_active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical user',
                'verbose_name_plural': 'historical users',
                'db_table': 'policies_user_history',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Stop',
            fields=[
                ('id', models.UUIDField(default=policies.order.ids.new_id, primary_key=True, serialize=False)),
                ('scope', models.JSONField()),
                ('reason', models.TextField()),
                ('actor', models.TextField()),
                ('set_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('set_epoch', models.BigIntegerField()),
                ('until', models.DateTimeField(null=True)),
                ('lift_asked_by', models.TextField(default='')),
                ('lift_asked_at', models.DateTimeField(null=True)),
                ('lifted_at', models.DateTimeField(null=True)),
                ('lifted_by', models.TextField(default='')),
                ('lifted_epoch', models.BigIntegerField(null=True)),
            ],
            options={
                'db_table': 'policies_stop',
                'indexes': [models.Index(condition=models.Q(('lifted_at__isnull', True)), fields=['set_epoch'], name='policies_stop_active')],
                'constraints': [models.CheckConstraint(condition=models.Q(('scope__kind__in', ('model', 'provider', 'route', 'tenant', 'key', 'everything'))), name='policies_stop_kind')],
            },
        ),
        migrations.CreateModel(
            name='Team',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('slug', models.TextField()),
                ('archived_at', models.DateTimeField(null=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='teams', to='policies.tenant')),
            ],
            options={
                'db_table': 'policies_team',
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to='policies.team')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to='policies.tenant')),
            ],
            options={
                'db_table': 'policies_membership',
            },
        ),
        migrations.CreateModel(
            name='HistoricalTeam',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.BigIntegerField(blank=True, db_index=True)),
                ('slug', models.TextField()),
                ('archived_at', models.DateTimeField(null=True)),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='policies.tenant')),
            ],
            options={
                'verbose_name': 'historical team',
                'verbose_name_plural': 'historical teams',
                'db_table': 'policies_team_history',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalMembership',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.BigIntegerField(blank=True, db_index=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('user', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='policies.team')),
                ('tenant', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='policies.tenant')),
            ],
            options={
                'verbose_name': 'historical membership',
                'verbose_name_plural': 'historical memberships',
                'db_table': 'policies_membership_history',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Token',
            fields=[
                ('revision', models.BigIntegerField(default=0)),
                ('actor', models.TextField()),
                ('id', models.CharField(max_length=8, primary_key=True, serialize=False)),
                ('hash', models.BinaryField()),
                ('name', models.TextField(blank=True, default='')),
                ('expires_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('last_used_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tokens', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'policies_token',
            },
        ),
        migrations.AddConstraint(
            model_name='team',
            constraint=models.UniqueConstraint(fields=('tenant', 'slug'), name='policies_team_identity'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.UniqueConstraint(fields=('user', 'team'), name='policies_membership_identity'),
        ),
        sql("order/sql/order.sql"),
        sql("identity/sql/key_stands.sql"),
        sql("decisions/sql/decision_put.sql"),
        sql("management/sql/grants.sql"),
    ]
