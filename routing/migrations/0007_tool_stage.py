"""Review cases of stage `tool`."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "reviews/sql/tool_stage.sql"


class Migration(migrations.Migration):
    dependencies = [("routing", "0006_labels")]
    operations = [
        migrations.RunSQL(SQL.read_text(encoding="utf-8"), reverse_sql=migrations.RunSQL.noop)
    ]
