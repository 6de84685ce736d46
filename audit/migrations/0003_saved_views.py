"""Views of the log that members keep. The SQL lies in `audit/saved/sql/tables.sql`."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8").replace(':"app"', role))


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_watch")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[sql("saved/sql/tables.sql")],
            state_operations=[
                migrations.CreateModel(
                    name="SavedView",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("owner", models.TextField()),
                        ("name", models.TextField()),
                        ("query", models.TextField()),
                        ("created_at", models.DateTimeField()),
                    ],
                    options={"db_table": "audit_saved_view", "constraints": [models.UniqueConstraint(fields=("owner", "name"), name="audit_saved_view_name")]},
                ),
            ],
        ),
    ]
