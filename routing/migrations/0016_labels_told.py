"""A label's value is read once for each group of calls with the same labels."""

from pathlib import Path

from django.db import migrations

APP = Path(__file__).resolve().parent.parent


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0015_valid_until'),
    ]

    operations = [
        migrations.RunSQL((APP / "reports/sql/labels_told.sql").read_text(encoding="utf-8"), reverse_sql=migrations.RunSQL.noop),
    ]
