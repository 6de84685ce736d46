"""A month's models bought by the hour, split over tenants once. The SQL lies in `routing/closing/sql/capacity.sql`."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
TABLES = (APP / "closing/sql/capacity.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0018_beside'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLES, reverse_sql=migrations.RunSQL.noop)],
            state_operations=[
                migrations.CreateModel(
                    name='CapacityShare',
                    fields=[
                        ('pk', models.CompositePrimaryKey('period', 'model', 'tenant', 'team', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('tokens', models.BigIntegerField()),
                        ('microhours', models.BigIntegerField()),
                        ('cost_nano', models.BigIntegerField()),
                        ('frozen_at', models.DateTimeField()),
                        ('entry', models.UUIDField()),
                        ('period', models.TextField()),
                        ('model', models.TextField()),
                        ('tenant', models.TextField()),
                        ('team', models.TextField()),
                    ],
                    options={
                        'db_table': 'routing_capacity_share',
                    },
                ),
                migrations.AddField(
                    model_name='statement',
                    name='capacity_nano',
                    field=models.BigIntegerField(default=0),
                ),
            ],
        ),
    ]
