"""The simulator in this very process: no network, no key, every dialect and every failure."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence

import msgspec

from routing.dialects import dialect
from routing.dialects.counts import at_tier
from routing.exchange import (
    Answer,
    CallRequest,
    Choice,
    Chunk,
    Conversation,
    Finish,
    Image,
    Message,
    Text,
    ToolCall,
    ToolDelta,
    ToolResult,
    Usage,
)
from routing.providers import errors, logprobs
from routing.providers.base import Answered, ErrorClass, Piece, ProviderError, Target
from routing.providers.timers import Timer
from routing.providers.turns import created
from routing.simulator import model as simulator

TRIES_KEPT = 10_000
FOREVER = 86_400.0
_FINISHES: dict[simulator.Finish, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "refusal",
}
_CLASSES: dict[str, ErrorClass] = {
    "timeout": "timeout",
    "rate_limited": "rate_limited",
    "overloaded": "overloaded",
    "server_error": "server_error",
    "refused_request": "refused_request",
    "refused_account": "refused_account",
}


class SandboxProvider:
    """A Provider that asks the simulator."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """`sleep` passes the simulated time: a demo's history lets its clock move instead of waiting."""
        self._sleep = sleep
        self._tries: OrderedDict[tuple[int, str], int] = OrderedDict()

    async def close(self) -> None:
        """Nothing is open."""

    async def answer(self, request: CallRequest, target: Target) -> Answered:
        """One plain call. Raises ProviderError."""
        timer = Timer(target)
        done = self._simulated(request, target)
        async with timer.until_total():
            await self._sleep(_first(done) + done.timing.stall)
        _raise_failure(done, target)
        if done.cut_after is not None:
            raise errors.unreadable(target.provider, "the connection broke off")
        answer = _answer(done, target)
        wish = _wish(request, target)
        measured = logprobs.of_choice(answer.choices[0].logprobs) if wish.asks else ()
        answer = logprobs.without(answer) if wish.hides else answer
        speaks = dialect(request.dialect)
        body = speaks.encode_answer(
            answer,
            call=target.call,
            model=target.public_model,
            created=created(target),
            request=request,
        )
        return Answered(
            body=body,
            usage=answer.usage,
            finish_reason=answer.choices[0].finish,
            upstream_model=target.upstream_name,
            upstream_request_id=target.attempt,
            logprobs=measured,
        )

    async def stream(self, request: CallRequest, target: Target) -> AsyncGenerator[Piece]:
        """One streamed call. Raises ProviderError."""
        timer = Timer(target)
        done = self._simulated(request, target)
        async with timer.until_next():
            await self._sleep(_first(done))
        _raise_failure(done, target)
        write = dialect(request.dialect).writer(
            target.call,
            target.public_model,
            include_usage=request.outline.include_usage,
            created=created(target),
            request=request,
        )
        wish = _wish(request, target)
        for sent, chunk in enumerate(_deltas(done)):
            _raise_break(done, sent, target)
            async with timer.until_next():
                await self._sleep(_pause(done, sent))
            timer.moved()
            measured = logprobs.of_choice(chunk.logprobs) if wish.asks and not chunk.index else ()
            shown = msgspec.structs.replace(chunk, logprobs=None) if wish.hides else chunk
            yield Piece(write(shown), output_bytes=chunk.output_bytes, logprobs=measured)
        _raise_break(done, -1, target)
        finishes = list(_finishes(done))
        data = b"".join([write(chunk) for chunk in finishes])
        usage = _usage(done)
        if usage is not None:
            data += write(Chunk(usage=usage))
        yield Piece(data + write.end(), usage, finishes[0].finish)

    def _simulated(self, request: CallRequest, target: Target) -> simulator.Simulated:
        said = dialect(request.dialect).conversation(request)
        if _wish(request, target).asks:
            said = msgspec.structs.replace(said, logprobs=True)
        key = (target.call.int, target.upstream_name)
        tries = self._tries.pop(key, 0)
        self._tries[key] = tries + 1
        if len(self._tries) > TRIES_KEPT:
            self._tries.popitem(last=False)
        return simulator.simulate(_ask(said, target, tries))


def _wish(request: CallRequest, target: Target) -> logprobs.Wish:
    return logprobs.wish(request, wanted=target.logprobs, theirs=logprobs.DIALECTS[0])


