"""Exports: what was asked for, and the pieces of each file until it expires."""

from pathlib import Path

import django.db.models.functions.datetime
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
GRANTS = (APP / "exports/sql/grants.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0008_forecasts'),
    ]

    operations = [
        migrations.CreateModel(
            name='ExportPart',
            fields=[
                ('pk', models.CompositePrimaryKey('export', 'no', blank=True, editable=False, primary_key=True, serialize=False)),
                ('export', models.UUIDField()),
                ('no', models.IntegerField()),
                ('data', models.BinaryField()),
            ],
            options={
                'db_table': 'routing_export_part',
            },
        ),
        migrations.CreateModel(
            name='Export',
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
                ('tenant', models.TextField()),
                ('actor', models.TextField()),
                ('state', models.TextField(default='waiting')),
                ('sha256', models.TextField(default='')),
                ('told', models.TextField(default='')),
                ('ask', models.JSONField()),
                ('principal', models.JSONField()),
            ],
            options={
                'db_table': 'routing_export',
                'indexes': [models.Index(condition=models.Q(('state__in', ('waiting', 'running'))), fields=['id'], name='routing_export_open'), models.Index(fields=['actor', 'id'], name='routing_export_actor')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ('waiting', 'running', 'ready', 'failed', 'expired'))), name='routing_export_state')],
            },
        ),
        migrations.RunSQL(GRANTS, reverse_sql=migrations.RunSQL.noop),
    ]
