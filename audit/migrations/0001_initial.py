"""The log, the vault and the ground for every app. The SQL lies in `audit/**/sql/`."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations, models

import audit.log.fields

APP = Path(__file__).resolve().parent.parent


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8").replace(':"app"', role))


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                sql("sql/base.sql"),
                sql("log/sql/tables.sql"),
                sql("log/sql/functions.sql"),
                sql("vault/sql/tables.sql"),
                sql("vault/sql/functions.sql"),
                migrations.RunSQL("SELECT make_months(3)"),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="Content",
                    fields=[
                        ("pk", models.CompositePrimaryKey("call", "field", "no", blank=True, editable=False, primary_key=True, serialize=False)),
                        ("call", models.UUIDField()),
                        ("no", models.SmallIntegerField()),
                        ("field", models.TextField()),
                        ("tenant_key", models.TextField()),
                        ("subject_key", models.TextField()),
                        ("nonce", models.BinaryField()),
                        ("ciphertext", models.BinaryField()),
                    ],
                    options={"db_table": "vault_content"},
                ),
                migrations.CreateModel(
                    name="Leaf",
                    fields=[
                        ("pk", models.CompositePrimaryKey("log", "index", blank=True, editable=False, primary_key=True, serialize=False)),
                        ("entry", models.UUIDField(unique=True)),
                        ("index", models.BigIntegerField()),
                        ("xid", audit.log.fields.TransactionId()),
                        ("recorded_at", models.DateTimeField()),
                        ("log", models.SmallIntegerField()),
                        ("hash", models.BinaryField()),
                    ],
                    options={"db_table": "audit_leaf"},
                ),
                migrations.CreateModel(
                    name="Tile",
                    fields=[
                        ("pk", models.CompositePrimaryKey("log", "level", "index", blank=True, editable=False, primary_key=True, serialize=False)),
                        ("index", models.BigIntegerField()),
                        ("log", models.SmallIntegerField()),
                        ("level", models.SmallIntegerField()),
                        ("hashes", models.BinaryField()),
                    ],
                    options={"db_table": "audit_tile"},
                ),
                migrations.CreateModel(
                    name="TreeState",
                    fields=[
                        ("log", models.SmallIntegerField(primary_key=True, serialize=False)),
                        ("size", models.BigIntegerField()),
                        ("seq", models.BigIntegerField()),
                        ("horizon", audit.log.fields.TransactionId()),
                        ("open_tiles", models.BinaryField()),
                    ],
                    options={"db_table": "audit_tree_state"},
                ),
                migrations.CreateModel(
                    name="Checkpoint",
                    fields=[
                        ("pk", models.CompositePrimaryKey("log", "seq", blank=True, editable=False, primary_key=True, serialize=False)),
                        ("seq", models.BigIntegerField()),
                        ("size", models.BigIntegerField()),
                        ("horizon", audit.log.fields.TransactionId()),
                        ("signed_at", models.DateTimeField()),
                        ("log", models.SmallIntegerField()),
                        ("root", models.BinaryField()),
                        ("seal", models.BinaryField()),
                        ("note", models.TextField()),
                    ],
                    options={
                        "db_table": "audit_checkpoint",
                        "indexes": [
                            models.Index(fields=["log", "size"], name="audit_checkpoint_size"),
                            models.Index(fields=["signed_at"], name="audit_checkpoint_signed"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Entry",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("call", models.UUIDField(null=True)),
                        ("xid", audit.log.fields.TransactionId()),
                        ("recorded_at", models.DateTimeField()),
                        ("log", models.SmallIntegerField()),
                        ("kind", models.TextField()),
                        ("tenant", models.TextField()),
                        ("body", models.BinaryField()),
                    ],
                    options={
                        "db_table": "audit_entry",
                        "indexes": [
                            models.Index(fields=["xid", "id"], name="audit_entry_order"),
                            models.Index(condition=models.Q(("call__isnull", False)), fields=["call"], name="audit_entry_call"),
                            models.Index(fields=["tenant", "id"], name="audit_entry_tenant"),
                            models.Index(condition=models.Q(("call__isnull", True)), fields=["id"], name="audit_entry_acts"),
                            models.Index(condition=models.Q(("call__isnull", True)), fields=["kind", "id"], name="audit_entry_act_kinds"),
                        ],
                    },
                ),
            ],
        ),
        migrations.RunSQL(
            "GRANT SELECT ON django_migrations TO "
            + connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
        ),
    ]
