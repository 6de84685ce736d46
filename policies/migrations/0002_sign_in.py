"""What the application role needs of the tables that sign people in: they come after ours, which they refer to."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
GRANTS = (APP / "identity/sql/sign_in.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):
    dependencies = [
        ("policies", "0001_initial"),
        ("sessions", "0001_initial"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]
    operations = [migrations.RunSQL(GRANTS)]
