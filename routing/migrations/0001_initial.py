"""Calls, attempts and money. The SQL lies in `routing/*/sql/`."""

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8").replace(':"app"', role))


class Migration(migrations.Migration):
    initial = True
    dependencies = [("policies", "0001_initial")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                sql("ledger/sql/tables.sql"),
                sql("ledger/sql/functions.sql"),
                sql("calls/sql/tables.sql"),
                sql("calls/sql/admit.sql"),
                sql("calls/sql/attempt.sql"),
                sql("calls/sql/ending.sql"),
                sql("calls/sql/sweep.sql"),
                migrations.RunSQL("SELECT make_months(3)"),
            ],
            state_operations=[
                migrations.CreateModel(
                    name='Posting',
                    fields=[
                        ('pk', models.CompositePrimaryKey('call', 'attempt', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('call', models.UUIDField()),
                        ('posted_at', models.DateTimeField()),
                        ('posted_nano', models.BigIntegerField()),
                        ('overrun_nano', models.BigIntegerField()),
                        ('attempt', models.SmallIntegerField()),
                        ('kind', models.TextField()),
                        ('basis', models.TextField()),
                    ],
                    options={
                        'db_table': 'routing_posting',
                    },
                ),
                migrations.CreateModel(
                    name='WorkerLease',
                    fields=[
                        ('worker', models.UUIDField(primary_key=True, serialize=False)),
                        ('started_at', models.DateTimeField()),
                        ('expires_at', models.DateTimeField()),
                        ('lost_at', models.DateTimeField(null=True)),
                        ('pid', models.IntegerField()),
                        ('kind', models.TextField()),
                        ('host', models.TextField()),
                    ],
                    options={
                        'db_table': 'routing_worker_lease',
                    },
                ),
                migrations.CreateModel(
                    name='Call',
                    fields=[
                        ('id', models.UUIDField(primary_key=True, serialize=False)),
                        ('worker', models.UUIDField(null=True)),
                        ('reply_to', models.UUIDField(null=True)),
                        ('revision', models.BigIntegerField()),
                        ('stop_epoch', models.BigIntegerField()),
                        ('cost_nano', models.BigIntegerField()),
                        ('admitted_at', models.DateTimeField()),
                        ('deadline_at', models.DateTimeField()),
                        ('reserved_at', models.DateTimeField(null=True)),
                        ('moved_at', models.DateTimeField()),
                        ('cancel_at', models.DateTimeField(null=True)),
                        ('finished_at', models.DateTimeField(null=True)),
                        ('attempt_count', models.SmallIntegerField(db_column='attempts')),
                        ('lost_retries', models.SmallIntegerField()),
                        ('stream', models.BooleanField()),
                        ('relayed', models.BooleanField()),
                        ('released', models.BooleanField()),
                        ('state', models.TextField()),
                        ('code', models.TextField()),
                        ('tenant', models.TextField()),
                        ('team', models.TextField()),
                        ('key', models.TextField()),
                        ('route', models.TextField()),
                        ('dialect', models.TextField()),
                        ('user_ref', models.TextField()),
                        ('run', models.TextField(null=True)),
                    ],
                    options={
                        'db_table': 'routing_call',
                        'indexes': [models.Index(condition=models.Q(('finished_at__isnull', True)), fields=['id'], name='routing_call_open'), models.Index(fields=['tenant', 'id'], name='routing_call_tenant'), models.Index(condition=models.Q(('run__isnull', False)), fields=['run', 'id'], name='routing_call_run')],
                    },
                ),
                migrations.CreateModel(
                    name='Idempotency',
                    fields=[
                        ('pk', models.CompositePrimaryKey('key', 'hash', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('call', models.UUIDField()),
                        ('expires_at', models.DateTimeField()),
                        ('key', models.TextField()),
                        ('hash', models.BinaryField()),
                        ('digest', models.BinaryField()),
                    ],
                    options={
                        'db_table': 'routing_idempotency',
                        'indexes': [models.Index(fields=['expires_at'], name='routing_idempotency_expiry')],
                    },
                ),
                migrations.CreateModel(
                    name='LedgerWindow',
                    fields=[
                        ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                        ('starts', models.DateTimeField()),
                        ('ends', models.DateTimeField()),
                        ('limit_nano', models.BigIntegerField()),
                        ('limit_revision', models.BigIntegerField()),
                        ('posted_nano', models.BigIntegerField()),
                        ('pending_nano', models.BigIntegerField()),
                        ('overrun_nano', models.BigIntegerField()),
                        ('rank', models.SmallIntegerField()),
                        ('hard', models.BooleanField()),
                        ('tenant', models.TextField()),
                        ('budget', models.TextField()),
                        ('subject', models.TextField()),
                    ],
                    options={
                        'db_table': 'routing_ledger_window',
                        'constraints': [models.UniqueConstraint(fields=('tenant', 'budget', 'subject', 'starts', 'ends'), name='routing_ledger_window_once')],
                    },
                ),
                migrations.CreateModel(
                    name='Attempt',
                    fields=[
                        ('pk', models.CompositePrimaryKey('call_id', 'no', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('revision', models.BigIntegerField()),
                        ('reserved_nano', models.BigIntegerField()),
                        ('posted_nano', models.BigIntegerField()),
                        ('overrun_nano', models.BigIntegerField()),
                        ('started_at', models.DateTimeField(null=True)),
                        ('settled_at', models.DateTimeField(null=True)),
                        ('unknown_at', models.DateTimeField(null=True)),
                        ('tokens_input', models.IntegerField(null=True)),
                        ('tokens_cached', models.IntegerField(null=True)),
                        ('tokens_cache_write', models.IntegerField(null=True)),
                        ('tokens_output', models.IntegerField(null=True)),
                        ('no', models.SmallIntegerField()),
                        ('state', models.TextField()),
                        ('model', models.TextField()),
                        ('model_tenant', models.TextField()),
                        ('provider', models.TextField()),
                        ('basis', models.TextField()),
                        ('error_class', models.TextField()),
                        ('windows', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                        ('call', models.ForeignKey(db_column='call', db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='attempts', to='routing.call')),
                    ],
                    options={
                        'db_table': 'routing_attempt',
                        'indexes': [models.Index(condition=models.Q(('unknown_at__isnull', False)), fields=['unknown_at'], name='routing_attempt_unknown')],
                    },
                ),            ],
        ),
    ]
