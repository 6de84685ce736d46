"""Erase again what a restored key store brought back: the database knows which keys are destroyed, the folder may be older.

A key is destroyed again by its fingerprint, never by its name alone: a newer key may stand under it. What was looked at last
lies in the folder, so that a start which finds nothing new reads one row and one file.
"""

import os
from pathlib import Path

from django.db import connection, transaction

from audit.files import sync_folder
from audit.log.append import append
from audit.log.entry import build
from audit.retention.models import TENANT_KEY, Erasure
from audit.vault.store import KeyStore, fingerprint
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource

_APPLIED = "erasures-applied"
_ids = IdSource()
_NEWEST = """
SELECT count(*) || ' ' || coalesce(extract(epoch FROM max(erased_at))::text, '') FROM audit_erasure WHERE erased_at IS NOT NULL
"""


def repeat_if_behind(store: KeyStore, actor: str) -> int:
    """At every start: how many keys had come back and are destroyed again. A folder that is up to date is not looked through."""
    newest = _newest()
    path = store.folder / _APPLIED
    if path.is_file() and path.read_text(encoding="ascii") == newest:
        return 0
    return repeat(store, actor)


def repeat(store: KeyStore, actor: str) -> int:
    """Look at every erasure there ever was; how many keys had come back and are destroyed again, which is an entry."""
    newest, back = _newest(), []
    done = Erasure.objects.filter(erased_at__isnull=False).exclude(kind=TENANT_KEY)
    for row in done.order_by("erased_at").iterator():
        key = store.get(row.key)
        # INVARIANT: what was erased stays erased, whatever was restored
        if key is not None and fingerprint(key) == row.fingerprint:
            store.destroy(row.key)
            back.append(row.key)
        elif not store.destroyed(row.key):
            store.mark_destroyed(row.key)
    if back:
        with transaction.atomic():
            data = {"keys": len(back)}
            entry = build(
                "erasure.repeated", id=_ids.new(), at=system_clock(), actor=actor, data=data
            )
            append(entry)
    _write(store.folder / _APPLIED, newest)
    return len(back)


def _newest() -> str:
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST)
        return str(cursor.fetchone()[0])


def _write(path: Path, text: str) -> None:
    if not path.parent.is_dir():
        return  # no key was ever made here
    draft = path.with_name(f".{path.name}")
    draft.write_text(text, encoding="ascii")
    draft.chmod(0o600)
    os.replace(draft, path)  # noqa: PTH105 - one step, over what is there
    sync_folder(path.parent)
