"""Shadow runs: which call is one of which, and what came of comparing the answers."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
FILES = ("beside/sql/tables.sql", "ledger/sql/within.sql", "beside/sql/functions.sql")


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8").replace(':"app"', role), reverse_sql=migrations.RunSQL.noop)


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0017_service_tier'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[sql(path) for path in FILES],
            state_operations=[
                migrations.CreateModel(
                    name='Beside',
                    fields=[
                        ('call', models.UUIDField(primary_key=True, serialize=False)),
                        ('of', models.UUIDField()),
                        ('asked_at', models.DateTimeField()),
                        ('tenant', models.TextField()),
                        ('team', models.TextField()),
                        ('route', models.TextField()),
                        ('model', models.TextField()),
                    ],
                    options={
                        'db_table': 'routing_beside',
                        'indexes': [models.Index(fields=['asked_at'], name='routing_beside_asked')],
                        'constraints': [models.UniqueConstraint(fields=('of', 'model'), name='routing_beside_once')],
                    },
                ),
                migrations.CreateModel(
                    name='BesideVerdict',
                    fields=[
                        ('call', models.UUIDField(primary_key=True, serialize=False)),
                        ('entry', models.UUIDField()),
                        ('compared_at', models.DateTimeField()),
                        ('verdict', models.TextField()),
                    ],
                    options={
                        'db_table': 'routing_beside_verdict',
                    },
                ),
            ],
        ),
    ]
