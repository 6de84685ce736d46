"""A tenant's own key is given up by two people. The SQL lies in `audit/retention/sql/tenant_key.sql`."""

from pathlib import Path

from django.db import migrations

APP = Path(__file__).resolve().parent.parent


def sql(path):
    """One file."""
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8"))


class Migration(migrations.Migration):
    dependencies = [("audit", "0009_published_first")]
    operations = [sql("retention/sql/tenant_key.sql")]
