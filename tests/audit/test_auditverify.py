"""The offline verifier holds what is right, and convicts every byte, leaf, entry and sum that is not (invariant 6)."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import audit.auditverify
from audit.auditverify import (
    Wrong,
    check_receipt,
    parse_key,
    path_root,
    read_archive,
    root_at,
    tile_name,
)
from audit.evidence import archive
from audit.merkle.note import SignerKey, sign_note
from audit.merkle.proof import inclusion
from audit.merkle.tiles import Nodes, tile_path, tiles_of
from audit.merkle.tree import Tree, leaf_hash, root_of
from tests.audit.bundles import (
    ACTIVATED,
    KEY,
    PLAIN,
    PLAIN_LINES,
    POLICY,
    Made,
    bodies,
    call_id,
    changed,
    entry,
    judged,
    lines_of,
    of_log,
    plain,
)
from tests.audit.merkle.test_tree import leaves

VERIFIER = Path(audit.auditverify.__file__)
KEYS = [parse_key(str(KEY.verifier))]


def run(*arguments: object) -> tuple[int, str, str]:
    """As an auditor runs it: isolated, with nothing of ours on the path."""
    command = [sys.executable, "-I", str(VERIFIER), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    return done.returncode, done.stdout, done.stderr


def test_a_log_that_is_right(tmp_path: Path) -> None:
    made = plain()
    found = judged(tmp_path, made.packed())
    assert found.findings == []
    tree, _ = made.tree
    assert found.told == {
        "origin": "log.example/1",
        "size": 5,
        "root": tree.root().hex(),
        "dense": [0, 5],
        "scope": {"kind": "log"},
        "entries": 5,
        "calls": 1,
        "posted": "120",
        "overrun": "0",
        "opened": 0,
    }


def test_every_bit_of_every_file_counts(tmp_path: Path) -> None:
    """The digests in the manifest are made anew, as whoever forges a bundle would."""
    made = Made(bodies(PLAIN[:4]), lines_of(*PLAIN_LINES))
    files, missed, tried = made.files(), [], 0
    assert judged(tmp_path, made.packed()).findings == []
    for name, data in files.items():
        step = 1 if not name.startswith("proofs/") or name == "proofs/2.tlog-proof" else 7
        for at in range(0, len(data), step):
            tried += 1
            if not judged(tmp_path, made.packed(changed(files, name, at))).findings:
                missed.append(f"{name}:{at}")
    assert missed == []
    assert tried > 1_900


def test_every_bit_of_the_archive_counts(tmp_path: Path) -> None:
    small, inside = b"".join(archive([("a", b"one"), ("b/c", bytes(512))], {})), set[int]()
    for _, offset, size in read_archive(io.BytesIO(small)):
        inside |= set(range(offset, offset + size))
    for at in set(range(len(small))) - inside:
        with pytest.raises((Wrong, *audit.auditverify.MALFORMED)):
            list(read_archive(io.BytesIO(turned(small, at))))
    whole = plain().packed()
    for at in range(0, len(whole), 101):
        assert judged(tmp_path, turned(whole, at)).findings, at


def turned(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("left", [0, 100, 512, 2_000, -512, -1_024, -1])
def test_a_bundle_that_is_cut_off(tmp_path: Path, left: int) -> None:
    assert judged(tmp_path, plain().packed()[:left]).findings


def test_an_entry_that_was_changed_is_named(tmp_path: Path) -> None:
    made = plain()
    files = made.files()
    files["entries/000000.txt"] = files["entries/000000.txt"].replace(b'"120"', b'"121"')
    found = judged(tmp_path, made.packed(files)).findings
    assert found[0] == (3, "the entry's bytes are not the leaf's")


def lines(made: Made) -> list[bytes]:
    return made.files()["entries/000000.txt"].splitlines(keepends=True)


@pytest.mark.parametrize(
    ("order", "first"),
    [
        ([0, 1, 1, 2, 3, 4], (2, "an entry 1 comes after entry 1")),
        ([0, 2, 1, 3, 4], (1, "an entry 2 comes after entry 0")),
        ([0, 1, 3, 4], (2, "an entry 3 comes after entry 1")),
        ([0, 1, 2, 3], (4, "entries 4 to 4 are missing")),
        ([1, 2, 3, 4], (0, "an entry 1 comes after entry -1")),
    ],
)
def test_duplicates_reorders_and_gaps(
    tmp_path: Path, order: list[int], first: tuple[int, str]
) -> None:
    made = plain()
    rows, files = lines(made), made.files()
    files["entries/000000.txt"] = b"".join(rows[at] for at in order)
    assert first in judged(tmp_path, made.packed(files, entries=len(order))).findings


def test_an_entry_beyond_the_tree_and_a_swapped_index(tmp_path: Path) -> None:
    made = plain()
    rows, files = lines(made), made.files()
    files["entries/000000.txt"] = b"".join([*rows, rows[4].replace(b"4 ", b"5 ", 1)])
    found = judged(tmp_path, made.packed(files, entries=6, dense=[0, 6])).findings
    assert (5, "the entry's bytes are not the leaf's") in found
    swapped = [rows[0], rows[2].replace(b"2 ", b"1 ", 1), rows[1].replace(b"1 ", b"2 ", 1)]
    files["entries/000000.txt"] = b"".join([*swapped, *rows[3:]])
    assert judged(tmp_path, made.packed(files)).findings[0][0] == 1


def test_a_node_is_no_leaf(tmp_path: Path) -> None:
    """The second preimage of a tree without prefixes: two leaf hashes end to end, given out as an entry."""
    made = plain()
    forged = b"".join(leaf_hash(body) for body in made.bodies[:2])
    assert leaf_hash(forged) != root_of([leaf_hash(body) for body in made.bodies[:2]])
    files = made.files()
    text, leaf = files["proofs/2.tlog-proof"].decode(), leaf_hash(made.bodies[2])
    head, _, note = text.partition("\n\n")
    shorter = "\n".join([*head.split("\n")[:2], *head.split("\n")[3:]]).replace(
        "index 2", "index 1"
    )
    for forgery in (forged, leaf, made.bodies[2]):
        with pytest.raises(Wrong):
            check_receipt(f"{shorter}\n\n{note}", leaf_hash(forgery), KEYS)
    rows = lines(made)
    files["entries/000000.txt"] = b"".join([b"0 " + forged.hex().encode() + b"\n", *rows[1:]])
    assert judged(tmp_path, made.packed(files)).findings[0] == (
        0,
        "the entry's bytes are not the leaf's",
    )


def test_another_logs_checkpoint_and_another_logs_key(tmp_path: Path) -> None:
    made, other = plain(), SignerKey.generate("other.example/1")
    found = judged(tmp_path, made.packed(), other).findings
    assert found == [(None, 'no key of yours signed the checkpoint as the log "log.example/1"')]
    longer = Made(bodies([*PLAIN, entry("call.denied", 2)]), lines_of(*PLAIN_LINES))
    files = {**made.files(), "checkpoint": longer.note().encode()}
    assert judged(tmp_path, made.packed(files)).findings


def test_it_goes_on_from_the_checkpoint_that_was_kept(tmp_path: Path) -> None:
    made, earlier = plain(), Made(bodies(PLAIN[:3]))
    forked = Made(bodies([*PLAIN[:2], entry("call.failed", 1)]))
    later = Made(bodies([*PLAIN, entry("call.denied", 2)]))
    wrong = [(None, "it does not go on from the checkpoint that you kept")]
    assert judged(tmp_path, made.packed(), kept=earlier.note()).findings == []
    assert judged(tmp_path, made.packed(), kept=made.note()).findings == []
    assert judged(tmp_path, made.packed(), kept=forked.note()).findings == wrong
    assert judged(tmp_path, made.packed(), kept=later.note()).findings == wrong


REPORTED = {"amount": "120", "basis": "reported"}
STARTED = (entry("call.admitted", 1), entry("attempt.started", 1))
SUCCEEDED = entry("attempt.succeeded", 1, **REPORTED)
DONE = entry("call.completed", 1)
LINE = PLAIN_LINES[0]

# what stands after the activation, the ledger, and what is wrong
STORIES: dict[str, tuple[tuple, tuple, tuple[int, str] | None]] = {  # type: ignore[type-arg]  # rows of a table
    "plain": ((*STARTED, SUCCEEDED, DONE), (LINE,), None),
    "denied": ((entry("call.denied", 1),), (), None),
    "held, then released": (
        (entry("call.admitted", 1), entry("call.held", 1), entry("call.released", 1), DONE),
        (),
        None,
    ),
    "held, then cancelled": (
        (entry("call.admitted", 1), entry("call.held", 1), entry("call.cancelled", 1)),
        (),
        None,
    ),
    "voided": (
        (entry("call.admitted", 1), entry("attempt.voided", 1), entry("call.failed", 1)),
        ((1, 1, "voided", "none", 0, 0),),
        None,
    ),
    "voided, which does not say that it was the first": (
        (entry("call.admitted", 1), ("attempt.voided", call_id(1), {}), entry("call.cancelled", 1)),
        ((1, 1, "voided", "none", 0, 0),),
        None,
    ),
    "unknown, reconciled late": (
        (
            *STARTED,
            entry("attempt.unknown", 1),
            entry("call.failed", 1),
            entry("attempt.reconciled", 1, amount="500", basis="reserve"),
        ),
        ((1, 1, "reconciled", "reserve", 500, 0),),
        None,
    ),
    "overrun": (
        (*STARTED, entry("attempt.failed", 1, amount="700", basis="counted"), DONE),
        ((1, 1, "failed", "counted", 500, 200),),
        None,
    ),
    "two attempts": (
        (
            *STARTED,
            SUCCEEDED,
            entry("attempt.started", 1, no=2),
            entry("attempt.failed", 1, no=2, **REPORTED),
            DONE,
        ),
        (LINE, (1, 2, "failed", "reported", 120, 0)),
        None,
    ),
    "still running": (STARTED, (), None),
    "two ends": (
        (*STARTED, SUCCEEDED, DONE, DONE),
        (LINE,),
        (5, "call.completed where the call is ended"),
    ),
    "two other ends": (
        (entry("call.denied", 1), entry("call.failed", 1)),
        (),
        (2, "call.failed where the call is ended"),
    ),
    "an end without a beginning": ((DONE,), (), (1, "call.completed where the call is new")),
    "admitted twice": (
        (entry("call.admitted", 1), entry("call.admitted", 1)),
        (),
        (2, "call.admitted where the call is running"),
    ),
    "ended before it started": (
        (entry("call.admitted", 1), SUCCEEDED),
        (LINE,),
        (2, "attempt.succeeded where the attempt is new"),
    ),
    "started before it was admitted": (
        (entry("attempt.started", 1),),
        (),
        (1, "attempt.started where the call is new"),
    ),
    "started twice": (
        (*STARTED, entry("attempt.started", 1)),
        (),
        (3, "attempt.started where the attempt is started"),
    ),
    "settled twice": (
        (*STARTED, SUCCEEDED, SUCCEEDED),
        (LINE,),
        (4, "attempt.succeeded where the attempt is settled"),
    ),
    "reconciled though it was known": (
        (*STARTED, SUCCEEDED, entry("attempt.reconciled", 1, amount="120", basis="reported")),
        ((1, 1, "reconciled", "reported", 120, 0),),
        (4, "attempt.reconciled where the attempt is settled"),
    ),
    "ended with an open attempt": (
        (*STARTED, DONE),
        (),
        (3, "call.completed while an attempt of it has not ended"),
    ),
    "started after the end": (
        (*STARTED, SUCCEEDED, DONE, entry("attempt.started", 1, no=2)),
        (LINE,),
        (5, "attempt.started where the call is ended"),
    ),
    "completed while held": (
        (entry("call.admitted", 1), entry("call.held", 1), DONE),
        (),
        (3, "call.completed where the call is held"),
    ),
    "decided under another revision": (
        (entry("call.denied", 1, revision=2),),
        (),
        (1, "decided under revision 2 while 1 was in force"),
    ),
    "decided before a stop that came before": (
        (entry("call.denied", 1), entry("stop.set", epoch=1), entry("call.denied", 2)),
        (),
        (3, "decided under epoch 0 while 1 was in force"),
    ),
    "denied again under an old policy": (
        (
            entry("call.admitted", 1),
            entry("stop.set", epoch=1),
            entry("call.failed", 1, code="policy_changed", revision=1, epoch=0),
        ),
        (),
        (3, "decided under epoch 0 while 1 was in force"),
    ),
    "activated backwards": ((ACTIVATED,), (), (1, "revision 1 comes after 1")),
    "not posted": ((*STARTED, SUCCEEDED, DONE), (), (3, "the ledger has no posting for it")),
}


@pytest.mark.parametrize("name", STORIES)
def test_the_state_machine(tmp_path: Path, name: str) -> None:
    entries, ledger, wrong = STORIES[name]
    found = of_log(tmp_path, *entries, lines=ledger, policies={1: POLICY, 2: POLICY})
    assert found[:1] == ([] if wrong is None else [wrong])


@pytest.mark.parametrize(
    "line",
    [
        (1, 1, "succeeded", "reported", 121, 0),
        (1, 1, "succeeded", "reported", 119, 1),
        (1, 1, "succeeded", "counted", 120, 0),
        (1, 1, "failed", "reported", 120, 0),
    ],
)
def test_what_was_posted_is_what_the_entry_says(
    tmp_path: Path, line: tuple[int, int, str, str, int, int]
) -> None:
    ((index, message),) = of_log(tmp_path, *STARTED, SUCCEEDED, DONE, lines=[line])
    assert (index, message[:15]) == (3, "the ledger says")


def test_the_ledger_has_no_more_than_the_entries_and_its_own_sum(tmp_path: Path) -> None:
    more = [LINE, (2, 1, "succeeded", "reported", 1, 0)]
    ((_, message),) = of_log(tmp_path, *STARTED, SUCCEEDED, DONE, lines=more)
    assert message.startswith(f"the ledger has attempt 1 of call {call_id(2).hex}")
    made = plain()
    files = {**made.files(), "ledger.json": b'{"overrun":"0","posted":"121"}\n'}
    found = judged(tmp_path, made.packed(files)).findings
    assert found == [(None, "the ledger's sums are not those of its lines")]


def test_a_call_that_never_ended_is_named_a_day_later(tmp_path: Path) -> None:
    texts = bodies([ACTIVATED, *STARTED, entry("key.created")])
    late = texts[3].replace(b"2026-11-28T12:00:03", b"2026-11-29T12:00:03")
    found = judged(tmp_path, Made([*texts[:3], late]).packed()).findings
    assert found == [(1, "the call that begins here has no terminal entry")]
    held = bodies(
        [ACTIVATED, entry("call.admitted", 1), entry("call.held", 1), entry("key.created")]
    )
    late = held[3].replace(b"2026-11-28T12:00:03", b"2026-11-29T12:00:03")
    assert judged(tmp_path, Made([*held[:3], late]).packed()).findings == []


def test_the_documents_are_those_that_were_activated(tmp_path: Path) -> None:
    made = plain()
    made.policies = {1: POLICY + b" "}
    found = judged(tmp_path, made.packed()).findings
    assert found == [(0, "revision 1 was activated with other documents")]
    made.policies = {}
    found = judged(tmp_path, made.packed()).findings
    assert found == [(1, "the bundle lacks revision 1, under which it was decided")]


def test_the_same_id_twice_is_no_second_entry(tmp_path: Path) -> None:
    texts = bodies([ACTIVATED, entry("key.created"), entry("key.created")])
    twice = [*texts[:2], texts[2].replace(b'0003","kind', b'0002","kind')]
    found = judged(tmp_path, Made(twice).packed()).findings
    assert found == [(2, "an entry of this id came before")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "its bytes are not an entry"),
        (b"{", "its bytes are not an entry"),
        (b'{"kind":"key.created"}', "its bytes are not an entry"),
        (
            bodies([entry("key.created")])[0].replace(b'"key:ab12cd34"', b'""'),
            "its bytes are not an entry",
        ),
        (
            bodies([entry("call.admitted", 1, revision=None)])[0].replace(
                b'"revision":null', b'"revisiom":1'
            ),
            "'revision'",
        ),
    ],
)
def test_bytes_that_are_no_entry(tmp_path: Path, body: bytes, message: str) -> None:
    found = judged(tmp_path, Made([body]).packed()).findings
    assert found[0] == (0, message)


def test_a_slice_holds_whole_calls_of_its_scope(tmp_path: Path) -> None:
    """Calls 1 and 2 take turns; the bundle has the second alone, and says nothing of what lies between."""
    texts = bodies(
        [
            *PLAIN[:3],
            entry("call.admitted", 2, revision=1),
            SUCCEEDED,
            entry("attempt.started", 2),
            DONE,
            entry("attempt.succeeded", 2, **REPORTED),
            entry("call.completed", 2),
        ]
    )
    scope = {"kind": "call", "call": call_id(2).hex, "tenant": "insurance"}
    line = lines_of((2, 1, "succeeded", "reported", 120, 0))
    made = Made(texts, line, places=[3, 5, 7, 8], scope=scope)
    found = judged(tmp_path, made.packed())
    assert (found.findings, found.told["entries"], found.told["calls"]) == ([], 4, 1)
    made.places = [3, 4, 5, 7, 8]
    assert (4, "it is not of the bundle's scope") in judged(tmp_path, made.packed()).findings
    made.places = [3, 7, 8]
    found = judged(tmp_path, made.packed())
    assert found.findings[0] == (7, "attempt.succeeded where the attempt is new")


def test_the_manifest_says_what_is_there(tmp_path: Path) -> None:
    made = plain()
    files = made.files()
    for told in ({"entries": 4}, {"dense": None}, {"dense": [0, 4]}, {"scope": {"kind": "call"}}):
        assert judged(tmp_path, made.packed(files, **told)).findings, told
    beside = {**files, "notes.txt": b"trust me"}
    assert judged(tmp_path, made.packed(beside)).findings
    tile = {**files, "tile/0/001": bytes(8192)}
    assert judged(tmp_path, made.packed(tile)).findings


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 65_535, 65_536, 65_537, 70_000])
def test_the_second_implementation_agrees_about_trees(size: int) -> None:
    hashes, tree = leaves(size), Tree()
    tiles = {(tile.level, tile.index): tile.hashes for tile in tree.extend(hashes)}
    at = 0
    for level, index, width in tiles_of(size):
        tiles[level, index] = tree.open_tiles[at : at + width * 32]
        at += width * 32
    assert root_at(tiles, size) == tree.root()
    assert all(
        tile_name(level, index, len(tile) // 32) == tile_path(level, index, len(tile) // 32)
        for (level, index), tile in tiles.items()
    )
    for old in {0, 1, size // 3, size - 1} if size < 70_000 else {255, 256, 65_536}:
        assert root_at(tiles, old) == root_of(hashes[:old])
    nodes = Nodes(lambda level, index: tiles.get((level, index), b""))
    for index in {0, size // 2, size - 1}:
        path = inclusion(nodes, index, size)
        assert path_root(index, size, hashes[index], path) == tree.root()
        with pytest.raises(Wrong, match="too long"):
            path_root(index, size, hashes[index], [*path, bytes(32)])
        if path:
            with pytest.raises(Wrong, match="too short"):
                path_root(index, size, hashes[index], path[:-1])
    with pytest.raises(Wrong, match="there is no leaf"):
        path_root(size, size, hashes[0], [])


def test_names_of_tiles_of_large_logs() -> None:
    for index in (999, 1_000, 1_234_067, 123_456_789):
        assert tile_name(0, index) == tile_path(0, index)


def test_a_receipt_and_every_bit_of_it() -> None:
    made = plain()
    text, leaf = made.files()["proofs/2.tlog-proof"].decode(), leaf_hash(made.bodies[2])
    assert check_receipt(text, leaf, KEYS) == 2
    assert check_receipt(text.replace("index", "extra aGk=\nindex"), leaf, KEYS) == 2
    data = text.encode()
    for at in range(len(data)):
        forged = bytearray(data)
        forged[at] ^= 1
        with pytest.raises((Wrong, ValueError)):
            check_receipt(forged.decode(), leaf, KEYS)
    for other in (made.bodies[1], made.bodies[2] + b" ", b""):
        with pytest.raises(Wrong, match="another root"):
            check_receipt(text, leaf_hash(other), KEYS)


def test_notes() -> None:
    """As `audit.merkle.note` reads them: unknown keys are passed over, a known key's wrong signature is not."""
    made, other = plain(), SignerKey.generate("other.example/1")
    text = made.note().partition("\n\n")[0] + "\n"
    leaf = leaf_hash(made.bodies[0])
    proof = made.files()["proofs/0.tlog-proof"].decode().partition("\n\n")[0]

    def judge(note: str) -> int:
        return check_receipt(f"{proof}\n\n{note}", leaf, KEYS)

    assert judge(sign_note(text, other, KEY)) == 0
    line = made.note().partition("\n\n")[2]
    strangers = [SignerKey.generate(f"w{number}.example") for number in range(100)]
    assert judge(sign_note(text, KEY, *strangers[:15])) == 0
    wrong = sign_note(text.replace("5", "6", 1), KEY).partition("\n\n")[2]
    for bad in (
        f"{text}\n",
        f"{text}",
        f"{text}\n{line}{line}",
        f"{text}\n{line}{wrong}",
        f"{text}\n{wrong}",
        f"{text}\n{line.replace('— ', '- ')}",
        sign_note(text, other),
        sign_note(text, KEY, *strangers),
        f"{text}\n{line}".replace("log.example", "log.example\t", 1),
        f"{text}\n{line}".replace("\n", "\r\n"),
    ):
        with pytest.raises((Wrong, ValueError)):
            judge(bad)