def _ask(said: Conversation, target: Target, tries: int) -> simulator.Ask:
    last, system, tool_result = _heard(said.messages)
    choice = said.tool_choice
    tools = () if choice is not None and choice.mode == "none" else said.tools
    must_call = None
    if choice is not None and choice.mode in {"required", "tool"}:
        must_call = choice.name
    limits = [limit for limit in (said.max_output_tokens, target.max_output_tokens) if limit]
    wanted = said.output_format
    return simulator.Ask(
        text="\n".join(filter(None, map(_text, said.messages))),
        last=last,
        directives=f"{system}\n{last}",
        model=target.upstream_name,
        seed=said.seed or 0,
        tool_result=tool_result,
        tools=tuple(simulator.ToolSpec(tool.name, tool.parameters or {}) for tool in tools),
        must_call=must_call,
        schema=wanted.schema if wanted is not None and wanted.kind == "json_schema" else None,
        json_object=wanted is not None and wanted.kind == "json_object",
        stop=said.stop,
        max_tokens=min(limits, default=None),
        n=said.n,
        logprobs=(said.top_logprobs or 0) if said.logprobs else None,
        images=sum(isinstance(part, Image) for message in said.messages for part in message.parts),
        tries=tries,
        service_tier=said.service_tier,
    )


def _heard(messages: Sequence[Message]) -> tuple[str, str, str | None]:
    """The last thing the user said, the system's words, and what a tool returned since."""
    last, system, tool_result = "", "", None
    for message in messages:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        text = _text(message)
        if message.role == "system":
            system += text
        elif results:
            tool_result = "\n".join(_joined(part.parts) for part in results)
        elif message.role == "user":
            last, tool_result = text, None
    return last, system, tool_result


def _text(message: Message) -> str:
    return "\n".join(
        _joined(part.parts) if isinstance(part, ToolResult) else part.text
        for part in message.parts
        if isinstance(part, Text | ToolResult)
    )


def _joined(parts: Sequence[Text | Image]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def _first(done: simulator.Simulated) -> float:
    hangs = done.failure is not None and done.failure.kind == "timeout"
    return FOREVER if hangs else done.timing.first


def _pause(done: simulator.Simulated, sent: int) -> float:
    stall = done.timing.stall if sent == done.timing.stall_after else 0.0
    return stall + (done.timing.between if sent else 0.0)


def _raise_failure(done: simulator.Simulated, target: Target) -> None:
    failure = done.failure
    if failure is None:
        return
    if failure.kind == "unreadable":
        raise errors.unreadable(target.provider, "the answer is not JSON", 200)
    raise ProviderError(
        _CLASSES.get(failure.kind) or errors.class_of(failure.status),
        f'provider "{target.provider}" answered {failure.status}',
        status=failure.status,
        retry_after_seconds=failure.retry_after,
        maybe_processed=False,
    )


def _raise_break(done: simulator.Simulated, sent: int, target: Target) -> None:
    """A cut or an error in mid-stream; `sent` is -1 after the last delta."""
    ended = sent < 0
    if done.cut_after is not None and (ended or sent == done.cut_after):
        raise errors.unreadable(target.provider, "the stream was cut off")
    if done.error_after is not None and (ended or sent == done.error_after):
        raise errors.unreadable(target.provider, "the upstream broke its stream off")


def _usage(done: simulator.Simulated) -> Usage | None:
    if not done.usage_reported:
        return None
    usage = Usage(input=done.input_tokens, output=done.output_tokens)
    return at_tier(usage, done.service_tier)


def _answer(done: simulator.Simulated, target: Target) -> Answer:
    choices = tuple(
        Choice(
            parts=(
                *((Text(choice.text),) if choice.tokens else ()),
                *(ToolCall(f"call_{call.id}", call.name, call.arguments) for call in choice.calls),
            ),
            finish=_finish(choice),
            index=index,
            stop_sequence=choice.stopped_by,
            logprobs=_logprobs(choice, done.logprobs, 0, len(choice.tokens)),
        )
        for index, choice in enumerate(done.choices)
    )
    return Answer(
        choices=choices,
        usage=_usage(done),
        upstream_id=target.attempt,
        upstream_model=target.upstream_name,
    )


def _deltas(done: simulator.Simulated) -> Iterator[Chunk]:
    for index, choice in enumerate(done.choices):
        for start, end in choice.deltas(done.chunks):
            text = "".join(choice.tokens[start:end])
            yield Chunk(
                index=index,
                text=text,
                logprobs=_logprobs(choice, done.logprobs, start, end),
            )
        for no, call in enumerate(choice.calls):
            opening = ToolDelta(no, id=f"call_{call.id}", name=call.name, arguments=call.arguments)
            yield Chunk(index=index, tool=opening)


def _finishes(done: simulator.Simulated) -> Iterator[Chunk]:
    for index, choice in enumerate(done.choices):
        yield Chunk(index=index, finish=_finish(choice), stop_sequence=choice.stopped_by)


def _finish(choice: simulator.Choice) -> Finish:
    return "stop_sequence" if choice.stopped_by is not None else _FINISHES[choice.finish]


def _logprobs(
    choice: simulator.Choice, top: int | None, start: int, end: int
) -> dict[str, object] | None:
    if top is None or not choice.logprobs:
        return None
    content = [
        {"token": token, "logprob": logprob, "bytes": list(token.encode()), "top_logprobs": []}
        for token, logprob in zip(choice.tokens[start:end], choice.logprobs[start:end], strict=True)
    ]
    return {"content": content, "refusal": None}
