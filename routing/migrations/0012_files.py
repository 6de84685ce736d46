"""Exports and evidence bundles lie in one pair of tables: what was asked for and what was made stays as it is."""

from pathlib import Path

import django.db.models.functions.datetime
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
GRANTS = (APP / "files/sql/grants.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)
COLUMNS = """id, worker, created_at, beat_at, ended_at, expires_at, size_bytes, done, parts, tries,
  tenant, actor, state, sha256, told, ask, principal"""
MOVE = f"""
INSERT INTO routing_file ({COLUMNS}, rows, kind) SELECT {COLUMNS}, rows, 'export' FROM routing_export;
INSERT INTO routing_file ({COLUMNS}, rows, kind) SELECT {COLUMNS}, entries, 'evidence' FROM routing_evidence;
INSERT INTO routing_file_part (file, no, nonce, data) SELECT export, no, '', data FROM routing_export_part;
INSERT INTO routing_file_part (file, no, nonce, data) SELECT evidence, no, nonce, ciphertext FROM routing_evidence_part;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0011_anomalies'),
    ]

    operations = [
        migrations.CreateModel(
            name='File',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('worker', models.UUIDField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('beat_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('expires_at', models.DateTimeField(null=True)),
                ('size_bytes', models.BigIntegerField(default=0)),
                ('rows', models.BigIntegerField(default=0)),
                ('done', models.BigIntegerField(default=0)),
                ('parts', models.IntegerField(default=0)),
                ('tries', models.SmallIntegerField(default=0)),
                ('kind', models.TextField()),
                ('tenant', models.TextField()),
                ('actor', models.TextField()),
                ('state', models.TextField(default='waiting')),
                ('sha256', models.TextField(default='')),
                ('told', models.TextField(default='')),
                ('ask', models.JSONField()),
                ('principal', models.JSONField()),
            ],
            options={
                'db_table': 'routing_file',
                'indexes': [models.Index(condition=models.Q(('state__in', ('waiting', 'running'))), fields=['kind', 'id'], name='routing_file_open'), models.Index(fields=['actor', 'kind', 'id'], name='routing_file_actor')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ('waiting', 'running', 'ready', 'failed', 'expired'))), name='routing_file_state')],
            },
        ),
        migrations.CreateModel(
            name='FilePart',
            fields=[
                ('pk', models.CompositePrimaryKey('file', 'no', blank=True, editable=False, primary_key=True, serialize=False)),
                ('file', models.UUIDField()),
                ('no', models.IntegerField()),
                ('nonce', models.BinaryField(default=b'')),
                ('data', models.BinaryField()),
            ],
            options={
                'db_table': 'routing_file_part',
            },
        ),
        migrations.RunSQL(GRANTS, reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(MOVE, reverse_sql=migrations.RunSQL.noop),
        migrations.DeleteModel(name='Evidence'),
        migrations.DeleteModel(name='EvidencePart'),
        migrations.DeleteModel(name='Export'),
        migrations.DeleteModel(name='ExportPart'),
    ]