def test_the_command_line(tmp_path: Path) -> None:
    made, file = plain(), tmp_path / "b.tar"
    file.write_bytes(made.packed())
    kept = tmp_path / "kept"
    kept.write_text(Made(bodies(PLAIN[:2])).note())
    code, out, _ = run(file, "--key", KEY.verifier, "--checkpoint", kept, "--json")
    assert (code, json.loads(out)["ok"], json.loads(out)["findings"]) == (0, True, [])
    code, out, _ = run(file, "--key", KEY.verifier)
    assert (code, out.splitlines()[-2:]) == (0, ["ok: True", "first_bad_index: None"])
    files = made.files()
    files["entries/000000.txt"] = files["entries/000000.txt"].replace(b'"120"', b'"121"')
    file.write_bytes(made.packed(files))
    code, out, _ = run(file, "--key", KEY.verifier)
    assert code == 1
    assert "WRONG entry 3: the entry's bytes are not the leaf's" in out.splitlines()
    code, out, _ = run(file, "--key", KEY.verifier, "--json")
    assert (code, json.loads(out)["first_bad_index"]) == (1, 3)


def test_the_command_line_used_wrongly(tmp_path: Path) -> None:
    assert run()[0] == 2
    assert run(tmp_path / "missing.tar", "--key", KEY.verifier)[0] == 2
    assert run(tmp_path / "missing.tar", "--key", "no+key")[0] == 2
    assert run(tmp_path / "missing.tar")[0] == 2


def test_a_receipt_on_the_command_line(tmp_path: Path) -> None:
    made = plain()
    receipt, body = tmp_path / "e.tlog-proof", tmp_path / "e.json"
    receipt.write_bytes(made.files()["proofs/2.tlog-proof"])
    body.write_bytes(made.bodies[2])
    code, out, _ = run(receipt, "--entry", body, "--key", KEY.verifier, "--json")
    assert (code, json.loads(out)["index"]) == (0, 2)
    body.write_bytes(made.bodies[1])
    code, out, _ = run(receipt, "--entry", body, "--key", KEY.verifier)
    assert code == 1
    assert "WRONG the proof leads to another root" in out


def test_it_knows_nothing_of_ours() -> None:
    text = VERIFIER.read_text(encoding="utf-8")
    imported = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    ours = ("audit", "controlplane", "policies", "routing", "django", "rfc8785", "msgspec")
    assert not any(line.split()[1].startswith(ours) for line in imported)
