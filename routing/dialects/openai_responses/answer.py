"""A response: passed on with only our own fields replaced, or read into and written from an `Answer`."""

from typing import Any, Final
from uuid import UUID

import msgspec

from controlplane.kernel.ids import call_name
from routing.dialects.counts import at_tier
from routing.dialects.errors import stream_failed
from routing.dialects.openai_chat import answer as chat
from routing.dialects.openai_responses.state import head
from routing.dialects.spliced import ENCODER, decode, edited, scan_upstream
from routing.exchange import (
    Answer,
    CallRequest,
    Choice,
    Finish,
    Passed,
    Text,
    ToolCall,
    UnreadableAnswer,
    Usage,
)

WHAT: Final = "the upstream's response"
_REASONS: Final[dict[str | None, Finish]] = {
    "max_output_tokens": "length",
    "content_filter": "refusal",
}


class Part(msgspec.Struct):
    """A piece of a message."""

    type: str = ""
    text: str = ""
    refusal: str = ""
    logprobs: list[dict[str, Any]] | None = None


class Item(msgspec.Struct):
    """One thing that the model gave: a message, a call of a tool, or what only its vendor understands."""

    type: str
    id: str | None = None
    content: list[Part] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""


class _Details(msgspec.Struct):
    reason: str | None = None


class Response(msgspec.Struct):
    """What we read of a response."""

    output: list[Item]
    id: str = ""
    model: str = ""
    status: str = "completed"
    incomplete_details: _Details | None = None
    usage: dict[str, Any] | None = None
    service_tier: Any = None
    error: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def billed(self) -> Usage | None:
        """What it says that it cost."""
        return at_tier(read_usage(self.usage), self.service_tier)

    @property
    def finish(self) -> Finish:
        """Why it ended."""
        if self.status == "incomplete":
            details = self.incomplete_details or _Details()
            return _REASONS.get(details.reason, "length")
        if any(item.type == "function_call" for item in self.output):
            return "tool_calls"
        parts = (part for item in self.output for part in item.content or ())
        return "refusal" if any(part.type == "refusal" for part in parts) else "stop"


_DECODER: Final = msgspec.json.Decoder(Response)


def read_usage(found: object) -> Usage | None:
    """A response's `usage`: that of the same vendor's other dialect, under its own names."""
    return chat.read_usage(found, "input_tokens", "output_tokens")


def write_usage(usage: Usage) -> dict[str, Any]:
    """Our usage as a response's."""
    return {
        "input_tokens": usage.input_all,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input_all + usage.output,
    }


def spliced(text: str, call: UUID, model: str, request: CallRequest | None = None) -> str:
    """A response's JSON with id and model replaced, and with what we keep from the vendor as the caller sent it."""
    upstream = scan_upstream(text.encode(), WHAT)
    fields: dict[str, object] = {"id": call_name(call, "resp_"), "model": model}
    if request is not None:
        fields |= {"store": request.kept, "background": request.background}
        fields["previous_response_id"] = request.previous or None
    places = upstream.scanned.places
    edits = [
        (places[name].start, places[name].end, ENCODER.encode(value).decode())
        for name, value in fields.items()
        if name in places
    ]
    missing = {name: fields[name] for name in ("id", "model") if name not in places}
    if missing:
        at = upstream.text.index("{") + 1
        added = ENCODER.encode(missing).decode()[1:-1]
        edits.append((at, at, added + ("," if places else "")))
    return edited(upstream.text, edits)


def pass_answer(
    body: bytes, *, call: UUID, model: str, request: CallRequest | None = None
) -> Passed:
    """See `Dialect.pass_answer`."""
    found = _read(body)
    return Passed(
        body=spliced(body.decode(), call, model, request).encode(),
        usage=found.billed,
        finish=found.finish,
        upstream_id=found.id,
        upstream_model=found.model,
    )


def read_usage_of(body: bytes) -> Usage | None:
    """See `Dialect.usage`."""
    values = scan_upstream(body, WHAT).values
    return at_tier(read_usage(values.get("usage")), values.get("service_tier"))


