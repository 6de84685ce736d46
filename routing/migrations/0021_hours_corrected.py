"""Shares of hours that fall otherwise by now are adjustments. The SQL lies in `routing/closing/sql/hours.sql`."""

from pathlib import Path

from django.db import migrations, models

APP = Path(__file__).resolve().parent.parent
TABLES = (APP / "closing/sql/hours.sql").read_text(encoding="utf-8")


class Migration(migrations.Migration):
    dependencies = [("routing", "0019_capacity_shares")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLES, reverse_sql=migrations.RunSQL.noop)],
            state_operations=[
                migrations.AddField(
                    model_name="adjustment",
                    name="microhours",
                    field=models.BigIntegerField(default=0),
                )
            ],
        )
    ]
