"""auditverify: check an evidence bundle, or a receipt, of Mandate's audit log. Offline; it trusts only the keys you bring.

    python auditverify.py BUNDLE.tar --key VKEY [--key VKEY] [--checkpoint FILE] [--witnesses N] [--json]
    python auditverify.py RECEIPT.tlog-proof --entry FILE --key VKEY
One file, few but wide lines, to be read whole; needs Python 3.11 and `cryptography`, no network, no database, nothing of ours.
Exit code 0: everything held; 1: something is wrong, and the first bad index is named; 2: it cannot be asked like that.
1. The archive is canonical and MANIFEST.json names every file in it. 2. The checkpoint is signed by your keys, never by
one of the bundle's. 3. Tiles lead to its root, and to the root of the checkpoint that you kept. 4. Every entry is the
leaf it says. 5. The entries obey the state machine: one end for each call, a start before each attempt's end, decisions
under the revision in force. 6. What was posted is what the entries say. docs/evidence.md says what this does not prove.
"""

# fmt: off
import argparse
import base64
import gc
import json
import marshal
import re
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT, LOG_KEY, WITNESS_KEY, HASH, TILE = "mandate-evidence/1", 1, 4, 32, 256 * 32
POOL_FROM_BYTES, MOST_FINDINGS, ENDS_WITHIN, DECODE = 8_000_000, 20, timedelta(days=1), json.JSONDecoder().raw_decode
MEMBERS = {"actor", "at", "call", "data", "id", "kind", "schema", "subject", "tenant"}
READ = {"amount", "basis", "code", "digest", "epoch", "no", "reserved", "revision"}  # of what entries say, what is looked at
EPOCH = ("stop.set", "stop.lifted", "key.revoked", "team.archived", "tenant.archived")
ACTS = {"bundle.activated": "revision", **dict.fromkeys(EPOCH, "epoch")}  # decisions are made under the newest of both
NEW, RUNNING, OPEN, STARTED = ("new",), ("running",), ("running", "held"), ("started",)
STEPS = {  # from which states an entry of a call or an attempt may come, and to which it leads
    "call.denied": (NEW, "ended"), "call.admitted": (NEW, "running"), "call.held": (RUNNING, "held"),
    "call.released": (("held",), "running"), "call.completed": (RUNNING, "ended"),
    "call.failed": (OPEN, "ended"), "call.cancelled": (OPEN, "ended"),
    "attempt.started": (NEW, "started"), "attempt.succeeded": (STARTED, "settled"), "attempt.failed": (STARTED, "settled"),
    "attempt.unknown": (STARTED, "unknown"), "attempt.reconciled": (("unknown",), "settled"), "attempt.voided": (NEW, "settled"),
}
Key = tuple[str, bytes, int, bytes]  # name, id, kind (of a log or of a witness), public key
Head = tuple[str, int, bytes]  # origin, size, root
Tiles = dict[tuple[int, int], bytes]  # hashes end to end, by level and index
Run = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]  # `map`, in one process or in several
LINE = '{"attempt":%d,"basis":"%s","call":"%s","kind":"%s","overrun":"%d","posted":"%d"}\n'
FILES = re.compile(r"checkpoint|ledger\.json|(entries|ledger|policy|tile|proofs|openings)/.+")
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError, tarfile.TarError)
class Wrong(Exception):
    """Something does not hold."""
def need(held: object, message: str) -> None:
    """Raise Wrong unless it holds."""
    if not held:
        raise Wrong(message)
def parse_key(text: str) -> Key:
    """Read `name+id+base64`. Raises ValueError."""
    name, identity, data = text.strip().split("+", 2)
    raw = base64.b64decode(data, validate=True)
    own = sha256(name.encode() + b"\n" + raw).hexdigest()[:8] == identity
    if not own or len(raw) != 1 + HASH or raw[0] not in (LOG_KEY, WITNESS_KEY):
        raise ValueError("it is no Ed25519 key of a log or a witness")
    return name, bytes.fromhex(identity), raw[0], raw[1:]
def unbase64(text: str) -> bytes:
    """Decode base64 in its one canonical spelling. Raises Wrong or ValueError."""
    data = base64.b64decode(text.encode("ascii"), validate=True)
    need(base64.b64encode(data).decode() == text, "base64 that is not canonical")
    return data
