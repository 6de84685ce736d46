"""Admissions that wait for each other go in together."""

from pathlib import Path

from django.db import migrations

APP = Path(__file__).resolve().parent.parent
FILES = ("ledger/sql/together.sql", "calls/sql/together.sql")


class Migration(migrations.Migration):
    dependencies = [("routing", "0012_files")]
    operations = [
        migrations.RunSQL((APP / name).read_text(encoding="utf-8"), reverse_sql=migrations.RunSQL.noop)
        for name in FILES
    ]
