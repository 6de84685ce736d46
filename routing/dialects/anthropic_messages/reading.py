"""A messages request read as a `Conversation`, for a model that speaks another dialect."""

from typing import Any, Final, Literal

from routing.dialects.crossing import Unplaced, list_of, loaded, text_of, wrong
from routing.dialects.received import flag, mapping, number, objects, string, whole
from routing.dialects.spliced import ENCODER
from routing.exchange import (
    CallRequest,
    Conversation,
    Image,
    Message,
    OutputFormat,
    Part,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

_KNOWN: Final = frozenset(
    {
        "model",
        "max_tokens",
        "messages",
        "system",
        "stop_sequences",
        "stream",
        "temperature",
        "top_p",
        "top_k",
        "tools",
        "tool_choice",
        "metadata",
        "output_config",
        "thinking",
    }
)
_CACHE: Final = frozenset({"cache_control"})
_TEXT_HINTS: Final = frozenset({"cache_control", "citations"})
_NEUTRAL: Final[dict[str, tuple[object, ...]]] = {
    "service_tier": ("auto",),
    "speed": ("standard",),
}
_ROLES: Final[dict[object, Role]] = {"user": "user", "assistant": "assistant", "system": "system"}
_CHOICES: Final[dict[object, Literal["auto", "none", "required"]]] = {
    "auto": "auto",
    "any": "required",
    "none": "none",
}


def conversation(request: CallRequest) -> Conversation:
    """The request as a value. Raises InvalidRequest where its form is not the dialect's."""
    values = loaded(request.raw)
    unplaced = Unplaced()
    neutral = {name for name, meant in _NEUTRAL.items() if values.get(name) in meant}
    unplaced.rest(values, "", _KNOWN | neutral, _CACHE)
    unplaced.rest(mapping(values, "metadata"), "metadata.", {"user_id"})
    _thinking(mapping(values, "thinking"), unplaced)
    output = mapping(values, "output_config")
    unplaced.rest(output, "output_config.", {"effort", "format"})
    choice = mapping(values, "tool_choice")
    return Conversation(
        dialect="anthropic.messages",
        messages=(*_system(values.get("system"), unplaced), *_messages(values, unplaced)),
        tools=tuple(_tools(values, unplaced)),
        tool_choice=_tool_choice(choice, unplaced),
        parallel_tool_calls=False if flag(choice, "disable_parallel_tool_use") else None,
        output_format=_output_format(mapping(output, "format"), unplaced),
        temperature=number(values, "temperature"),
        top_p=number(values, "top_p"),
        top_k=whole(values, "top_k", 0, 2**31),
        stop=_stop(values),
        effort=string(output, "effort"),
        user=request.outline.user,
        max_output_tokens=request.outline.output_tokens_asked,
        include_usage=True,
        extras=unplaced.extras,
        hints=unplaced.hints,
    )


def _thinking(thinking: dict[str, Any], unplaced: Unplaced) -> None:
    if thinking and thinking.get("type") != "disabled":
        unplaced.skip("thinking")


def _stop(values: dict[str, Any]) -> tuple[str, ...]:
    found = values.get("stop_sequences") or []
    if type(found) is not list or not all(type(word) is str for word in found):
        wrong("stop_sequences", "a list of strings")
    return tuple(found)


def _system(system: object, unplaced: Unplaced) -> list[Message]:
    if not system:
        return []
    return [Message("system", _parts(system, "system", unplaced))]


def _messages(values: dict[str, Any], unplaced: Unplaced) -> list[Message]:
    messages = []
    for at, message in enumerate(objects(values, "messages", len(values["messages"]))):
        where, role = f"messages[{at}]", _ROLES.get(message.get("role"))
        if role is None:
            wrong(f"{where}.role", '"user", "assistant" or "system"')
        unplaced.rest(message, "messages.", {"role", "content"})
        messages.append(Message(role, _parts(message.get("content"), f"{where}.content", unplaced)))
    return messages


def _parts(content: object, where: str, unplaced: Unplaced) -> tuple[Part, ...]:
    if type(content) is str:
        return (Text(content),)
    parts: list[Part] = []
    for at, block in enumerate(list_of(content, where)):
        part = _part(block, f"{where}[{at}]", unplaced)
        if part is not None:
            parts.append(part)
    return tuple(parts)


def _part(block: dict[str, Any], where: str, unplaced: Unplaced) -> Part | None:
    match block.get("type"):
        case "text":
            unplaced.rest(block, "messages.content.text.", {"type", "text"}, _TEXT_HINTS)
            return Text(text_of(block, "text", where))
        case "image":
            return _image(block, where, unplaced)
        case "tool_use":
            return _tool_use(block, where, unplaced)
        case "tool_result":
            return _tool_result(block, where, unplaced)
        case "thinking" | "redacted_thinking":
            # signed by its own vendor: another one can neither check nor use it
            unplaced.skip("messages.content of type thinking")
        case kind:
            unplaced.refuse(f"messages.content of type {str(kind)[:40]}")
    return None


def _image(block: dict[str, Any], where: str, unplaced: Unplaced) -> Image | None:
    unplaced.rest(block, "messages.content.image.", {"type", "source"}, _CACHE)
    source = mapping(block, "source")
    match source.get("type"):
        case "base64":
            data = text_of(source, "data", f"{where}.source")
            return Image(data=data, media_type=text_of(source, "media_type", f"{where}.source"))
        case "url":
            return Image(url=text_of(source, "url", f"{where}.source"))
        case kind:
            unplaced.refuse(f"messages.content.image.source of type {str(kind)[:40]}")
    return None


def _tool_use(block: dict[str, Any], where: str, unplaced: Unplaced) -> ToolCall:
    direct = {"caller"} if block.get("caller") == {"type": "direct"} else set()
    known = {"type", "id", "name", "input"} | direct
    unplaced.rest(block, "messages.content.tool_use.", known, _CACHE)
    arguments = ENCODER.encode(mapping(block, "input")).decode()
    return ToolCall(text_of(block, "id", where), text_of(block, "name", where), arguments)


def _tool_result(block: dict[str, Any], where: str, unplaced: Unplaced) -> ToolResult:
    known = {"type", "tool_use_id", "content", "is_error"}
    unplaced.rest(block, "messages.content.tool_result.", known, _CACHE)
    parts = _parts(block.get("content") or "", f"{where}.content", unplaced)
    kept = tuple(part for part in parts if isinstance(part, Text | Image))
    failed = flag(block, "is_error") or False
    return ToolResult(text_of(block, "tool_use_id", where), kept, failed)


def _tools(values: dict[str, Any], unplaced: Unplaced) -> list[Tool]:
    tools = []
    known = {"type", "name", "description", "input_schema", "strict"}
    for at, tool in enumerate(objects(values, "tools", len(values.get("tools") or ()))):
        if tool.get("type") not in (None, "custom"):
            unplaced.refuse(f"tools of type {str(tool['type'])[:40]}")
            continue
        unplaced.rest(tool, "tools.", known, {"cache_control", "eager_input_streaming"})
        name = text_of(tool, "name", f"tools[{at}]")
        description = string(tool, "description", most=2**20)
        tools.append(Tool(name, description, mapping(tool, "input_schema"), flag(tool, "strict")))
    return tools


def _tool_choice(choice: dict[str, Any], unplaced: Unplaced) -> ToolChoice | None:
    if not choice:
        return None
    unplaced.rest(choice, "tool_choice.", {"type", "name", "disable_parallel_tool_use"})
    if choice.get("type") == "tool":
        return ToolChoice("tool", text_of(choice, "name", "tool_choice"))
    mode = _CHOICES.get(choice.get("type"))
    if mode is None:
        wrong("tool_choice.type", '"auto", "any", "none" or "tool"')
    return ToolChoice(mode)


def _output_format(found: dict[str, Any], unplaced: Unplaced) -> OutputFormat | None:
    if not found:
        return None
    if found.get("type") != "json_schema":
        wrong("output_config.format.type", '"json_schema"')
    unplaced.rest(found, "output_config.format.", {"type", "schema"})
    return OutputFormat("json_schema", schema=mapping(found, "schema"), strict=True)
