"""What reports read of labels: functions over the facts of a decision."""

from pathlib import Path

from django.db import migrations

APP = Path(__file__).resolve().parent.parent


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0005_closing'),
    ]

    operations = [
        migrations.RunSQL((APP / "reports/sql/labels.sql").read_text(encoding="utf-8"), reverse_sql=migrations.RunSQL.noop),
    ]
