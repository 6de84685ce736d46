"""Spend by day and forecasts of budgets, the marks that forecasts passed; deliveries may be cleaned."""

from pathlib import Path

import django.db.models.functions.datetime
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
GRANTS = (APP / "forecasts/sql/grants.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0007_tool_stage'),
    ]

    operations = [
        migrations.CreateModel(
            name='BudgetDay',
            fields=[
                ('pk', models.CompositePrimaryKey('window', 'day', blank=True, editable=False, primary_key=True, serialize=False)),
                ('window', models.BigIntegerField()),
                ('day', models.DateField()),
                ('spent_nano', models.BigIntegerField()),
            ],
            options={
                'db_table': 'routing_budget_day',
            },
        ),
        migrations.CreateModel(
            name='Forecast',
            fields=[
                ('window', models.BigIntegerField(primary_key=True, serialize=False)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('expected_nano', models.BigIntegerField()),
                ('low_nano', models.BigIntegerField()),
                ('high_nano', models.BigIntegerField()),
                ('limit_on', models.DateField(null=True)),
                ('error_permille', models.BigIntegerField(null=True)),
                ('tried', models.SmallIntegerField(default=0)),
                ('held', models.SmallIntegerField(default=0)),
                ('method', models.TextField()),
            ],
            options={
                'db_table': 'routing_forecast',
            },
        ),
        migrations.CreateModel(
            name='ForecastMark',
            fields=[
                ('pk', models.CompositePrimaryKey('window', 'percent', blank=True, editable=False, primary_key=True, serialize=False)),
                ('window', models.BigIntegerField()),
                ('percent', models.SmallIntegerField()),
                ('passed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'routing_forecast_mark',
            },
        ),
        migrations.RunSQL(GRANTS, reverse_sql=migrations.RunSQL.noop),
    ]
