"""Rotate the log's key: the old one's last head covers the entry that names the new one, then the new one goes on.

Every step may be cut off, and the next run goes on: 1. the new key is written beside the old one; 2. the entry is appended,
once; 3. the old key signs a head over it, and a line that hands over to the new one; 4. the old public key joins those before
it, the new private key takes the old one's place; 5. the new key signs. Meanwhile no sequencer works: we hold its lock.

After a restore that lost signed entries the old key may sign nothing more: the register is ahead for ever. Then the log goes
on under another name, the entry says what was signed last, and the new key's first head covers it.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from audit.files import replace, write_new
from audit.log.append import append_over
from audit.log.entry import build
from audit.log.running import connect
from audit.log.sequence import Refused, Sequencer
from audit.log.signing import EARLIER_KEYS_FILE, HANDOVERS_FILE, KEY_FILE, earlier_keys, signer
from audit.merkle.handover import handover
from audit.merkle.note import SignerKey, VerifierKey
from audit.register.base import Register, Registered
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource

NEXT_FILE = "log_key.next"
PATIENCE_SECONDS = 30.0
_LOCK = "SELECT pg_try_advisory_lock(7001, 101)"
_SAID = """
SELECT e.id, EXISTS (SELECT FROM audit_leaf WHERE entry = e.id) FROM audit_entry e
 WHERE e.call IS NULL AND e.kind = 'log.key-rotated' AND convert_from(e.body, 'UTF8')::json -> 'data' ->> 'new' = %s
"""


@dataclass(frozen=True, slots=True)
class Rotation:
    """Where and by whom. `origin` names the log anew, which only a restore needs."""

    dsn: str
    keys: Path
    register: Register
    actor: str
    origin: str = ""


def rotate(asked: Rotation) -> tuple[VerifierKey, VerifierKey]:
    """Rotate; return the old and the new public key. Raises Refused, psycopg.Error, OSError."""
    old = signer(asked.keys)
    new = _next(asked.keys, asked.origin or old.verifier.name)
    with connect(asked.dsn) as db:
        _alone(db)
        _say(db, asked, old, new)
        if not asked.origin:
            _sign_over(db, asked.register, old, new)
            _hand_over(asked.keys, old, new)
        _swap(asked.keys, old)
        fresh = signer(asked.keys)
        _sign(db, asked.register, fresh)
    return old.verifier, fresh.verifier


def _next(keys: Path, name: str) -> SignerKey:
    """The key to come: the one that an earlier run made, unless that was to have another name."""
    path, made = keys / NEXT_FILE, SignerKey.generate(name)
    write_new(path, made.secret_text().encode() + b"\n")
    found = SignerKey.parse(path.read_text(encoding="utf-8").strip())
    if found.verifier.name == name:
        return found
    replace(path, made.secret_text().encode() + b"\n", mode=0o600)
    return made


def _alone(db: psycopg.Connection[Any]) -> None:
    """Hold the sequencer's lock for this session."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not _first(db.execute(_LOCK).fetchone()):
        if time.monotonic() > until:
            raise Refused("a sequencer is at work and does not stop; try again")
        time.sleep(0.05)


def _say(db: psycopg.Connection[Any], asked: Rotation, old: SignerKey, new: SignerKey) -> None:
    if db.execute(_SAID, [str(new.verifier)]).fetchone() is not None:
        return
    data: dict[str, object] = {"old": str(old.verifier), "new": str(new.verifier)}
    if asked.origin:
        held = asked.register.load(old.verifier.name)
        data |= {"restored": True, "held": held or ""}
    append_over(
        db,
        build(
            "log.key-rotated", id=IdSource().new(), at=system_clock(), actor=asked.actor, data=data
        ),
    )


def _sign_over(
    db: psycopg.Connection[Any], register: Register, old: SignerKey, new: SignerKey
) -> None:
    """Let the old key sign until a head of its own covers the entry."""
    until = time.monotonic() + PATIENCE_SECONDS
    sequencer = Sequencer(db, old, register=Registered(register, old.known))
    while True:
        sequencer.tick()
        row = db.execute(_SAID, [str(new.verifier)]).fetchone()
        if row is not None and row[1]:
            return
        if time.monotonic() > until:
            raise Refused("a long transaction keeps the entry from its place; try again")
        time.sleep(0.05)


def _hand_over(keys: Path, old: SignerKey, new: SignerKey) -> None:
    """Let the old key say in a line of its own who follows it, which a witness can read that sees no entries."""
    path, line = keys / HANDOVERS_FILE, handover(old, new.verifier)
    before = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    if line not in before:
        replace(path, "".join(f"{one}\n" for one in (*before, line)).encode(), mode=0o600)


def _swap(keys: Path, old: SignerKey) -> None:
    """Remember the old public key first: a head that it signed must stay known whenever we die."""
    earlier = earlier_keys(keys)
    if old.verifier not in earlier:
        lines = "".join(f"{key}\n" for key in (*earlier, old.verifier))
        replace(keys / EARLIER_KEYS_FILE, lines.encode(), mode=0o600)
    (keys / NEXT_FILE).replace(keys / KEY_FILE)


def _sign(db: psycopg.Connection[Any], register: Register, fresh: SignerKey) -> None:
    Sequencer(db, fresh, register=Registered(register, fresh.known)).tick(heartbeat=True)


def _first(row: tuple[Any, ...] | None) -> bool:
    return bool(row and row[0])
