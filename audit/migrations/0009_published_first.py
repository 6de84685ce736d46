"""A month of the log goes only once it is published. The SQL lies in `audit/retention/sql/drop_month.sql`."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations

APP = Path(__file__).resolve().parent.parent


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8").replace(':"app"', role))


class Migration(migrations.Migration):
    dependencies = [("audit", "0008_acknowledged")]
    operations = [sql("retention/sql/drop_month.sql")]
