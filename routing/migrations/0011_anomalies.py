"""Anomalies: patterns of spend that broke, and the caps set on them."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
GRANTS = (APP / "anomalies/sql/grants.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0010_reconcile'),
    ]

    operations = [
        migrations.CreateModel(
            name='Anomaly',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('tenant', models.TextField()),
                ('team', models.TextField()),
                ('key', models.TextField()),
                ('route', models.TextField()),
                ('since', models.DateTimeField()),
                ('found_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('first_call', models.UUIDField()),
                ('calls', models.IntegerField()),
                ('spent_nano', models.BigIntegerField()),
                ('usual_nano', models.BigIntegerField()),
                ('threshold_nano', models.BigIntegerField()),
                ('cost_nano', models.BigIntegerField()),
                ('owner', models.TextField(default='')),
                ('cap', models.TextField(default='')),
                ('cap_digest', models.TextField(default='')),
                ('cap_by', models.TextField(default='')),
                ('cap_until', models.DateTimeField(null=True)),
                ('cap_ended_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'routing_anomaly',
                'indexes': [models.Index(fields=['tenant', 'id'], name='routing_anomaly_tenant')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('tenant', 'team', 'key', 'route'), name='routing_anomaly_once')],
            },
        ),
        migrations.RunSQL(GRANTS, reverse_sql=migrations.RunSQL.noop),
    ]
