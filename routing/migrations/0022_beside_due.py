"""Shadow runs of calls that end after their caller was told something."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations

APP = Path(__file__).resolve().parent.parent


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8").replace(':"app"', role), reverse_sql=migrations.RunSQL.noop)


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0019_capacity_shares'),
    ]

    operations = [
        sql("beside/sql/due.sql"),
    ]
