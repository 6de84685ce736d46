"""After an erasure neither the words nor the key that sealed them are found: heap, WAL, Valkey, logs, metrics, key store."""

import mmap
import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import psycopg
import redis

from audit.vault.keys import month_of
from audit.vault.store import KeyStore
from controlplane import env
from tests.journeys.installation import Installation, call_of

TENANT = "j-permit"


def files_with(folder: Path, needles: list[bytes]) -> set[str]:
    """The files below a folder in which any of these bytes lie."""
    wanted = re.compile(b"|".join(re.escape(needle) for needle in needles))
    found = set()
    for path in folder.rglob("*"):
        try:
            if not path.is_file() or not path.stat().st_size:
                continue
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
                if wanted.search(view):
                    found.add(str(path.relative_to(folder)))
        except FileNotFoundError:
            continue  # PostgreSQL takes its files away as it runs
    return found


def in_valkey(url: str, needle: bytes) -> list[bytes]:
    """The keys of Valkey whose name or value holds these bytes."""
    with redis.Redis.from_url(url) as client:
        return [
            key for key in client.scan_iter(count=500) if needle in key + (client.dump(key) or b"")
        ]


def written(it: Installation) -> None:
    """Bring what PostgreSQL holds in memory into its files."""
    with psycopg.connect(it.services()["database_superuser_url"], autocommit=True) as db:
        db.execute("CHECKPOINT")


def confirmed_by_another(it: Installation, said: str) -> None:
    """Where it takes two, somebody else at this machine confirms."""
    found = re.search(r"retention confirm (\S+)", said)
    if found is None:
        return
    subprocess.run(
        [sys.executable, "manage.py", "retention", "confirm", found.group(1)],
        cwd=env.ROOT,
        env={**it.running.machine.environment(), "LOGNAME": "second", "PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        timeout=120,
    )


def test_what_is_erased_is_found_nowhere(mandate: Installation) -> None:
    word, who = f"heron{uuid4().hex}", f"user-{uuid4().hex}"
    raw = mandate.openai(f"{TENANT}/desk").chat.completions.with_raw_response.create(
        model="one",
        messages=[{"role": "user", "content": f"{word} [[sandbox say='{word}']]"}],
        user=who,
    )
    call = call_of(raw.headers)
    assert word in (raw.parse().choices[0].message.content or "")
    store = KeyStore(mandate.home / "keys" / "store")
    subject = mandate.call(call)["user_ref"]
    mine, months = store.get(subject), store.get(f"tenant/{TENANT}/{month_of(call)}")
    assert mine is not None
    assert months is not None
    written(mandate)
    needles = [word.encode(), who.encode(), mine, months]
    kept = files_with(mandate.home, needles)
    assert {Path(path).suffix for path in kept} == {".key"}
    assert all(path.startswith("keys/store/") for path in kept)
    assert len(kept) == 2
    (folder,) = {p.parent for p in store.folder.rglob("*.key") if p.read_bytes() == mine}
    (file,) = (p for p in folder.glob("*.key") if p.read_bytes() == mine)

    erase = ("subjects", "erase", "--tenant", TENANT, "--user", who, "--basis", "a request")
    confirmed_by_another(mandate, mandate.operate(*erase))
    written(mandate)
    assert files_with(mandate.home, [word.encode(), who.encode(), mine]) == set()
    for needle in (word.encode(), mine):
        assert in_valkey(mandate.services()["redis_url"], needle) == []
    assert '"contentStands": false' in mandate.operate(
        "subjects", "list", "--tenant", TENANT, "--user", who
    )

    file.write_bytes(mine)  # a backup of the key store is restored
    assert mandate.operate("retention", "repeat") == "- 1 keys had come back and are gone\n"
    assert (store.get(subject), file.exists()) == (None, False)
    kinds = mandate.rows("SELECT kind FROM audit_entry WHERE kind = 'erasure.repeated'")
    assert len(kinds) >= 1