def _read(body: bytes) -> Response:
    found = decode(_DECODER, body, WHAT)
    if found.status in {"failed", "cancelled"}:
        raise stream_failed(bytes(found.error))
    if found.status not in {"completed", "incomplete"}:
        raise UnreadableAnswer(f"{WHAT} has not ended", error_class="server_error")
    return found


def read_answer(body: bytes) -> Answer:
    """See `Dialect.read_answer`. What a model thought is its vendor's own and stays out of the values."""
    found = _read(body)
    parts: list[Text | ToolCall] = []
    refusal, logprobs = "", None
    for item in found.output:
        if item.type == "function_call":
            parts.append(ToolCall(item.call_id, item.name, item.arguments))
        for part in item.content or () if item.type == "message" else ():
            refusal += part.refusal
            if part.text:
                parts.append(Text(part.text))
            if part.logprobs:
                logprobs = {"content": part.logprobs, "refusal": None}
    choice = Choice(tuple(parts), found.finish, refusal=refusal, logprobs=logprobs)
    return Answer(
        choices=(choice,),
        usage=found.billed,
        upstream_id=found.id,
        upstream_model=found.model,
    )


def encode_answer(
    answer: Answer, *, call: UUID, model: str, created: int, request: CallRequest | None
) -> bytes:
    """See `Dialect.encode_answer`. A response has one choice."""
    choice = answer.choices[0]
    found = head(call, model, created, request) | ended(choice.finish, bool(choice.refusal))
    status = item_status(choice.finish)
    text = "".join(part.text for part in choice.parts if isinstance(part, Text))
    content = [text_part(text, written_logprobs(choice.logprobs))] if text else []
    if choice.refusal:
        content.append({"type": "refusal", "refusal": choice.refusal})
    output: list[dict[str, Any]] = []
    if content:
        output.append(message(call, 0, content, status))
    for part in choice.parts:
        if isinstance(part, ToolCall):
            output.append(function_call(call, len(output), part, status))
    return ENCODER.encode({**found, "output": output, **written_bill(answer.usage)})


def written_bill(usage: Usage | None) -> dict[str, Any]:
    """What a response that has ended says of its usage, and of its service tier where that is not the ordinary one."""
    if usage is None:
        return {"usage": None}
    return {"usage": write_usage(usage), **chat.written_tier(usage)}


def ended(finish: Finish, refused: bool) -> dict[str, Any]:  # noqa: FBT001  # the words of a refusal are an answer
    """Status and details of a response that ended so. A refusal in words is complete, one without is not."""
    if finish == "length":
        return {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    if finish == "refusal" and not refused:
        return {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    return {"status": "completed", "incomplete_details": None}


def item_status(finish: Finish) -> str:
    """Status of the items of a response that ended so."""
    return "incomplete" if finish == "length" else "completed"


def message(call: UUID, index: int, content: list[dict[str, Any]], status: str) -> dict[str, Any]:
    """A message as the output's item `index`."""
    return {
        "id": f"{call_name(call, 'msg_')}_{index}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def function_call(call: UUID, index: int, tool: ToolCall, status: str) -> dict[str, Any]:
    """A call of a tool as the output's item `index`."""
    return {
        "id": f"{call_name(call, 'fc_')}_{index}",
        "type": "function_call",
        "status": status,
        "call_id": tool.id,
        "name": tool.name,
        "arguments": tool.arguments,
    }


def text_part(text: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
    """A text as part of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def written_logprobs(found: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Log probabilities in this dialect's shape, which always spells the bytes."""
    return [
        {**_token(one), "top_logprobs": [_token(other) for other in one.get("top_logprobs") or ()]}
        for one in (found or {}).get("content") or ()
    ]


def _token(one: dict[str, Any]) -> dict[str, Any]:
    token = str(one.get("token", ""))
    spelled = one.get("bytes")
    return {
        "token": token,
        "logprob": one.get("logprob", 0.0),
        "bytes": list(token.encode()) if spelled is None else spelled,
    }
