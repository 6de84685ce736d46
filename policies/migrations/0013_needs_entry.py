"""No version of a document, and no bundle, without its entry. The SQL lies in `policies/bundles/sql/needs_entry.sql`."""

from pathlib import Path

from django.db import migrations

APP = Path(__file__).resolve().parent.parent


class Migration(migrations.Migration):

    dependencies = [
        ('policies', '0012_shadow'),
        ('audit', '0005_here'),
    ]

    operations = [
        migrations.RunSQL((APP / "bundles/sql/needs_entry.sql").read_text(encoding="utf-8")),
    ]
