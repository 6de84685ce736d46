"""Ask witnesses to cosign a head (the client of C2SP tlog-witness), and keep what they gave.

Operators write them into a file, a line each: the submission prefix and the witness's key, `https://w.example/ w.example+…`.
A head is sent again only when it grew, or when the witness's last word on it is an hour old.
"""

import http.client
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from audit.merkle.checkpoint import parse_size
from audit.merkle.cosignature import Cosignature, WitnessKey
from audit.merkle.note import BadKey, BadNote
from audit.merkle.proof import consistency
from audit.merkle.tiles import MissingNode, Nodes
from audit.publication.reading import Newest
from audit.witness.request import AddCheckpoint

TIMEOUT_SECONDS = 3.0
AGAIN_SECONDS = 3600.0
RETRY_SECONDS = 30.0
_MOST_ANSWER_BYTES = 64 * 1024


class BadWitness(ValueError):
    """A line of the file is no witness."""


@dataclass(frozen=True, slots=True)
class Place:
    """One configured witness."""

    url: str
    key: WitnessKey


@dataclass(frozen=True, slots=True)
class Response:
    """What a witness answered."""

    status: int
    body: str


Post = Callable[[str, bytes], Response]
"""Send a body to a URL. Raises OSError or http.client.HTTPException."""


@dataclass(slots=True)
class _Talk:
    """Where we are with one witness."""

    size: int = 0
    line: str = ""
    text: str = ""
    """The checkpoint's text that `line` signs."""
    at: int = 0
    """When the witness signed, by its clock."""
    asked: float = 0.0
    problem: str = ""
    quiet_until: float = 0.0


@dataclass(slots=True)
class Witnesses:
    """All witnesses of a log, and how many of them must have signed (`quorum`) for a checkpoint to count as witnessed."""

    places: Sequence[Place]
    quorum: int
    post: Post
    _talks: dict[str, _Talk] = field(default_factory=dict)

    def cosign(self, newest: Newest) -> list[str]:
        """The signature lines over this head that witnesses gave, now or before."""
        text = newest.head.text()
        lines = []
        for place in self.places:
            talk = self._talks.setdefault(str(place.key), _Talk())
            now = time.monotonic()
            fresh = talk.text == text and now - talk.asked < AGAIN_SECONDS
            if not fresh and now >= talk.quiet_until:
                talk.asked = now
                _ask(place, talk, newest, self.post)
                talk.quiet_until = now + RETRY_SECONDS if talk.problem else 0.0
            if talk.text == text:
                lines.append(talk.line)
        return lines

    def said(self) -> list[dict[str, object]]:
        """Each witness's last word, for `telling`."""
        return [
            {
                "name": place.key.name,
                "url": place.url,
                "size": talk.size,
                "at": datetime.fromtimestamp(talk.at, tz=UTC).isoformat() if talk.at else None,
                "problem": talk.problem,
            }
            for place in self.places
            for talk in [self._talks.get(str(place.key), _Talk())]
        ]


def _ask(place: Place, talk: _Talk, newest: Newest, post: Post) -> None:
    """Ask once, and once more with the size that the witness names."""
    talk.problem = ""
    try:
        answer = _send(place, talk.size, newest, post)
        named = _named(answer)
        if named is not None and named != talk.size:
            talk.size = named
            answer = _send(place, named, newest, post)
        _take(place, talk, newest, answer)
    except (OSError, http.client.HTTPException) as error:
        talk.problem = f"it does not answer: {type(error).__name__}"
    except _Disagrees as error:
        talk.problem = str(error)


class _Disagrees(Exception):
    """The witness did not sign."""


def _send(place: Place, old: int, newest: Newest, post: Post) -> Response:
    if old > newest.head.size:
        raise _Disagrees(
            f"it has seen size {old}, which is more than this log has: entries are gone"
        )
    try:
        proof = consistency(Nodes(newest.tiles), old, newest.head.size)
    except MissingNode as error:
        raise _Disagrees(f"no proof from size {old}: {error}") from error
    request = AddCheckpoint(old, tuple(proof), newest.note)
    return post(f"{place.url.rstrip('/')}/add-checkpoint", str(request).encode())


def _named(answer: Response) -> int | None:
    if answer.status != 409:
        return None
    try:
        return parse_size(answer.body.removesuffix("\n"))
    except ValueError:
        return None


def _take(place: Place, talk: _Talk, newest: Newest, answer: Response) -> None:
    if answer.status in {409, 422}:
        raise _Disagrees(
            f"it answered {answer.status}: what it has seen at size {talk.size} is not the beginning of this log"
        )
    if answer.status != 200:
        raise _Disagrees(f"it answered {answer.status}")
    found = _cosignature(place.key, newest.head.text(), answer.body)
    if found is None:
        raise _Disagrees("its answer holds no cosignature of its key")
    talk.size, talk.line, talk.at = newest.head.size, found.line, found.timestamp
    talk.text = newest.head.text()


def _cosignature(key: WitnessKey, text: str, body: str) -> Cosignature | None:
    """The first line of this key that holds; lines of other keys are ignored."""
    for line in body.splitlines():
        try:
            found = key.check(text, line)
        except BadNote as error:
            raise _Disagrees(str(error)) from error
        if found is not None:
            return found
    return None


def read_places(path: Path) -> tuple[Place, ...]:
    """The witnesses that a file names; lines that begin with # are notes. Raises BadWitness, OSError."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_place(line) for line in lines if line.strip() and not line.startswith("#"))


def _place(line: str) -> Place:
    url, _, key = line.strip().partition(" ")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadWitness(
            f'"{url[:80]}" is no address of a witness; write https://HOST/ and its key'
        )
    try:
        return Place(url, WitnessKey.parse(key.strip()))
    except BadKey as error:
        raise BadWitness(f"{url}: {error}") from error


def post(url: str, body: bytes) -> Response:
    """Send over a connection of our own: no redirect, no proxy of the environment, bounded in time and size."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", parts.path, body, {"content-type": "text/plain; charset=utf-8"})
        answer = connection.getresponse()
        data = answer.read(_MOST_ANSWER_BYTES)
        return Response(answer.status, data.decode("utf-8", errors="replace"))
    finally:
        connection.close()


def configured(path: Path | None, quorum: int) -> Witnesses:
    """The witnesses of this installation. Raises BadWitness, OSError."""
    places: Iterable[Place] = read_places(path) if path is not None else ()
    found = tuple(places)
    if quorum > len(found):
        raise BadWitness(f"a quorum of {quorum} cannot be had from {len(found)} witnesses")
    return Witnesses(found, quorum, post)
