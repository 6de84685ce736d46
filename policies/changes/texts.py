"""PURE: what somebody typed, taken apart into documents. Text that cannot be read is kept with what is wrong with it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from audit.merkle import canonical
from policies.documents.document import Document, Identity
from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments, Problem

_MARK: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_KIND: Final = re.compile(r"^kind:\s*[\"']?([A-Za-z]+)", re.MULTILINE)
_IN_METADATA: Final = (
    r"^metadata:\s*(?:\{{[^}}\n]*?\b{0}:\s*|\n(?:[ \t]+.*\n)*?[ \t]+{0}:\s*)[\"']?([\w.-]+)"
)
_NAME: Final = re.compile(_IN_METADATA.format("name"), re.MULTILINE)
_TENANT: Final = re.compile(_IN_METADATA.format("tenant"), re.MULTILINE)
UNREADABLE: Final = "text"
"""The name of a text that does not even say what it is of; its kind is ""."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One document's text: of what it is, and what is wrong with it. Lines count from its own first line."""

    identity: Identity
    text: str
    first_line: int
    problems: tuple[Problem, ...] = ()


def slots(content: str, tenant: str, file: str = "") -> list[Slot]:
    """Every document of a YAML text, for a change request of a tenant ("": the organisation, which may change any tenant's)."""
    found: list[Slot] = []
    for first_line, chunk in _chunks(content):
        slot = _slot(chunk, first_line, tenant, file)
        taken = {other.identity for other in found}
        if slot.identity in taken:
            slot = _again(slot, taken)
        found.append(slot)
    return found


def one(content: str, identity: Identity, tenant: str) -> Slot:
    """The text of the document that the address named; one of another identity is a problem, and nothing is lost."""
    parts = list(_chunks(content))
    if len(parts) != 1:
        wrong = Problem(file_name(identity), 1, 1, "", "write exactly one document here")
        return Slot(identity, content, 1, (wrong,))
    slot = _slot(parts[0][1], 1, tenant, "")
    if slot.identity == identity:
        return slot
    problems = slot.problems
    if not problems:
        message = f"this is the text of {named(slot.identity)}; here stands {named(identity)}"
        problems = (Problem(file_name(identity), 1, 1, "metadata.name", message),)
    return replace(slot, identity=identity, problems=problems)


def document_of(identity: Identity, source: str) -> Document:
    """The document of a text that was found right. Raises InvalidDocuments."""
    return parse_text(source, file_name(identity))[0]


def file_name(identity: Identity) -> str:
    """What problems call the text of a document: `insurance/Route/claims-triage.yaml`."""
    kind, tenant, name = identity
    return "/".join(part for part in (tenant, kind, f"{name}.yaml") if part)


def named(identity: Identity) -> str:
    """`Route insurance/claims-triage`."""
    kind, tenant, name = identity
    return f"{kind} {tenant}/{name}" if tenant else f"{kind} {name}"


def digest_of(edits: list[tuple[Identity, str | None]], publish_at: str | None) -> str:
    """SHA-256 (hex) of what would be published and when; None for a text deletes. What an approval binds."""
    parts = [[*identity, source] for identity, source in sorted(edits, key=lambda e: e[0])]
    return sha256(canonical.dumps({"edits": parts, "publishAt": publish_at})).hexdigest()


def _chunks(content: str) -> Iterator[tuple[int, str]]:
    """(first line, text) of what stands between the marks, empty parts left out."""
    text = content.replace("\r\n", "\n").removeprefix("\ufeff")
    starts = [0, *(m.end() for m in _MARK.finditer(text))]
    ends = [*(m.start() for m in _MARK.finditer(text)), len(text)]
    for start, end in zip(starts, ends, strict=True):
        chunk = text[start:end]
        said = "\n".join(line for line in chunk.split("\n") if not line.lstrip().startswith("#"))
        if said.strip():
            lead = len(chunk) - len(chunk.lstrip("\n"))
            yield text.count("\n", 0, start + lead) + 1, chunk.strip("\n").rstrip() + "\n"


def _slot(chunk: str, first_line: int, tenant: str, file: str) -> Slot:
    guess = _guess(chunk)
    try:
        found = parse_text(chunk, file or file_name(guess))
    except InvalidDocuments as error:
        return Slot(guess, chunk, first_line, tuple(error.problems))
    if len(found) != 1:
        wrong = Problem(file_name(guess), 1, 1, "", "write exactly one document here")
        return Slot(guess, chunk, first_line, (wrong,))
    document = found[0]
    problems: tuple[Problem, ...] = ()
    if tenant and document.tenant != tenant:
        whose = f'of tenant "{document.tenant}"' if document.tenant else "of the organisation"
        message = f'this change request is of tenant "{tenant}"; the document is {whose}: write metadata.tenant: {tenant}'
        problems = (document.problem("metadata.tenant", message),)
    return Slot(document.identity, document.source, first_line, problems)


def _guess(chunk: str) -> Identity:
    """Whose text this wants to be, where it cannot be read."""
    kind, name, tenant = (p.search(chunk) for p in (_KIND, _NAME, _TENANT))
    if kind is None or name is None:
        return "", "", UNREADABLE
    return kind[1], tenant[1] if tenant else "", name[1]


def _again(slot: Slot, taken: set[Identity]) -> Slot:
    """The second text of one document: kept beside the first, and wrong."""
    kind, tenant, name = slot.identity
    number = 2
    while (kind, tenant, f"{name}.{number}") in taken:
        number += 1
    identity = (kind, tenant, f"{name}.{number}")
    if slot.problems:
        return replace(slot, identity=identity)
    message = f"{named(slot.identity)} is written twice in this text"
    return replace(
        slot,
        identity=identity,
        problems=(Problem(file_name(identity), 1, 1, "metadata.name", message),),
    )
