"""Deterministic logic as a model: what the last user message holds, looked up in tables, answered by the first row that applies.

No network, no key, no cost: the cheapest model is no model.
"""

import json
from collections.abc import AsyncGenerator
from typing import Any

from policies.engine.answer import output_of
from policies.engine.bundle import RulesView
from policies.engine.rules import NOTHING
from policies.engine.values import Erred, Moment, moment_text, unkey
from routing.dialects import dialect
from routing.exchange import Answer, CallRequest, Choice, Chunk, Text, Usage
from routing.providers.base import Answered, Piece, ProviderError, Target
from routing.providers.turns import created

LONGEST_MATCH = 400
FREE = Usage()


class RulesProvider:
    """A Provider that asks a model's rules."""

    async def close(self) -> None:
        """Nothing is open."""

    async def answer(self, request: CallRequest, target: Target) -> Answered:
        """One plain call. Raises ProviderError where no row applies."""
        answer = Answer(
            choices=(Choice(parts=(Text(_answered(request, target)),), finish="stop"),),
            usage=FREE,
            upstream_id=target.attempt,
            upstream_model=target.upstream_name,
        )
        body = dialect(request.dialect).encode_answer(
            answer,
            call=target.call,
            model=target.public_model,
            created=created(target),
            request=request,
        )
        return Answered(
            body=body,
            usage=FREE,
            finish_reason="stop",
            upstream_model=target.upstream_name,
            upstream_request_id=target.attempt,
            logprobs=_certain(target),
        )

    async def stream(self, request: CallRequest, target: Target) -> AsyncGenerator[Piece]:
        """One streamed call. Raises ProviderError where no row applies."""
        said = Chunk(text=_answered(request, target))
        write = dialect(request.dialect).writer(
            target.call,
            target.public_model,
            include_usage=request.outline.include_usage,
            created=created(target),
            request=request,
        )
        yield Piece(write(said), output_bytes=said.output_bytes, logprobs=_certain(target))
        end = write(Chunk(finish="stop")) + write(Chunk(usage=FREE)) + write.end()
        yield Piece(end, FREE, "stop")


def answer_of(rules: RulesView, text: str) -> str | None:
    """What the rules say to a text; None where no row applies. A condition that errs does not hold."""
    output = output_of(text)
    item = (text, output.json, found_in(rules, text), rules.lookups)
    for when, answer in rules.rows:
        if when is not None and when.evaluate(NOTHING, item) is not True:
            continue
        value = answer.evaluate(NOTHING, item)
        return None if isinstance(value, Erred) else rendered(value)
    return None


def found_in(rules: RulesView, text: str) -> dict[str, str]:
    """What the extracts find: each the first match of its pattern, right after the literal where it has one."""
    found = {}
    for one in rules.extracts:
        at = text.find(one.after) + len(one.after)
        if one.after and at < len(one.after):
            continue
        within = text[at : at + LONGEST_MATCH]
        match = one.pattern.match(within) if one.after else one.pattern.search(text)
        if match is not None:
            found[one.name] = match[0]
    return found


def rendered(value: Any) -> str:  # noqa: ANN401  # any value of CEL
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:  # noqa: ANN401  # any value of CEL
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(unkey(name)): _plain(one) for name, one in value.items()}
    known = value is None or isinstance(value, bool | int | float | str)
    return value if known else moment_text(value) if isinstance(value, Moment) else str(value)


def _answered(request: CallRequest, target: Target) -> str:
    said = _last_words(request)
    text = answer_of(target.rules, said) if target.rules else None
    if text is None:
        # like a model that this account does not have: the next one is asked, and this one is not blamed
        raise ProviderError(
            "refused_account", f'no row of "{target.upstream_name}" applies', maybe_processed=False
        )
    return text


def _last_words(request: CallRequest) -> str:
    messages = dialect(request.dialect).conversation(request).messages
    last = next((m for m in reversed(messages) if m.role == "user"), None)
    return "\n".join(part.text for part in last.parts if isinstance(part, Text)) if last else ""


def _certain(target: Target) -> tuple[float, ...]:
    """What is computed is certain."""
    return (0.0,) if target.logprobs else ()
