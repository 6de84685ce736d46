"""How publishing of the log stands. The SQL lies in `audit/publication/sql/tables.sql`."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8").replace(':"app"', role))


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_retention")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[sql("publication/sql/tables.sql")],
            state_operations=[
                migrations.CreateModel(
                    name="Publication",
                    fields=[
                        ("told_at", models.DateTimeField()),
                        ("published_at", models.DateTimeField(null=True)),
                        ("cosigned_at", models.DateTimeField(null=True)),
                        ("size", models.BigIntegerField()),
                        ("register_size", models.BigIntegerField()),
                        ("cosigned_size", models.BigIntegerField()),
                        ("failures", models.BigIntegerField()),
                        ("quorum", models.SmallIntegerField()),
                        ("log", models.SmallIntegerField(primary_key=True, serialize=False)),
                        ("checkpoint", models.TextField()),
                        ("folder", models.TextField()),
                        ("register", models.TextField()),
                        ("failure", models.TextField()),
                        ("witnesses", models.JSONField()),
                    ],
                    options={"db_table": "audit_publication"},
                ),
            ],
        ),
    ]
