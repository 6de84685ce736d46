"""A model that is arithmetic: the same prompt, model and seed give the same answer, timing and failures. Pure.

`simulate(ask)` says what a model would answer and when; who calls it sleeps, encodes and sends. It
keeps no state: what must be counted (`times=`) comes in as `Ask.tries`.

Directives stand in the last user message or a system message, as `[[sandbox key=value …]]`; a
value with spaces is quoted. Several blocks add up, the last one wins. All are optional:

    model=NAME        this block is meant for this upstream model only
    latency=50ms      time to the first byte (plain answers: to the whole answer); `ms` or `s`
    delay=20ms        time between the deltas of a stream
    chunks=10         how many text deltas a stream has (at most one per token)
    stall=2s          a silence in a stream, after `stall_after=` deltas (1)
    tokens=40         exactly so many output tokens (fewer if `max_tokens` says so)
    say="…"           the answer, word for word
    vary=1            model and seed change the answer (without it all models agree)
    confidence=0.7    the mean probability of a token, for logprobs
    logprobs=1        report logprobs although they were not asked for
    tool=NAME         call this tool; `tool=a,b` calls both; once its result is there, answer
    args='{"id":1}'   the arguments of that tool call, instead of ones that fit its schema
    invent=NAME       call this tool although the request does not offer it
    finish=length     the finish reason: stop | length | content_filter
    service_tier=NAME say that it was served at this tier (default, flex …), whatever was asked
    usage=none        report no usage;  usage=input:output  report exactly this
    fail=CLASS        fail as timeout | rate_limited | overloaded | server_error | refused_request |
                      refused_account | unreadable (a 200 nobody can parse)
    status=400        fail with this HTTP status
    retry_after=2     the Retry-After of a failure, seconds
    times=1           fail, cut, stall and error only in the first N tries of the call at the model
    cut=after:3       break the connection off after so many deltas (a plain answer: in mid-body)
    error=after:3     end the stream with the vendor's error event after so many deltas
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from routing.simulator.schema import Draws, instance

Finish = Literal["stop", "length", "tool_calls", "content_filter"]

DEFAULT_CONFIDENCE = (0.82, 0.98)
IMAGE_TOKENS = 85
LARGEST_TOKENS = 200_000
LARGEST_SECONDS = 3_600.0
FAILURES = {
    "timeout": 504,
    "rate_limited": 429,
    "overloaded": 503,
    "server_error": 500,
    "refused_request": 400,
    "refused_account": 401,
    "unreadable": 200,
}

_BLOCK = re.compile(r"\[\[sandbox\b([^\]]*(?:\](?!\])[^\]]*)*)\]\]")
_PAIR = re.compile(r"([a-z_]+)=(\"[^\"]*\"|'[^']*'|\S+)")
_TOKEN = re.compile(r"\s*(?:\w{1,10}|[^\w\s]{1,4})|\s+")
_KEYS = frozenset(
    {"model", "latency", "delay", "chunks", "stall", "stall_after", "tokens", "say", "vary"}
    | {"confidence", "logprobs", "tool", "invent", "args", "finish", "usage", "fail", "status"}
    | {"retry_after", "times", "cut", "error", "service_tier"}
)
_FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
}
_ONLY_WHILE_FAILING = ("fail", "status", "cut", "error", "stall")
_BANK = (
    " The documents support this reading and nothing in them contradicts it. The amount, the date "
    "and the policy number agree with each other. One detail should be checked by a person before "
    "money moves. The customer was told what happens next and when. No further data is needed for "
    "this step."
)


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool the model may call: its name and the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a request asks of the model.

    `text` is everything the model reads, `directives` the part that may carry directives (system
    and last user message), `last` the last user message. `must_call`: None lets the model choose,
    "" makes it call some tool, a name that one. `tries`: how often this call came to this model
    before. `logprobs`: how many alternatives per token, None for none. `service_tier`: the one asked for.
    """

    text: str
    last: str
    model: str
    directives: str = ""
    seed: int = 0
    tool_result: str | None = None
    tools: tuple[ToolSpec, ...] = ()
    must_call: str | None = None
    schema: Mapping[str, Any] | None = None
    json_object: bool = False
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    n: int = 1
    logprobs: int | None = None
    images: int = 0
    tries: int = 0
    service_tier: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool: its id, name and arguments as JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer: its tokens, the log probability of each, tool calls, why and by what it ended."""

    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    calls: tuple[ToolCall, ...]
    finish: Finish
    stopped_by: str | None = None

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(self.tokens)

    def deltas(self, count: int | None) -> Iterator[tuple[int, int]]:
        """Token ranges `(from, to)` of each stream delta, `count` of them or one per token."""
        total = len(self.tokens)
        parts = min(count or total, total)
        for part in range(parts):
            yield part * total // parts, (part + 1) * total // parts


@dataclass(frozen=True, slots=True)
class Failure:
    """How the request fails: what `fail=` said ("" for a bare status), an HTTP status, Retry-After."""

    kind: str
    status: int
    retry_after: float | None = None
    message: str = "the sandbox was told to fail"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: before the first byte, between deltas, and one silence after so many deltas."""

    first: float = 0.0
    between: float = 0.0
    stall: float = 0.0
    stall_after: int = 1


