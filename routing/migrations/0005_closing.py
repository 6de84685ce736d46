"""Statements, the months they closed, and adjustments. The SQL lies in `routing/closing/sql/tables.sql`."""

from pathlib import Path

import django.db.models.deletion
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
TABLES = (APP / "closing/sql/tables.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0004_evidence'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLES)],
            state_operations=[
                migrations.CreateModel(
                    name='Adjustment',
                    fields=[
                        ('id', models.UUIDField(primary_key=True, serialize=False)),
                        ('call', models.UUIDField(null=True)),
                        ('entry', models.UUIDField()),
                        ('amount_nano', models.BigIntegerField()),
                        ('proposed_at', models.DateTimeField()),
                        ('attempt', models.SmallIntegerField(default=0)),
                        ('kind', models.TextField()),
                        ('tenant', models.TextField()),
                        ('corrects', models.TextField()),
                        ('occurrence', models.TextField()),
                        ('team', models.TextField(default='')),
                        ('route', models.TextField(default='')),
                        ('model', models.TextField(default='')),
                        ('provider', models.TextField(default='')),
                        ('note', models.TextField(default='')),
                        ('proposed_by', models.TextField()),
                    ],
                    options={
                        'db_table': 'routing_adjustment',
                    },
                ),
                migrations.CreateModel(
                    name='Period',
                    fields=[
                        ('pk', models.CompositePrimaryKey('tenant', 'period', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('entry', models.UUIDField()),
                        ('closed_at', models.DateTimeField()),
                        ('tenant', models.TextField()),
                        ('period', models.TextField()),
                        ('closed_by', models.TextField()),
                    ],
                    options={
                        'db_table': 'routing_period',
                    },
                ),
                migrations.CreateModel(
                    name='Statement',
                    fields=[
                        ('id', models.UUIDField(primary_key=True, serialize=False)),
                        ('cut_off_at', models.DateTimeField()),
                        ('spent_nano', models.BigIntegerField()),
                        ('accrued_nano', models.BigIntegerField()),
                        ('adjusted_nano', models.BigIntegerField()),
                        ('tenant', models.TextField()),
                        ('period', models.TextField()),
                        ('digest', models.TextField()),
                        ('prepared_by', models.TextField()),
                        ('entry', models.UUIDField()),
                        ('body', models.BinaryField()),
                    ],
                    options={
                        'db_table': 'routing_statement',
                    },
                ),
                migrations.CreateModel(
                    name='Verdict',
                    fields=[
                        ('adjustment', models.OneToOneField(db_column='adjustment', db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='verdict', serialize=False, to='routing.adjustment')),
                        ('entry', models.UUIDField()),
                        ('decided_at', models.DateTimeField()),
                        ('accepted', models.BooleanField()),
                        ('period', models.TextField(default='')),
                        ('reason', models.TextField(default='')),
                        ('decided_by', models.TextField()),
                    ],
                    options={
                        'db_table': 'routing_adjustment_verdict',
                    },
                ),
                migrations.AddIndex(
                    model_name='adjustment',
                    index=models.Index(fields=['tenant', 'id'], name='routing_adjustment_tenant'),
                ),
                migrations.AddConstraint(
                    model_name='adjustment',
                    constraint=models.UniqueConstraint(fields=('tenant', 'occurrence'), name='routing_adjustment_once'),
                ),
                migrations.AddIndex(
                    model_name='statement',
                    index=models.Index(fields=['tenant', 'period', 'id'], name='routing_statement_period'),
                ),
                migrations.AddField(
                    model_name='period',
                    name='statement',
                    field=models.OneToOneField(db_column='statement', db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='closed', to='routing.statement'),
                ),
                migrations.AddIndex(
                    model_name='verdict',
                    index=models.Index(condition=models.Q(('accepted', True)), fields=['period'], name='routing_adjustment_period'),
                ),
            ],
        ),
    ]
