"""A proof, checked anew each time it is shown, and drawn: leaf, hashes beside the path, root, signature."""

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from audit.log.read import Proven
from audit.log.signing import NoLogKey, trusted_keys
from audit.merkle.checkpoint import BadCheckpoint, Checkpoint
from audit.merkle.note import BadNote, open_note
from audit.merkle.proof import BadProof, ProofFile, verify_inclusion
from audit.merkle.tree import leaf_hash, node_hash
from audit.ui.words import count, lasting

_DRAWN = 3
_FIRST_X, _STEP_X = 78, 70


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked, in words, with the value that a person may compare."""

    name: str
    note: str
    value: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A node on the path and the hash beside it, four digits each; the last one may stand for many."""

    x: int
    centre: int
    above: str
    beside: str


@dataclass(frozen=True, slots=True)
class Step:
    """One hash of the path: on which side it stands, and what comes of it."""

    number: int
    side: str
    beside: str
    above: str


@dataclass(frozen=True, slots=True)
class ProofView:
    """What the proof came to."""

    holds: bool
    verdict: str
    took: str
    index: int
    size: int
    leaf: str
    root: str
    hashes: tuple[str, ...]
    drawn: tuple[Node, ...]
    checks: tuple[Check, ...]
    receipt_url: str
    steps: tuple[Step, ...]
    text: str


def view_of(proven: Proven, receipt_url: str = "") -> ProofView | None:
    """Check the proof of an entry from its bytes up; None while the entry has no place."""
    if proven.proof is None:
        return None
    began = time.perf_counter()
    head = Checkpoint.parse(proven.proof.checkpoint.partition("\n\n")[0] + "\n")
    checks = _checks(proven, proven.proof, head)
    took = timedelta(seconds=time.perf_counter() - began)
    holds = all(check.holds for check in checks)
    return ProofView(
        holds=holds,
        verdict="this entry is in the log, unchanged and in its place."
        if holds
        else f"{next(check.name for check in checks if not check.holds).lower()} does not fit.",
        took=lasting(took) if took >= timedelta(milliseconds=1) else "under 1 ms",
        index=proven.proof.index,
        size=head.size,
        leaf=leaf_hash(proven.body).hex(),
        root=head.root.hex(),
        hashes=tuple(value.hex() for value in proven.proof.path),
        drawn=_drawn(proven, proven.proof, head.size),
        checks=checks,
        receipt_url=receipt_url,
        steps=tuple(_steps(proven, proven.proof, head.size)),
        text=str(proven.proof),
    )


def _checks(proven: Proven, proof: ProofFile, head: Checkpoint) -> tuple[Check, ...]:
    leaf = leaf_hash(proven.body)
    signed, signer = _signature(proof)
    return (
        Check(
            "Leaf",
            f"entry {count(proof.index)}, {count(len(proven.body))} bytes, hashed as stored",
            leaf.hex(),
            leaf == proven.leaf_hash,
        ),
        Check(
            f"{len(proof.path)} hashes to the root",
            _sides(proof, head.size),
            "all fit" if _included(leaf, proof, head) else "no fit",
            _included(leaf, proof, head),
        ),
        Check(
            "Root",
            f"of the tree of {count(head.size)} entries",
            base64.b64encode(head.root).decode(),
            _included(leaf, proof, head),
        ),
        Check(
            "Signature of the log", f"{signer}, Ed25519", "valid" if signed else "invalid", signed
        ),
    )


def _included(leaf: bytes, proof: ProofFile, head: Checkpoint) -> bool:
    try:
        verify_inclusion(proof.index, head.size, leaf, proof.path, head.root)
    except BadProof:
        return False
    return True


def _signature(proof: ProofFile) -> tuple[bool, str]:
    try:
        keys = trusted_keys(settings.MANDATE_KEYS_DIR)
        (key, *_) = open_note(proof.checkpoint, keys).signed_by
    except (NoLogKey, BadNote, BadCheckpoint) as error:
        return False, str(error)
    return True, key.name


def _lefts(proof: ProofFile, size: int) -> list[bool]:
    """For each hash of the path, whether it stands on the left."""
    sides, position, last = [], proof.index, size - 1
    for _ in proof.path:
        left = bool(position & 1) or position == last
        sides.append(left)
        while left and not position & 1 and position:
            position, last = position >> 1, last >> 1
        position, last = position >> 1, last >> 1
    return sides


def _sides(proof: ProofFile, size: int) -> str:
    left = sum(_lefts(proof, size))
    return f"{left} on the left, {len(proof.path) - left} on the right"


def _steps(proven: Proven, proof: ProofFile, size: int) -> Iterator[Step]:
    """From the leaf up: each hash beside the path, and the hash of both."""
    value = leaf_hash(proven.body)
    for number, (sibling, left) in enumerate(zip(proof.path, _lefts(proof, size), strict=True), 1):
        value = node_hash(sibling, value) if left else node_hash(value, sibling)
        yield Step(number, "left" if left else "right", sibling.hex(), value.hex())


def _drawn(proven: Proven, proof: ProofFile, size: int) -> tuple[Node, ...]:
    nodes = []
    for step in _steps(proven, proof, size):
        x = _FIRST_X + _STEP_X * min(step.number - 1, _DRAWN - 1)
        nodes.append(Node(x, x + 27, step.above[:4], step.beside[:4]))
    if len(nodes) <= _DRAWN:
        return tuple(nodes)
    x = nodes[_DRAWN - 1].x
    rest = Node(x, x + 27, f"+{len(nodes) - _DRAWN + 1}", "…")
    return (*nodes[: _DRAWN - 1], rest)
