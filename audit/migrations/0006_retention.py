"""Legal holds, erasures, and pruning. The SQL lies in `audit/retention/sql/retention.sql`."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8").replace(':"app"', role))


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_here")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[sql("retention/sql/retention.sql")],
            state_operations=[
                migrations.CreateModel(
                    name="Hold",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("call", models.UUIDField(null=True)),
                        ("set_at", models.DateTimeField()),
                        ("lift_asked_at", models.DateTimeField(null=True)),
                        ("lifted_at", models.DateTimeField(null=True)),
                        ("kind", models.TextField()),
                        ("tenant", models.TextField()),
                        ("name", models.TextField()),
                        ("reason", models.TextField()),
                        ("set_by", models.TextField()),
                        ("lift_asked_by", models.TextField(default="")),
                        ("lifted_by", models.TextField(default="")),
                    ],
                    options={"db_table": "audit_hold"},
                ),
                migrations.CreateModel(
                    name="Erasure",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("asked_at", models.DateTimeField()),
                        ("erased_at", models.DateTimeField(null=True)),
                        ("kind", models.TextField()),
                        ("tenant", models.TextField()),
                        ("key", models.TextField()),
                        ("fingerprint", models.TextField(default="")),
                        ("basis", models.TextField()),
                        ("asked_by", models.TextField()),
                        ("erased_by", models.TextField(default="")),
                    ],
                    options={"db_table": "audit_erasure"},
                ),
            ],
        ),
    ]