def number(text: str) -> int:
    """Read digits without sign or leading zeroes, below 2^63. Raises Wrong."""
    fits = text.isascii() and text.isdigit() and len(text) < 20 and str(int(text)) == text and int(text) < 2**63
    need(fits, f'"{text[:30]}" is no size and no index')
    return int(text)
def open_head(note: bytes, keys: Sequence[Key], witnesses: int = 0) -> Head:
    """Check a signed checkpoint. Lines of unknown keys are ignored, a known key's wrong signature is not. Raises Wrong."""
    text = note.decode("utf-8")
    body, empty, lines = text.rpartition("\n\n")
    need(empty and lines.endswith("\n") and all(c >= " " or c == "\n" for c in text), "the checkpoint is no signed note")
    rows, signed = body.split("\n"), lines[:-1].split("\n")
    need(len(rows) >= 3 and all(rows) and len(signed) <= 100, "the checkpoint is malformed")
    origin, size, root = rows[0], number(rows[1]), unbase64(rows[2])
    need(len(root) == HASH, "the checkpoint's root is no hash")
    found = _signers(f"{body}\n".encode(), signed, keys)
    need((origin, LOG_KEY) in found, f'no key of yours signed the checkpoint as the log "{origin}"')
    need(sum(kind == WITNESS_KEY for _, kind in found) >= witnesses, f"fewer than {witnesses} of your witnesses signed it")
    return origin, size, root
def _signers(text: bytes, lines: Sequence[str], keys: Sequence[Key]) -> list[tuple[str, int]]:
    found: dict[Key, tuple[str, int]] = {}
    for dash, name, data in ((*line.split(" "), "", "")[:3] for line in lines):
        need(dash == "—" and name and "+" not in name and len(unbase64(data)) > 4, "a signature line is malformed")
        for key in (key for key in keys if key[:2] == (name, unbase64(data)[:4])):
            need(key not in found, f'"{name}" signed the checkpoint twice with one key')
            message, raw, found[key] = text, unbase64(data)[4:], (name, key[2])
            if key[2] == WITNESS_KEY:
                message, raw = f"cosignature/v1\ntime {int.from_bytes(raw[:8])}\n".encode() + text, raw[8:]
            try:
                Ed25519PublicKey.from_public_bytes(key[3]).verify(raw, message)
            except InvalidSignature:
                raise Wrong(f'the signature of "{name}" is wrong') from None
    return list(found.values())
def check_receipt(text: str, leaf: bytes, keys: Sequence[Key], witnesses: int = 0) -> int:
    """Check that the log's signed tree holds a leaf hash; return its index. Raises Wrong."""
    head, _, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    lines = lines[1:] if lines and lines[0].startswith("extra ") else lines
    need(first == "c2sp.org/tlog-proof@v1" and lines and lines[0].startswith("index "), "this is no tlog-proof")
    _, size, root = open_head(note.encode(), keys, witnesses)
    index = number(lines[0][6:])
    need(path_root(index, size, leaf, [unbase64(line) for line in lines[1:]]) == root, "the proof leads to another root")
    return index
