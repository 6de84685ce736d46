"""A reservation says until when its limits hold; the functions that reserve are made anew."""

from pathlib import Path

from django.db import migrations

CALLS = Path(__file__).resolve().parent.parent / "calls/sql"
FUNCTIONS = ("admit.sql", "attempt.sql", "together.sql")


def anew(name: str) -> str:
    """The functions of a file, in the place of those that are there."""
    return (CALLS / name).read_text(encoding="utf-8").replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    dependencies = [("routing", "0014_label_quickly")]
    operations = [
        migrations.RunSQL(text, reverse_sql=migrations.RunSQL.noop)
        for text in ((CALLS / "valid_until.sql").read_text(encoding="utf-8"), *map(anew, FUNCTIONS))
    ]
