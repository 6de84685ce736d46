"""What callers and models exchange, without any wire format: the lowest room of routing. Pure.

A `CallRequest` is what a caller sent, kept as the bytes that came, with an `Outline` of what a decision may look at. A
`Conversation`, an `Answer` and a `Chunk` are the same things as values, for calls that cross from one dialect to another.
"""

from typing import Any, Final, Literal

import msgspec

from controlplane.kernel.errors import UpstreamFailed

Finish = Literal["stop", "stop_sequence", "length", "tool_calls", "refusal"]
ServiceTier = Literal["", "flex", "batch", "priority", "scale"]
SERVICE_TIERS: Final = ("flex", "batch", "priority", "scale")
"""Those that have a name of their own; empty is the ordinary one."""
DialectName = Literal["openai.chat", "openai.responses", "anthropic.messages"]


class UnreadableAnswer(UpstreamFailed):
    """An upstream answer or event that cannot be read. The message never quotes content; error class `server_error`."""


class StreamFailed(UpstreamFailed):
    """The upstream said in mid-stream that it failed; `details["error_class"]` is one of PRODUCT.md's classes."""


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision may know of a request. Token figures are per request, `output_tokens_asked` per choice.

    `input_tokens_max` is an upper bound for money (no tokenizer makes more tokens than bytes); `input_tokens_estimate`
    is for context windows. `special` names the fields that change price or place beyond what a Model document says.
    `unbounded`: a document lies elsewhere, so that only a model's context window bounds the input. `service_tier` is the
    one asked for, where it is billed at another price that a Model document can say; empty for the ordinary one.
    """

    tools: tuple[str, ...] = ()
    needs: tuple[str, ...] = ("chat",)
    input_tokens_max: int = 0
    input_tokens_estimate: int = 0
    output_tokens_asked: int | None = None
    n: int = 1
    user: str | None = None
    labels: dict[str, str] = {}
    include_usage: bool = False
    special: tuple[str, ...] = ()
    unbounded: bool = False
    service_tier: ServiceTier = ""


class CallRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a caller, as received.

    `spans` gives, in bytes of `raw`, where the values of the fields lie that a same-dialect call replaces; `headers` holds
    only those that are forwarded to an upstream of the same dialect, names in lower case; `query` is without the `?`.
    Of the Responses dialect alone: `background` does not wait for the answer, `previous` is the call it goes on from, as
    the caller named it, and `kept` is whether the caller may read it again.
    """

    dialect: DialectName
    route: str
    stream: bool
    raw: bytes
    outline: Outline
    spans: dict[str, tuple[int, int]] = {}
    headers: dict[str, str] = {}
    query: str = ""
    background: bool = False
    previous: str = ""
    kept: bool = True


class Text(msgspec.Struct, frozen=True, tag="text"):
    """A run of text."""

    text: str


class Image(msgspec.Struct, frozen=True, tag="image"):
    """A picture: either base64 `data` with its `media_type`, or a `url`. `detail` is a hint of OpenAI's dialect."""

    data: str = ""
    media_type: str = ""
    url: str = ""
    detail: str = ""


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """The model calls a tool; `arguments` is the JSON text the model wrote."""

    id: str
    name: str
    arguments: str


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result"):
    """What a tool gave back for the call with that id."""

    call_id: str
    parts: tuple[Text | Image, ...]
    is_error: bool = False


Part = Text | Image | ToolCall | ToolResult
Role = Literal["system", "user", "assistant"]


class Message(msgspec.Struct, frozen=True):
    """One turn. Tool results stand in a user turn, tool calls in an assistant turn, after its text."""

    role: Role
    parts: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True):
    """A function the caller offers; `parameters` is its JSON schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    """`auto`, `none`, `required` (any tool), or `tool` with a name."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str = ""


class OutputFormat(msgspec.Struct, frozen=True):
    """The answer's form: any JSON object, or one that follows a schema. `None` in a Conversation means free text."""

    kind: Literal["json_object", "json_schema"]
    name: str = "answer"
    description: str | None = None
    schema: dict[str, Any] = {}
    strict: bool | None = None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A request as a value. `None` and empty mean: the caller did not say.

    `extras` names what has no place here, so that nothing is dropped unseen: a dialect other than `dialect` cannot carry
    these. `hints` names what may be left out without changing what is asked (cache marks, thinking of another vendor):
    they are left out when dialects are crossed, and reported.
    """

    dialect: DialectName
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    output_format: OutputFormat | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    effort: str | None = None
    user: str | None = None
    metadata: dict[str, str] = {}
    max_output_tokens: int | None = None
    include_usage: bool = False
    service_tier: ServiceTier = ""
    extras: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one attempt. The four are disjoint: `input` is what was neither read from nor written to a cache.

    Of `input` and `output`, `image_input`, `audio_input`, `audio_output` and `reasoning` are parts.
    `counted` means that the provider did not report and we took the bound: input bound + UTF-8 bytes of the output.
    `service_tier` is the one that the provider says it served at; empty for the ordinary one, and where it says nothing.
    """

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    source: Literal["reported", "counted"] = "reported"
    image_input: int = 0
    audio_input: int = 0
    audio_output: int = 0
    reasoning: int = 0
    service_tier: ServiceTier = ""

    @property
    def input_all(self) -> int:
        """All input tokens: plain, read from a cache, written to one."""
        return self.input + self.cached_input + self.cache_write


class Choice(msgspec.Struct, frozen=True):
    """One of the answers; `logprobs` in OpenAI's shape, the only one there is."""

    parts: tuple[Text | ToolCall, ...]
    finish: Finish
    index: int = 0
    refusal: str = ""
    stop_sequence: str | None = None
    logprobs: dict[str, Any] | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer as a value. `upstream_id` and `upstream_model` are what the provider called itself."""

    choices: tuple[Choice, ...]
    usage: Usage | None = None
    upstream_id: str = ""
    upstream_model: str = ""


class ToolDelta(msgspec.Struct, frozen=True):
    """A piece of a tool call: `id` and `name` only in its first piece. `index` counts the tool calls of a choice."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a streamed answer: a bit of text, of a refusal or of a tool call, a finish, or the usage."""

    index: int = 0
    text: str = ""
    refusal: str = ""
    tool: ToolDelta | None = None
    logprobs: dict[str, Any] | None = None
    finish: Finish | None = None
    stop_sequence: str | None = None
    usage: Usage | None = None

    @property
    def output_bytes(self) -> int:
        """UTF-8 bytes of the output in it: the bound for tokens when a stream is cut before its usage came."""
        written = self.text + self.refusal
        if self.tool is not None:
            written += self.tool.name + self.tool.arguments
        return len(written.encode())


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A same-dialect answer: `body` for the caller (only id and model replaced) and what we read on the way."""

    body: bytes
    usage: Usage | None
    finish: str | None
    upstream_id: str
    upstream_model: str


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(CallRequest)


def encode_request(request: CallRequest) -> bytes:
    """The request as MessagePack, for the vault."""
    return _ENCODER.encode(request)


def decode_request(data: bytes) -> CallRequest:
    """The request that `encode_request` wrote. Raises msgspec.DecodeError when it is not one."""
    return _DECODER.decode(data)