def path_root(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """Return the root that a path leads to: at each level its next hash lies left, or right, or is none. Raises Wrong."""
    need(index < size and all(len(each) == HASH for each in [leaf, *path]), f"there is no leaf {index} in a tree of size {size}")
    place, last, value, rest = index, size - 1, leaf, list(reversed(path))
    while last:
        if place & 1 or place < last:
            need(rest, "the proof is too short")
            value = sha256(b"\1" + (rest.pop() + value if place & 1 else value + rest.pop())).digest()
        place, last = place >> 1, last >> 1
    need(not rest, "the proof is too long")
    return value
def perfect_roots(runs: Iterable[bytes]) -> list[bytes]:
    """Return the root over each run of hashes that lie end to end, a power of two of them."""
    roots = []
    for run in runs:
        level = [run[at : at + HASH] for at in range(0, len(run), HASH)]
        while len(level) > 1:
            level = [sha256(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=True)]
        roots += level
    return roots
def root_at(tiles: Tiles, size: int) -> bytes:
    """Return the root over the first `size` leaves, from the right edge up. Raises Wrong where a tile is missing."""
    value, level = b"", 0
    while size >> 8 * level:
        width = (size >> 8 * level) & 255
        run = tiles.get((level, size >> 8 * (level + 1)), b"")[: width * HASH]
        need(len(run) == width * HASH, f"size {size} needs more of level {level}: ask for a bundle since your checkpoint")
        while run:
            low = (width & -width) * HASH
            (peak,) = perfect_roots([run[-low:]])
            value = sha256(b"\1" + peak + value).digest() if value else peak
            run, width = run[:-low], width & (width - 1)
        level += 1
    return value or sha256(b"").digest()
def tile_name(level: int, index: int, width: int = 256) -> str:
    """Return the name that C2SP tlog-tiles gives a tile."""
    groups, rest = f"{index % 1000:03d}", index // 1000
    while rest:
        groups, rest = f"x{rest % 1000:03d}/{groups}", rest // 1000
    return f"tile/{level}/{groups}{'' if width == 256 else f'.p/{width}'}"
def read_archive(file: BinaryIO) -> Iterator[tuple[str, int, int]]:
    """Yield each file's name, where it lies, and its size. Raises Wrong where one bit is not canonical."""
    while (block := file.read(512)) != bytes(512):
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        only = tarfile.TarInfo(info.name)
        only.size = info.size
        need(only.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict") == block, f'the header of "{info.name[:60]}" is not canonical')
        yield info.name, file.tell(), info.size
        file.seek(info.size, 1)
        need(file.read(-info.size % 512) == bytes(-info.size % 512), f'the archive is cut off or broken at "{info.name}"')
    need(file.read() == bytes(512), "the archive does not end where it says")
def read_at(path: Path, offset: int, size: int) -> bytes:
    """Return so many bytes of a file."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)
def read_entries(place: tuple[Path, int, int]) -> tuple[str, bytes, bytes]:
    """Return the digest of a file of entries, their leaf hashes, and what they say (`marshal`)."""
    *lines, rest = (data := read_at(*place)).split(b"\n")
    parts = [line.partition(b" ") for line in (lines if lines and not rest else [*lines, b"cut off"])]
    leaves = b"".join([sha256(b"\0" + body).digest() for _, _, body in parts])
    return sha256(data).hexdigest(), leaves, marshal.dumps([_event(place, body) for place, _, body in parts])
def _event(place: bytes, body: bytes) -> tuple[Any, ...]:
    index = -1
    try:
        index = int(place)
        said, end = DECODE(text := body.decode())
        whole = place == b"%d" % index and end == len(text)
        need(whole and said.keys() == MEMBERS and said["schema"] == 1 and said["actor"], "it is no entry")
        kind = said["kind"]
        data = {name: value for name, value in said["data"].items() if name in READ} if kind in STEPS or kind in ACTS else None
        return index, kind, said["id"], said["call"], said["tenant"], said["at"], data
    except (*MALFORMED, Wrong):
        return (index,)
def _canonical(said: object) -> bytes:
    return f"{json.dumps(said, ensure_ascii=False, separators=(',', ':'), sort_keys=True)}\n".encode()

class Story:
    """The state machine along the indexes. `begins`: calls are here from their beginning; `whole`: so is every act."""

    def __init__(self, *, begins: bool, whole: bool) -> None:
        self.first, self.whole, self.newest = "new" if begins else "earlier", whole, ""
        self.force: dict[str, int | None] = {"revision": None, "epoch": None}
        self.phase, self.begun = dict[str | tuple[str, int], str](), dict[str, tuple[int, str]]()
        self.open, self.used, self.bundles = dict[str, int](), dict[int, int](), dict[int, tuple[int, str]]()
        self.reserved, self.settled = dict[tuple[str, int], int](), dict[tuple[str, int], tuple[int, int, str, str]]()
    def see(self, event: Sequence[Any]) -> None:
        """Take the next entry. Raises Wrong."""
        index, kind, _, call, _, at, data = event
        self.newest = max(self.newest, at)
        if kind in STEPS:
            self.begun.setdefault(call, (index, at))
            again = kind == "call.failed" and data.get("code") == "policy_changed"
            if again or kind in ("call.denied", "call.admitted", "attempt.started"):
                self.used.setdefault(data["revision"], index)
                self._decided(data)
            self._step(index, kind, call, data)
        elif kind in ACTS and data.get(ACTS[kind]) is not None:
            name, moved = ACTS[kind], data[ACTS[kind]]
            before, self.force[name] = self.force[name], moved
            if name == "revision":
                self.bundles[moved] = (index, data["digest"])
            need(before is None or moved > before, f"{name} {moved} comes after {before}")
    def _decided(self, data: Mapping[str, Any]) -> None:
        for name, force in self.force.items():
            said = data.get(name)
            if force is None or (said is not None and said > force and not self.whole):
                self.force[name] = said
            elif said not in (None, force):
                raise Wrong(f"decided under {name} {said} while {force} was in force")
    def _step(self, index: int, kind: str, call: str, data: Mapping[str, Any]) -> None:
        (before, after), tried = STEPS[kind], kind.startswith("attempt.")
        attempt, of_call = (call, data.get("no", 1)), self.phase.get(call, self.first)
        phase = self.phase.get(attempt, self.first) if tried else of_call
        self.phase[attempt if tried else call] = after
        if after == "started":
            self.reserved[attempt] = int(data["reserved"])
        if after == "settled":
            amount, basis = int(data.get("amount", 0)), data.get("basis", "none")
            self.settled[attempt] = (index, amount, kind.partition(".")[2], basis)
        if tried and kind not in ("attempt.voided", "attempt.reconciled"):
            self.open[call] = self.open.get(call, 0) + (1 if after == "started" else -1)
        if phase not in (*before, "earlier"):
            raise Wrong(f"{kind} where the {kind.partition('.')[0]} is {phase}")
        if tried and kind != "attempt.reconciled" and of_call not in ("running", "earlier"):
            raise Wrong(f"{kind} where the call is {of_call}")
        if after == "ended" and self.open.pop(call, 0) > 0:
            raise Wrong(f"{kind} while an attempt of it has not ended")
    def waiting(self) -> Iterator[int]:
        """Yield where the calls began that should have ended long ago."""
        for call, (index, at) in self.begun.items():
            running = self.phase.get(call, "running") == "running"
            if running and datetime.fromisoformat(self.newest) - datetime.fromisoformat(at) > ENDS_WITHIN:
                yield index
class Bundle:
    """One evidence bundle, checked. `findings` are (index or None, what is wrong), the first index first; `told` sums it up."""

    def __init__(self, path: Path, keys: Sequence[Key], witnesses: int = 0, kept: bytes = b"") -> None:
        self.path, self.keys, self.findings = path, keys, list[tuple[int | None, str]]()
        self.files, self.told, self.tiles = dict[str, tuple[int, int]](), dict[str, Any](), Tiles()
        try:
            self._check(open_head(kept, keys) if kept else ("", 0, b""), witnesses)
        except (Wrong, *MALFORMED) as error:
            self._hold(None, f"{'' if isinstance(error, Wrong) else 'the bundle is malformed: '}{error}")
        self.findings = sorted(self.findings, key=lambda found: (found[0] is None, found[0] or 0))[:MOST_FINDINGS]
    def _hold(self, held: object, message: str, index: int | None = None) -> None:
        if not held:
            self.findings.append((index, message))
    def _read(self, name: str) -> bytes:
        data = read_at(self.path, *self.files[name])
        self._hold(sha256(data).hexdigest() == self.listed[name], f"{name} differs from its digest in MANIFEST.json")
        return data
    def _in(self, folder: str) -> list[str]:
        return sorted(name for name in self.files if name.startswith(folder))
    def _check(self, kept: Head, witnesses: int) -> None:
        with self.path.open("rb") as file:
            for name, offset, size in read_archive(file):
                need(name not in self.files, f"{name} is there twice")
                self.files[name] = (offset, size)
        manifest = json.loads(text := read_at(self.path, *self.files.get("MANIFEST.json", (0, 0))))
        need(text == _canonical(manifest) and manifest["format"] == FORMAT, "MANIFEST.json is not one of ours, letter by letter")
        self.listed, self.scope, self.dense = manifest["files"], manifest["scope"], manifest["dense"]
        self.call, self.tenant = self.scope.get("call"), self.scope.get("tenant")
        same = {*self.listed, "MANIFEST.json"} == self.files.keys() and all(FILES.fullmatch(name) for name in self.listed)
        need(same and (self.scope["kind"] == "log") == bool(self.dense), "MANIFEST.json lists other files, or another scope")
        origin, self.size, root = open_head(self._read("checkpoint"), self.keys, witnesses)
        self.told = {"origin": origin, "size": self.size, "root": root.hex(), "dense": self.dense, "scope": self.scope}
        with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=gc.disable) as pool:
            run: Run = pool.map if sum(size for _, size in self.files.values()) > POOL_FROM_BYTES else map
            self._open_tiles(run)
            self._hold(root_at(self.tiles, self.size) == root, "the tiles lead to another root than the checkpoint's")
            if kept[0] and (kept[1] > self.size or (origin, kept[1], root_at(self.tiles, kept[1])) != kept):
                self._hold(None, "it does not go on from the checkpoint that you kept")
            story = self._entries(run)
        self._hold(self.told["entries"] == manifest["entries"], "MANIFEST.json counts other entries")
        for index in story.waiting():
            self._hold(None, "the call that begins here has no terminal entry", index)
        self._money(story)
        self._policies(story)
        for name in self._in("proofs/"):
            index = check_receipt(self._read(name).decode(), self._leaf(number(name[7:-11])), self.keys, witnesses)
            self._hold(name == f"proofs/{index}.tlog-proof", f"{name} is of another entry", index)
        self.told["opened"] = len([self._read(name) for name in self._in("openings/")])  # their digests, and no more
    def _leaf(self, index: int) -> bytes:
        at = index % 256 * HASH
        return self.tiles.get((0, index // 256), b"")[at : at + HASH]
    def _open_tiles(self, run: Run) -> None:
        level, tiles = 0, self.tiles
        while self.size >> 8 * level:
            full, width = self.size >> 8 * (level + 1), (self.size >> 8 * level) & 255
            for index, wide in ((index, 256 if index < full else width) for index in range(full + (width > 0))):
                name = tile_name(level, index, wide)
                if level or name in self.files:
                    tiles[level, index] = self._read(name)
                    need(len(tiles[level, index]) == wide * HASH, f"{name} has another length")
            level += 1
        need(len(tiles) == len(self._in("tile/")), "there are tiles of another tree")
        places = [place for place, tile in tiles.items() if len(tile) == TILE]
        groups = [[tiles[place] for place in places[at : at + 64]] for at in range(0, len(places), 64)]
        roots = [root for found in run(perfect_roots, groups) for root in found]
        for (level, index), root in zip(places, roots, strict=True):
            above = tiles[level + 1, index // 256][index % 256 * HASH :][:HASH]
            self._hold(root == above, f"{tile_name(level, index)} does not lead to the root", index << 8 * (level + 1))
    def _entries(self, run: Run) -> Story:
        first, after = self.dense or (0, self.size)
        story, last, ids, count = Story(begins=first == 0, whole=bool(self.dense)), first - 1, set[str](), 0
        names = self._in("entries/")
        read = run(read_entries, [(self.path, *self.files[name]) for name in names])
        for name, (digest, leaves, said) in zip(names, read, strict=True):
            self._hold(digest == self.listed[name], f"{name} differs from its digest in MANIFEST.json")
            begin = (events := marshal.loads(said))[0][0]  # noqa: S302 - our own processes wrote it
            same = leaves == b"".join(map(self._leaf, range(begin, begin + len(events))))
            for at, event in enumerate(events):
                index = event[0]
                if not last < index < after or (self.dense and index != last + 1):
                    self._hold(None, f"an entry {index} comes after entry {last}", last + 1)
                last, count = index, count + 1
                if not (same and index == begin + at) and self._leaf(index) != leaves[at * HASH : at * HASH + HASH]:
                    self._hold(None, "the entry's bytes are not the leaf's", index)
                self._see(story, event, ids)
        self._hold(not self.dense or last + 1 == after, f"entries {last + 1} to {after - 1} are missing", last + 1)
        self.told |= {"entries": count, "calls": len(story.begun)}
        return story
    def _see(self, story: Story, event: Sequence[Any], ids: set[str]) -> None:
        try:
            need(event[1:], "its bytes are not an entry")
            need(event[2] not in ids, "an entry of this id came before")
            ids.add(event[2])
            need(self.call in (None, event[3]) and self.tenant in (None, event[4]), "it is not of the bundle's scope")
            story.see(event)
        except (Wrong, *MALFORMED) as error:
            self._hold(None, str(error) or repr(error), event[0])
    def _money(self, story: Story) -> None:
        sums = [0, 0]
        for line in (line for name in self._in("ledger/") for line in self._read(name).splitlines(keepends=True)):
            said = line.decode().split('"')  # as LINE has it, which is asked letter by letter below
            call, no, had = said[9], int(said[2][1:-1]), (int(said[21]), int(said[17]))
            need((call, no) in story.settled, f"the ledger has attempt {no} of call {call}, which no entry here settles")
            (index, amount, kind, basis), most = story.settled.pop((call, no)), story.reserved.get((call, no), had[0])
            posted, overrun = min(amount, most), max(amount - most, 0)
            wanted = LINE % (no, basis, call, kind, overrun, posted)
            self._hold(line == wanted.encode(), "the ledger says something else of it: " + wanted, index)
            sums = [sums[0] + had[0], sums[1] + had[1]]
        for index, *_ in story.settled.values():
            self._hold(None, "the ledger has no posting for it", index)
        self.told |= (total := {"overrun": str(sums[1]), "posted": str(sums[0])})
        self._hold(self._read("ledger.json") == _canonical(total), "the ledger's sums are not those of its lines")
    def _policies(self, story: Story) -> None:
        have = {number(name[7:-5]): name for name in self._in("policy/")}
        for revision, index in story.used.items():
            self._hold(revision in have, f"the bundle lacks revision {revision}, under which it was decided", index)
        for revision, name in have.items():
            place, digest = story.bundles.get(revision, (0, ""))
            same = digest in ("", sha256(self._read(name)).hexdigest())
            self._hold(same, f"revision {revision} was activated with other documents", place)
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="auditverify.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="an evidence bundle (tar), or a receipt (.tlog-proof)")
    parser.add_argument("--key", action="append", required=True, type=parse_key, metavar="VKEY", help="a key that you trust")
    parser.add_argument("--checkpoint", type=Path, help="the last checkpoint that you kept: the bundle must go on from it")
    parser.add_argument("--witnesses", type=int, default=0, help="how many of the keys must be of witnesses that signed")
    parser.add_argument("--entry", type=Path, help="for a receipt: the exact bytes of its entry")
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    asked = parser.parse_args(arguments)
    gc.disable()  # nothing here has circles, and a million entries are many to look through
    findings, told = list[tuple[int | None, str]](), dict[str, Any]()
    try:
        if asked.entry is None:
            bundle = Bundle(asked.file, asked.key, asked.witnesses, asked.checkpoint.read_bytes() if asked.checkpoint else b"")
            findings, told = bundle.findings, bundle.told
        else:
            leaf = sha256(b"\0" + asked.entry.read_bytes()).digest()
            told = {"index": check_receipt(asked.file.read_text("utf-8"), leaf, asked.key, asked.witnesses)}
    except OSError as error:
        parser.error(str(error))
    except (Wrong, ValueError) as error:
        findings = [(None, str(error.args[0]))]
    told |= {"ok": not findings, "first_bad_index": next((index for index, _ in findings if index is not None), None)}
    lines = [f"{name}: {value}" for name, value in told.items()]
    lines += [f"WRONG {'' if index is None else f'entry {index}: '}{message}" for index, message in findings]
    told["findings"] = [{"index": index, "message": message} for index, message in findings]
    sys.stdout.write((json.dumps(told) if asked.json else "\n".join(lines)) + "\n")
    return 1 if findings else 0
if __name__ == "__main__":
    sys.exit(main())
