"""How the log is doing: what its own checks found, and whether the sequencer is alive. The SQL lies in `audit/log/sql/watch.sql`."""

from pathlib import Path

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import connections, migrations, models

import audit.log.fields

APP = Path(__file__).resolve().parent.parent


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8").replace(':"app"', role))


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[sql("log/sql/watch.sql")],
            state_operations=[
                migrations.CreateModel(
                    name="Verified",
                    fields=[
                        ("pk", models.CompositePrimaryKey("log", "scope", blank=True, editable=False, primary_key=True, serialize=False)),
                        ("checked_at", models.DateTimeField()),
                        ("held_at", models.DateTimeField(null=True)),
                        ("seq", models.BigIntegerField()),
                        ("size", models.BigIntegerField()),
                        ("revision", models.BigIntegerField(null=True)),
                        ("epoch", models.BigIntegerField(null=True)),
                        ("seconds", models.FloatField()),
                        ("horizon", audit.log.fields.TransactionId()),
                        ("log", models.SmallIntegerField()),
                        ("scope", models.TextField()),
                        ("findings", ArrayField(models.TextField())),
                    ],
                    options={"db_table": "audit_verified"},
                ),
                migrations.CreateModel(
                    name="SequencerSeen",
                    fields=[
                        ("seen_at", models.DateTimeField()),
                        ("sequenced", models.BigIntegerField()),
                        ("stragglers", models.BigIntegerField()),
                        ("refusals", models.BigIntegerField()),
                        ("log", models.SmallIntegerField(primary_key=True, serialize=False)),
                        ("refusal", models.TextField()),
                    ],
                    options={"db_table": "audit_sequencer"},
                ),
            ],
        ),
    ]
