"""`python -m tests.browser.count_queries MANY`: how many queries each page takes, as one line of JSON.

MANY calls and entries are laid beside those that are there, copies of one, so that a page that asks for each row shows
itself.
"""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
django.setup()

from django.conf import settings  # noqa: E402 - after the apps are ready
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from audit.log.running import Loop  # noqa: E402
from audit.log.signing import signer  # noqa: E402
from policies.identity.models import User  # noqa: E402

COPY = """
INSERT INTO {table} ({columns})
SELECT {values} FROM {table} t, made
 WHERE t.{key} = (SELECT id FROM routing_call WHERE state = 'completed' AND route = 'claims-triage' ORDER BY id LIMIT 1)
"""
IDS = """
CREATE TEMPORARY TABLE made AS
SELECT (substr(id::text, 1, 14) || '7' || substr(h, 1, 3) || '-a' || substr(h, 4, 3) || '-' || substr(h, 7, 12))::uuid AS id
  FROM generate_series(1, %s) n, md5(n || %s::text) h, (SELECT id FROM routing_call ORDER BY id DESC LIMIT 1) newest
"""
ENTRIES = """
SELECT count(audit_append(made.id, e.kind, NULL, e.tenant, e.body))
  FROM made, (SELECT * FROM audit_entry WHERE kind = 'key.created' ORDER BY id LIMIT 1) e
"""


def lay(many: int) -> None:
    """Copies of one call and its attempts, and as many entries, each with its place in the tree."""
    with connection.cursor() as cursor:
        cursor.execute(IDS, [many, many])
        for table, key in (("routing_call", "id"), ("routing_attempt", "call")):
            cursor.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
                "AND has_column_privilege(attrelid, attnum, 'INSERT')",
                [table],
            )
            names = [name for (name,) in cursor.fetchall()]
            values = ["made.id" if name == key else f"t.{name}" for name in names]
            cursor.execute(
                COPY.format(
                    table=table, key=key, columns=", ".join(names), values=", ".join(values)
                )
            )
        cursor.execute(ENTRIES)
    Loop(settings.DATABASE_URL, signer(settings.MANDATE_KEYS_DIR), lambda _: None).once()


def count(who: str, path: str) -> int:
    """Queries of one page; the process has seen it once before, as a running one has."""
    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.get(email=f"{who}@acme.example"))
    client.get(path)
    with CaptureQueriesContext(connection) as caught:
        answer = client.get(path)
    # Tariq looks at two pages that are not for him
    assert answer.status_code == 200 or who == "tariq", (path, answer.status_code)
    return len(caught)


def main() -> None:
    """Say it for every page that comes in on standard input: a list of [who, path]."""
    lay(int(sys.argv[1]))
    pages = json.load(sys.stdin)
    print(json.dumps([count(who, path) for who, path in pages]))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
