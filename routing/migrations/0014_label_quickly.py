"""A label's value from the bytes of a decision's facts, without reading all of them as JSON."""

from pathlib import Path

from django.db import migrations

APP = Path(__file__).resolve().parent.parent


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0013_together'),
    ]

    operations = [
        migrations.RunSQL((APP / "reports/sql/label_quickly.sql").read_text(encoding="utf-8"), reverse_sql=migrations.RunSQL.noop),
    ]