@dataclass(frozen=True, slots=True)
class Simulated:
    """What the model does. `cut_after` and `error_after` count deltas; None means never."""

    choices: tuple[Choice, ...]
    input_tokens: int
    output_tokens: int
    timing: Timing
    failure: Failure | None = None
    cut_after: int | None = None
    error_after: int | None = None
    chunks: int | None = None
    usage_reported: bool = True
    logprobs: int | None = None
    service_tier: str = ""


class BadDirective(ValueError):
    """A directive that is not known or has a value that makes no sense; the message quotes it."""


def simulate(ask: Ask) -> Simulated:
    """What the model answers, deterministic in `ask`. A bad directive is a refused request."""
    try:
        told = _directives(ask)
        return _simulate(ask, told)
    except BadDirective as error:
        tokens = count_tokens(ask.text)
        failure = Failure("refused_request", 400, message=str(error))
        return Simulated((), tokens, 0, Timing(), failure)


def count_tokens(text: str) -> int:
    """How many tokens a text has: one per four bytes, at least one."""
    return max(1, -(-len(text.encode()) // 4))


def _simulate(ask: Ask, told: Mapping[str, str]) -> Simulated:
    choices = tuple(_choice(ask, told, index) for index in range(ask.n))
    failure = _failure(told)
    used = _usage(told)
    counted = (
        count_tokens(ask.text) + IMAGE_TOKENS * ask.images,
        sum(max(1, _length(choice)) for choice in choices),
    )
    top = ask.logprobs if ask.logprobs is not None or "logprobs" not in told else 0
    return Simulated(
        choices=choices,
        input_tokens=(used or counted)[0],
        output_tokens=(used or counted)[1],
        timing=Timing(
            first=_seconds(told, "latency"),
            between=_seconds(told, "delay"),
            stall=_seconds(told, "stall"),
            stall_after=_count(told, "stall_after") or 1,
        ),
        failure=failure,
        cut_after=_after(told, "cut"),
        error_after=_after(told, "error"),
        chunks=_count(told, "chunks"),
        usage_reported=told.get("usage") != "none",
        logprobs=top,
        service_tier=told.get("service_tier", ask.service_tier),
    )


def _directives(ask: Ask) -> dict[str, str]:
    told: dict[str, str] = {}
    for block in _BLOCK.finditer(ask.directives or ask.last):
        pairs = {key: _unquoted(value) for key, value in _PAIR.findall(block[1])}
        for key in pairs:
            if key not in _KEYS:
                raise BadDirective(f'there is no sandbox directive "{key}"')
        if pairs.get("model", ask.model) == ask.model:
            told.update(pairs)
    if "times" in told and ask.tries >= (_count(told, "times") or 0):
        for key in _ONLY_WHILE_FAILING:
            told.pop(key, None)
    return told


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _choice(ask: Ask, told: Mapping[str, str], index: int) -> Choice:
    subject = _BLOCK.sub("", ask.last).strip()
    varied = f"{ask.model}\0{ask.seed}" if told.get("vary") else ""
    draws = Draws(f"{subject}\0{varied}\0{index if told.get('vary') else 0}")
    calls = _calls(ask, told, draws)
    if calls:
        return Choice((), (), calls, "tool_calls")
    tokens, finish, stopped_by = _bounded(ask, _tokens(ask, told, subject, draws))
    finish = _FINISHES.get(told.get("finish", ""), finish)
    return Choice(tokens, _logprobs(ask, told, tokens), (), finish, stopped_by)


def _tokens(ask: Ask, told: Mapping[str, str], subject: str, draws: Draws) -> list[str]:
    if "say" in told:
        return _TOKEN.findall(told["say"])
    if ask.schema is not None or ask.json_object:
        value = instance(ask.schema or {"type": "object"}, subject, draws)
        return _TOKEN.findall(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
    gist = " ".join(subject.split()[:12]) or "Hello from the sandbox"
    if ask.tool_result is not None:
        gist = "The tool answered " + " ".join(ask.tool_result.split()[:24])
    wanted = _count(told, "tokens")
    if wanted is None:
        wanted = len(_TOKEN.findall(gist)) + 16 + draws.below(24)
    tokens: list[str] = _TOKEN.findall(f"{gist}." if draws.below(2) else f"In short: {gist}.")
    bank = _TOKEN.findall(_BANK)
    while len(tokens) < wanted:
        tokens.extend(bank)
    return tokens[:wanted]


def _bounded(ask: Ask, tokens: list[str]) -> tuple[tuple[str, ...], Finish, str | None]:
    text = "".join(tokens) if ask.stop else ""
    found = [(text.find(stop), stop) for stop in ask.stop if stop and stop in text]
    stopped_by = None
    if found:
        at, stopped_by = min(found)
        tokens = _TOKEN.findall(text[:at])
    if ask.max_tokens is not None and len(tokens) > ask.max_tokens:
        return tuple(tokens[: ask.max_tokens]), "length", None
    return tuple(tokens), "stop", stopped_by


def _calls(ask: Ask, told: Mapping[str, str], draws: Draws) -> tuple[ToolCall, ...]:
    invented = tuple(ToolSpec(name) for name in told.get("invent", "").split(",") if name)
    if not (ask.tools or invented) or ask.tool_result is not None:
        return ()
    wanted = [name for name in told.get("tool", "").split(",") if name and ask.tools]
    if not wanted and ask.must_call is not None and ask.tools:
        wanted = [ask.must_call or ask.tools[0].name]
    wanted += [tool.name for tool in invented]
    known = {tool.name: tool for tool in (*ask.tools, *invented)}
    calls = []
    for at, name in enumerate(wanted):
        if name not in known:
            raise BadDirective(f'the request has no tool "{name}"')
        arguments = told.get("args") or json.dumps(
            instance(known[name].schema or {"type": "object"}, ask.last, draws),
            separators=(",", ":"),
            ensure_ascii=False,
        )
        mark = hashlib.blake2b(f"{ask.text}\0{name}\0{at}".encode(), digest_size=12).hexdigest()
        calls.append(ToolCall(mark, name, arguments))
    return tuple(calls)


def _logprobs(ask: Ask, told: Mapping[str, str], tokens: Sequence[str]) -> tuple[float, ...]:
    if ask.logprobs is None and "logprobs" not in told:
        return ()
    draws = Draws(f"{ask.model}\0{ask.seed}\0{ask.last}")
    low, high = DEFAULT_CONFIDENCE
    mean = _number(told, "confidence", 0.0, 1.0)
    if mean is None:
        mean = low + (high - low) * draws.below(1_000) / 1_000
    # a token's own value lies within a tenth of the way to the nearer bound, so the mean holds
    spread = min(mean, 1 - mean) / 10
    values = (mean + spread * (draws.below(201) - 100) / 100 for _ in tokens)
    return tuple(round(math.log(min(max(value, 1e-6), 1.0)), 6) for value in values)


def _length(choice: Choice) -> int:
    spoken = sum(count_tokens(call.name + call.arguments) for call in choice.calls)
    return len(choice.tokens) + spoken


def _failure(told: Mapping[str, str]) -> Failure | None:
    kind = told.get("fail")
    if kind is not None and kind not in FAILURES:
        raise BadDirective(f'fail="{kind}"; use one of {", ".join(FAILURES)}')
    status = _count(told, "status")
    if status is not None and not 300 <= status <= 599:
        raise BadDirective(f"status={status}; use 300 to 599")
    if kind is None and status is None:
        return None
    after = _number(told, "retry_after", 0.0, LARGEST_SECONDS)
    return Failure(kind or "", status or FAILURES[kind or ""], after)


def _usage(told: Mapping[str, str]) -> tuple[int, int] | None:
    text = told.get("usage", "none")
    if text == "none":
        return None
    parts = text.split(":")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise BadDirective(f'usage="{text}"; use none or input:output')
    return int(parts[0]), int(parts[1])


def _seconds(told: Mapping[str, str], key: str) -> float:
    text = told.get(key, "0")
    factor, bare = (0.001, text[:-2]) if text.endswith("ms") else (1.0, text.removesuffix("s"))
    try:
        value = float(bare) * factor
    except ValueError:
        raise BadDirective(f'{key}="{text}"; use 50ms or 2s') from None
    if not 0 <= value <= LARGEST_SECONDS:
        raise BadDirective(f'{key}="{text}"; use at most one hour')
    return value


def _count(told: Mapping[str, str], key: str) -> int | None:
    text = told.get(key)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > LARGEST_TOKENS:
        raise BadDirective(f'{key}="{text}"; use a whole number up to {LARGEST_TOKENS}')
    return int(text)


def _after(told: Mapping[str, str], key: str) -> int | None:
    return _count({key: told[key].removeprefix("after:")}, key) if key in told else None


def _number(told: Mapping[str, str], key: str, low: float, high: float) -> float | None:
    text = told.get(key)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        raise BadDirective(f'{key}="{text}"; use a number') from None
    if not low <= value <= high:
        raise BadDirective(f'{key}="{text}"; use {low} to {high}')
    return value
