"""Change requests, and requests of the API that may be repeated."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
import policies.order.ids
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
GRANTS = (APP / "changes/sql/grants.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):

    dependencies = [
        ('policies', '0002_sign_in'),
    ]

    operations = [
        migrations.CreateModel(
            name='ChangeRequest',
            fields=[
                ('id', models.UUIDField(default=policies.order.ids.new_id, primary_key=True, serialize=False)),
                ('tenant', models.TextField(blank=True, default='')),
                ('title', models.TextField()),
                ('reason', models.TextField(blank=True, default='')),
                ('state', models.TextField(default='draft')),
                ('origin', models.TextField()),
                ('base', models.BigIntegerField()),
                ('digest', models.TextField()),
                ('author', models.TextField()),
                ('last_editor', models.TextField()),
                ('note', models.TextField(blank=True, default='')),
                ('publish_at', models.DateTimeField(null=True)),
                ('rollback_of', models.BigIntegerField(null=True)),
                ('published_revision', models.BigIntegerField(null=True)),
                ('flagged', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'policies_change',
                'indexes': [models.Index(fields=['tenant', 'state'], name='policies_change_place')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ('draft', 'checks', 'approval', 'scheduled', 'published', 'withdrawn'))), name='policies_change_state'), models.CheckConstraint(condition=models.Q(('origin__in', ('git', 'console'))), name='policies_change_origin'), models.UniqueConstraint(fields=('published_revision',), name='policies_change_published_once')],
            },
        ),
        migrations.CreateModel(
            name='Repeat',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('actor', models.TextField()),
                ('key', models.TextField()),
                ('request', models.TextField()),
                ('status', models.IntegerField(null=True)),
                ('answer', models.JSONField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'policies_repeat',
                'constraints': [models.UniqueConstraint(fields=('actor', 'key'), name='policies_repeat_once')],
            },
        ),
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.UUIDField(default=policies.order.ids.new_id, primary_key=True, serialize=False)),
                ('actor', models.TextField()),
                ('roles', models.JSONField(default=list)),
                ('base', models.BigIntegerField()),
                ('digest', models.TextField()),
                ('reason', models.TextField(blank=True, default='')),
                ('flagged', models.BooleanField(default=False)),
                ('given_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('dismissed_at', models.DateTimeField(null=True)),
                ('change', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='policies.changerequest')),
            ],
            options={
                'db_table': 'policies_change_approval',
                'constraints': [models.UniqueConstraint(condition=models.Q(('dismissed_at__isnull', True)), fields=('change', 'actor'), name='policies_change_approval_once')],
            },
        ),
        migrations.CreateModel(
            name='Check',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('ok', models.BooleanField()),
                ('told', models.TextField(blank=True, default='')),
                ('problems', models.JSONField(default=list)),
                ('base', models.BigIntegerField()),
                ('digest', models.TextField()),
                ('checked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('change', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='checks', to='policies.changerequest')),
            ],
            options={
                'db_table': 'policies_change_check',
                'constraints': [models.UniqueConstraint(fields=('change', 'kind'), name='policies_change_check_kind')],
            },
        ),
        migrations.CreateModel(
            name='Edit',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('tenant', models.TextField(blank=True, default='')),
                ('name', models.TextField()),
                ('deletes', models.BooleanField(default=False)),
                ('source', models.TextField(blank=True, default='')),
                ('before', models.TextField(null=True)),
                ('problems', models.JSONField(default=list)),
                ('written_by', models.TextField()),
                ('edited_by', models.TextField()),
                ('edited_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('change', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='edits', to='policies.changerequest')),
            ],
            options={
                'db_table': 'policies_change_edit',
                'constraints': [models.UniqueConstraint(fields=('change', 'kind', 'tenant', 'name'), name='policies_change_edit_identity')],
            },
        ),
        migrations.RunSQL(GRANTS),
    ]
