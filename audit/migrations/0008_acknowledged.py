"""Findings that somebody has acknowledged. The SQL lies in `audit/log/sql/acknowledged.sql`."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8").replace(':"app"', role))


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_publication")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[sql("log/sql/acknowledged.sql")],
            state_operations=[
                migrations.CreateModel(
                    name="Acknowledged",
                    fields=[
                        ("pk", models.CompositePrimaryKey("log", "finding", blank=True, editable=False, primary_key=True, serialize=False)),
                        ("at", models.DateTimeField()),
                        ("log", models.SmallIntegerField()),
                        ("finding", models.TextField()),
                        ("actor", models.TextField()),
                        ("reason", models.TextField()),
                    ],
                    options={"db_table": "audit_acknowledged"},
                ),
            ],
        ),
    ]
