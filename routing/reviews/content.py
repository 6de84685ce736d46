"""What a case is about: prompt and draft, decrypted when somebody looks, and sealed again when somebody wrote."""

from dataclasses import dataclass
from functools import cache

import msgspec
from django.db import connection

from audit.vault.keys import CallKeys, Erased, Sealed
from audit.vault.opening import open_store
from audit.vault.read import open_sealed
from audit.vault.seal import Tampered
from audit.vault.store import KeyStore
from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest
from routing.calls import steps
from routing.calls.models import Call
from routing.dialects.base import Dialect
from routing.dialects.registry import dialect
from routing.exchange import CallRequest, Image, Part, Text, ToolCall, ToolResult, decode_request
from routing.relay import Outcome, pack_outcome, unpack_outcome
from routing.reviews import drafts
from routing.reviews.drafts import Draft
from routing.reviews.models import ReviewCase

PARTS = """
SELECT call, field, no, tenant_key, subject_key, nonce, ciphertext
FROM vault_content WHERE call = %s AND field IN ('request', 'draft', 'answer') ORDER BY field, no
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the prompt, in words."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A case's content. `draft` is None where nothing was answered yet; `first` is the model's text where a person changed it."""

    prompt: tuple[Turn, ...]
    draft: Draft | None
    first: Draft | None = None


@cache
def _store() -> KeyStore:
    return open_store()


@dataclass(frozen=True, slots=True)
class Material:
    """A case's call with what the vault holds of it, still sealed, and the keys. Raises Conflict where they were destroyed."""

    case: ReviewCase
    keys: CallKeys
    codec: Dialect
    parts: tuple[Sealed, ...]

    @classmethod
    def of(cls, case: ReviewCase) -> "Material":
        """Find them, in one query; one more for the dialect, where the case was not read by `access.get`."""
        with connection.cursor() as cursor:
            cursor.execute(PARTS, [case.call])
            parts = tuple(Sealed(*row) for row in cursor.fetchall())
        spoken = case.dialect or Call.objects.values_list("dialect", flat=True).get(pk=case.call)
        if not parts:
            raise _erased()
        try:
            keys = CallKeys.recall(_store(), case.call, parts[0].tenant_key, parts[0].subject_key)
        except Erased:
            raise _erased() from None
        return cls(case, keys, dialect(spoken), parts)

    def request(self) -> CallRequest:
        """What the caller sent."""
        found = self._open("request")
        assert found is not None, "every admitted call has its request"  # noqa: S101 - `of` found its row
        return decode_request(found)

    def outcome(self, version: int) -> Outcome | None:
        """The draft of a version; for a sampled call the answer that its caller has. None before any model."""
        if self.case.stage == "request":
            return None
        found = self._open("answer" if self.case.stage == "sample" else "draft", version)
        return None if found is None else unpack_outcome(found)

    def opened(self) -> Opened:
        """All of it, as a person reads it."""
        version = self.case.version
        outcome, first = self.outcome(version), self.outcome(0) if version else None
        return Opened(
            _turns(self.codec, self.request()),
            None if outcome is None else drafts.read(self.codec, outcome),
            None if first is None else drafts.read(self.codec, first),
        )

    def edited(self, text: str) -> Outcome:
        """The draft in force with another text. Raises InvalidRequest."""
        outcome = self.outcome(self.case.version)
        if outcome is None:
            raise InvalidRequest("nothing was answered yet: approve, and a model will; or reject")
        return drafts.edited(self.codec, outcome, self.request(), self.case.call, text)

    def refusal(self, message: str, code: str) -> Outcome:
        """What the caller gets of a call that a person, or the clock, turned down."""
        error = Forbidden(message, call=self.case.call, code=code)
        status, headers, body = self.codec.error_body(error, self.case.call)
        return Outcome(
            status, drafts.JSON, headers, body, self.codec.error_event(error, self.case.call)
        )

    def sealed(self, field: str, outcome: Outcome, no: int = 0) -> steps.Sealed:
        """An outcome for the vault."""
        row = self.keys.seal(field, pack_outcome(outcome), no)
        return steps.Sealed(field, row.tenant_key, row.subject_key, row.nonce, row.ciphertext, no)

    def _open(self, field: str, no: int = 0) -> bytes | None:
        wanted = [p for p in self.parts if p.field == field and (field != "draft" or p.no == no)]
        try:
            opened = [open_sealed(_store(), self.keys, part) for part in wanted]
        except (Erased, Tampered):
            raise _erased() from None
        return b"".join(opened) if opened else None


def _erased() -> Conflict:
    return Conflict("the content of this call was erased; nobody can read it again")


def _turns(codec: Dialect, request: CallRequest) -> tuple[Turn, ...]:
    """The prompt as its turns; as it came where it cannot be read so."""
    try:
        talk = codec.conversation(request)
    except (InvalidRequest, msgspec.DecodeError):
        return (Turn("request", request.raw.decode("utf-8", "replace")),)
    return tuple(
        Turn(turn.role, "\n".join(_words(part) for part in turn.parts)) for turn in talk.messages
    )


def _words(part: Part) -> str:
    match part:
        case Text(text):
            return text
        case Image():
            return f"[image {part.media_type or part.url}]"
        case ToolCall():
            return f"[calls {part.name}({part.arguments})]"
        case ToolResult():
            inner = "\n".join(_words(piece) for piece in part.parts)
            return f"[result of {part.call_id}] {inner}"
