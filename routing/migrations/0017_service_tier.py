"""The service tier of an attempt, as its provider named it; the functions that end attempts write it."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role, and its functions written anew."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    text = (APP / path).read_text(encoding="utf-8").replace(':"app"', role)
    return migrations.RunSQL(text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"), reverse_sql=migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("routing", "0016_labels_told")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                sql("calls/sql/service_tier.sql"),
                sql("calls/sql/ending.sql"),
                sql("calls/sql/sweep.sql"),
            ],
            state_operations=[
                migrations.AddField(
                    model_name="attempt", name="service_tier", field=models.TextField(default="")
                )
            ],
        )
    ]
