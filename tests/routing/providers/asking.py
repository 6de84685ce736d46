"""Requests and targets for the provider tests, and one way to ask."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controlplane.kernel.ids import IdSource
from policies.secrets.store import Secrets
from routing.dialects import dialect
from routing.exchange import CallRequest
from routing.providers.base import Answered, Piece, Target, Timeouts
from routing.providers.registry import Providers

IDS = IdSource()
KEY = "sk-test-0123456789abcdef"
TYPES = ("openai", "openai-compatible", "anthropic", "sandbox")
DIALECTS = ("openai.chat", "openai.responses", "anthropic.messages")
TOOL_SCHEMA = {
    "type": "object",
    "required": ["number"],
    "properties": {"number": {"type": "string", "enum": ["P-100", "P-200"]}},
}


def secrets_for(*hosts: str, value: str = KEY) -> Secrets:
    environ = {"MANDATE_SECRET_VENDOR": value, "MANDATE_SECRET_VENDOR_HOSTS": ",".join(hosts)}
    return Secrets(Path("/nonexistent"), environ)


def target(provider_type: str, url: str, **more: Any) -> Target:
    """A target at a server; `url` has no path."""
    fields: dict[str, Any] = {
        "provider": "vendor",
        "provider_type": provider_type,
        "base_url": url if provider_type == "anthropic" else f"{url}/v1",
        "credential": "secret:vendor",
        "upstream_name": "model-x",
        "call": IDS.new(),
        "attempt_no": 1,
        "public_model": "claims-triage",
        "deadline": asyncio.get_running_loop().time() + 60,
        "max_output_tokens": 500,
        "timeouts": Timeouts(connect=2, first_token=10, stall=10, total=20),
    }
    return Target(**{**fields, **more})


def request(
    name: str,
    text: str,
    *,
    stream: bool = False,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> CallRequest:
    """A caller's request in a dialect; `more` are further fields of its body."""
    body: dict[str, object] = {"model": "claims-triage", "stream": stream, **more}
    said = "input" if name == "openai.responses" else "messages"
    body[said] = more.get(said) or [{"role": "user", "content": text}]
    if name == "anthropic.messages":
        body.setdefault("max_tokens", 400)
    return dialect(name).parse_request(json.dumps(body).encode(), headers or {}, "")


def tools(name: str) -> list[dict[str, object]]:
    """One tool as a dialect declares it."""
    if name == "anthropic.messages":
        return [{"name": "lookup_policy", "input_schema": TOOL_SCHEMA}]
    function = {"name": "lookup_policy", "parameters": TOOL_SCHEMA}
    if name == "openai.responses":
        return [{"type": "function", **function}]
    return [{"type": "function", "function": function}]


@dataclass
class Streamed:
    """A whole stream: its pieces and what they add up to."""

    pieces: list[Piece] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        return b"".join(piece.data for piece in self.pieces)

    @property
    def usage(self) -> Any:
        found = [piece.usage for piece in self.pieces if piece.usage is not None]
        return found[-1] if found else None

    @property
    def finishes(self) -> list[str]:
        return [piece.finish for piece in self.pieces if piece.finish is not None]

    @property
    def output_bytes(self) -> int:
        return sum(piece.output_bytes for piece in self.pieces)


async def answer(providers: Providers, asked: CallRequest, at: Target) -> Answered:
    return await providers.provider(at).answer(asked, at)


async def streamed(
    providers: Providers, asked: CallRequest, at: Target, into: Streamed | None = None
) -> Streamed:
    """Read a stream to its end; `into` keeps what came before an error."""
    found = into or Streamed()
    async with aclosing(providers.provider(at).stream(asked, at)) as pieces:
        async for piece in pieces:
            found.pieces.append(piece)
    return found


def text_of(name: str, body: bytes) -> str:
    """What a plain answer says, in the caller's dialect."""
    value = json.loads(body)
    if name == "anthropic.messages":
        return "".join(block["text"] for block in value["content"] if block["type"] == "text")
    if name == "openai.responses":
        parts = [part for item in value["output"] for part in item.get("content", ())]
        return "".join(part["text"] for part in parts)
    return str(value["choices"][0]["message"]["content"])


def events(data: bytes) -> list[tuple[str, str]]:
    """Server-sent events as (name, data)."""
    found = []
    for block in data.decode().split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n") if line]
        values = {key: value for key, _, value in lines}
        if values:
            found.append((values.get("event", ""), values.get("data", "")))
    return found


def text_of_stream(name: str, data: bytes) -> str:
    """What a stream says, in the caller's dialect."""
    text = ""
    for _, value in events(data):
        if value == "[DONE]":
            continue
        event = json.loads(value)
        if name == "anthropic.messages":
            text += event.get("delta", {}).get("text", "")
        elif name == "openai.responses":
            said = event["type"] == "response.output_text.delta"
            text += event["delta"] if said else ""
        else:
            text += "".join(choice["delta"].get("content") or "" for choice in event["choices"])
    return text
