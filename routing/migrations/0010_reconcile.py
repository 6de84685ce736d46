"""What the checks of money last said, and what providers billed."""

from pathlib import Path

import django.contrib.postgres.fields
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
GRANTS = (APP / "reconcile/sql/grants.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0009_exports'),
    ]

    operations = [
        migrations.CreateModel(
            name='Standing',
            fields=[
                ('check_name', models.TextField(primary_key=True, serialize=False)),
                ('checked_at', models.DateTimeField()),
                ('held_at', models.DateTimeField(null=True)),
                ('seen', models.TextField(default='')),
                ('findings', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
            ],
            options={
                'db_table': 'routing_standing',
            },
        ),
        migrations.CreateModel(
            name='Invoice',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('entry', models.UUIDField()),
                ('imported_at', models.DateTimeField()),
                ('first', models.DateField()),
                ('last', models.DateField()),
                ('billed_nano', models.BigIntegerField()),
                ('ledger_nano', models.BigIntegerField()),
                ('tenant', models.TextField()),
                ('provider', models.TextField()),
                ('form', models.TextField()),
                ('name', models.TextField()),
                ('digest', models.TextField()),
                ('imported_by', models.TextField()),
                ('lines', models.JSONField()),
            ],
            options={
                'db_table': 'routing_invoice',
                'constraints': [models.UniqueConstraint(fields=('tenant', 'provider', 'digest'), name='routing_invoice_once')],
            },
        ),
        migrations.RunSQL(GRANTS, reverse_sql=migrations.RunSQL.noop),
    ]
