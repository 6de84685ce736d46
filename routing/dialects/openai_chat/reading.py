"""A chat completions request read as a `Conversation`, for a model that speaks another dialect."""

from typing import Any, Final

from routing.dialects.crossing import EMPTY, Unplaced, list_of, loaded, text_of, wrong
from routing.dialects.received import flag, mapping, metadata, number, objects, string, whole
from routing.exchange import (
    CallRequest,
    Conversation,
    Image,
    Message,
    OutputFormat,
    Part,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

_KNOWN: Final = frozenset(
    {
        "model",
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "temperature",
        "top_p",
        "seed",
        "n",
        "stop",
        "frequency_penalty",
        "presence_penalty",
        "logprobs",
        "top_logprobs",
        "max_tokens",
        "max_completion_tokens",
        "stream",
        "stream_options",
        "user",
        "safety_identifier",
        "metadata",
        "reasoning_effort",
    }
)
_HINTS: Final = frozenset({"prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"})
_NEUTRAL: Final[dict[str, tuple[object, ...]]] = {
    "service_tier": ("auto", "default", "flex"),
    "store": (False,),
    "modalities": (["text"],),
    "verbosity": ("medium",),
}
_MARK: Final = frozenset({"prompt_cache_breakpoint"})


def conversation(request: CallRequest) -> Conversation:
    """The request as a value. Raises InvalidRequest where its form is not the dialect's."""
    values = loaded(request.raw)
    unplaced = Unplaced()
    neutral = {name for name, meant in _NEUTRAL.items() if values.get(name) in meant}
    unplaced.rest(values, "", _KNOWN | neutral, _HINTS)
    messages = _messages(objects(values, "messages", len(values["messages"])), unplaced)
    return Conversation(
        dialect="openai.chat",
        messages=messages,
        tools=tuple(_tools(values, unplaced)),
        tool_choice=tool_choice(values.get("tool_choice"), unplaced),
        parallel_tool_calls=flag(values, "parallel_tool_calls"),
        output_format=output_format(mapping(values, "response_format")),
        temperature=number(values, "temperature"),
        top_p=number(values, "top_p"),
        seed=whole(values, "seed", -(2**63), 2**63),
        n=request.outline.n,
        stop=_stop(values.get("stop")),
        frequency_penalty=number(values, "frequency_penalty"),
        presence_penalty=number(values, "presence_penalty"),
        logprobs=flag(values, "logprobs") or False,
        top_logprobs=whole(values, "top_logprobs", 0, 20),
        effort=string(values, "reasoning_effort"),
        user=request.outline.user,
        metadata=metadata(values),
        max_output_tokens=request.outline.output_tokens_asked,
        include_usage=request.outline.include_usage,
        service_tier=request.outline.service_tier,
        extras=unplaced.extras,
        hints=unplaced.hints,
    )


def _messages(found: list[dict[str, Any]], unplaced: Unplaced) -> tuple[Message, ...]:
    messages: list[Message] = []
    after_tool = False
    for at, message in enumerate(found):
        where, role = f"messages[{at}]", message.get("role")
        if role == "tool":
            result = _tool_result(message, where, unplaced)
            # parallel results are one turn, as the calls were
            earlier = messages.pop().parts if after_tool else ()
            messages.append(Message("user", (*earlier, result)))
        else:
            messages.append(_message(message, where, unplaced))
        after_tool = role == "tool"
    return tuple(messages)


def _message(message: dict[str, Any], where: str, unplaced: Unplaced) -> Message:
    role = message.get("role")
    if role == "assistant":
        return Message("assistant", _assistant(message, where, unplaced))
    if role not in {"system", "developer", "user"}:
        unplaced.refuse(f"messages.role {str(role)[:40]}")
    unplaced.rest(message, "messages.", {"role", "content"})
    parts = _parts(message.get("content"), f"{where}.content", unplaced)
    return Message("user" if role == "user" else "system", parts)


def _assistant(message: dict[str, Any], where: str, unplaced: Unplaced) -> tuple[Part, ...]:
    unplaced.rest(
        message, "messages.", {"role", "content", "refusal", "tool_calls"}, {"annotations"}
    )
    content = message.get("content")
    parts: list[Part] = (
        [] if content is None else list(_parts(content, f"{where}.content", unplaced))
    )
    if message.get("refusal"):
        parts.append(Text(text_of(message, "refusal", where)))
    for at, call in enumerate(list_of(message.get("tool_calls") or [], f"{where}.tool_calls")):
        here = f"{where}.tool_calls[{at}]"
        if call.get("type", "function") != "function":
            unplaced.refuse("messages.tool_calls of another type than function")
            continue
        function = mapping(call, "function")
        name, arguments = text_of(function, "name", here), text_of(function, "arguments", here)
        parts.append(ToolCall(text_of(call, "id", here), name, arguments))
    return tuple(parts)


def _tool_result(message: dict[str, Any], where: str, unplaced: Unplaced) -> ToolResult:
    unplaced.rest(message, "messages.", {"role", "content", "tool_call_id"})
    parts = _parts(message.get("content"), f"{where}.content", unplaced)
    kept = tuple(part for part in parts if isinstance(part, Text | Image))
    return ToolResult(text_of(message, "tool_call_id", where), kept)


def _parts(content: object, where: str, unplaced: Unplaced) -> tuple[Part, ...]:
    if type(content) is str:
        return (Text(content),)
    parts: list[Part] = []
    for at, part in enumerate(list_of(content, where)):
        here, kind = f"{where}[{at}]", part.get("type")
        if kind in {"text", "refusal"}:
            unplaced.rest(part, "messages.content.", {"type", kind}, _MARK)
            parts.append(Text(text_of(part, str(kind), here)))
        elif kind == "image_url":
            unplaced.rest(part, "messages.content.", {"type", "image_url"}, _MARK)
            parts.append(_image(mapping(part, "image_url"), here, unplaced))
        else:
            unplaced.refuse(f"messages.content of type {str(kind)[:40]}")
    return tuple(parts)


def _image(image: dict[str, Any], where: str, unplaced: Unplaced) -> Image:
    unplaced.rest(image, "messages.content.image_url.", {"url", "detail"})
    url, detail = text_of(image, "url", where), str(image.get("detail") or "")
    if not url.startswith("data:"):
        return Image(url=url, detail=detail)
    head, comma, data = url[5:].partition(",")
    media_type, _, encoding = head.partition(";")
    if not comma or encoding != "base64":
        wrong(f"{where}.image_url.url", 'a URL, or "data:image/png;base64,…"')
    return Image(data=data, media_type=media_type, detail=detail)


def _tools(values: dict[str, Any], unplaced: Unplaced) -> list[Tool]:
    tools = []
    for at, tool in enumerate(objects(values, "tools", len(values.get("tools") or ()))):
        if tool.get("type") != "function":
            unplaced.refuse(f"tools of type {str(tool.get('type'))[:40]}")
            continue
        function = mapping(tool, "function")
        unplaced.rest(tool, "tools.", {"type", "function"})
        unplaced.rest(function, "tools.function.", {"name", "description", "parameters", "strict"})
        parameters = None if function.get("parameters") is None else mapping(function, "parameters")
        name = text_of(function, "name", f"tools[{at}].function")
        description = string(function, "description", most=2**20)
        tools.append(Tool(name, description, parameters, flag(function, "strict")))
    return tools


def tool_choice(choice: object, unplaced: Unplaced, nested: str = "function") -> ToolChoice | None:
    """OpenAI's `tool_choice`; `nested` is the member that holds a function's name, where it is not in the choice itself."""
    if choice is None:
        return None
    if choice in ("auto", "none", "required"):
        return ToolChoice(choice)
    if isinstance(choice, dict) and choice.get("type") == "function":
        found, where = _inner(choice, "tool_choice", nested)
        return ToolChoice("tool", text_of(found, "name", where))
    unplaced.refuse("tool_choice")
    return None


def output_format(
    found: dict[str, Any], where: str = "response_format", nested: str = "json_schema"
) -> OutputFormat | None:
    """OpenAI's format of an answer, at `where`; `nested` as for `tool_choice`."""
    kind = found.get("type", "text")
    if kind == "text":
        return None
    if kind == "json_object":
        return OutputFormat("json_object")
    if kind != "json_schema":
        wrong(f"{where}.type", '"text", "json_object" or "json_schema"')
    inner, where = _inner(found, where, nested)
    return OutputFormat(
        "json_schema",
        text_of(inner, "name", where),
        string(inner, "description", most=2**20),
        mapping(inner, "schema"),
        flag(inner, "strict"),
    )


def _inner(found: dict[str, Any], where: str, nested: str) -> tuple[dict[str, Any], str]:
    return (mapping(found, nested), f"{where}.{nested}") if nested else (found, where)


def _stop(stop: object) -> tuple[str, ...]:
    if stop in EMPTY:
        return ()
    found = [stop] if isinstance(stop, str) else stop
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        wrong("stop", "a string or a list of strings")
    return tuple(found)
