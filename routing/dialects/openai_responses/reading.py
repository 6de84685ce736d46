"""A responses request read as a `Conversation`, for a model that speaks another dialect."""

from typing import Any, Final

from routing.dialects.crossing import Unplaced, list_of, loaded, text_of, wrong
from routing.dialects.openai_chat.reading import output_format, tool_choice
from routing.dialects.openai_responses.request import items_of, wants_logprobs
from routing.dialects.received import flag, mapping, metadata, number, objects, string, whole
from routing.exchange import (
    CallRequest,
    Conversation,
    Image,
    Message,
    Part,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

_KNOWN: Final = frozenset(
    {
        "model",
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "text",
        "reasoning",
        "include",
        "temperature",
        "top_p",
        "top_logprobs",
        "max_output_tokens",
        "metadata",
        "user",
        "safety_identifier",
        "stream",
        "store",
        "background",
        "previous_response_id",
    }
)
_HINTS: Final = frozenset(
    {"prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "stream_options"}
    # it limits tools that run at the vendor, and those are refused
    | {"max_tool_calls"}
)
_NEUTRAL: Final[dict[str, tuple[object, ...]]] = {
    "service_tier": ("auto", "default", "flex"),
    "truncation": ("disabled",),
}
_MARK: Final = frozenset({"prompt_cache_breakpoint"})
_INCLUDED: Final = frozenset({"message.output_text.logprobs"})
_SEALED: Final = "reasoning.encrypted_content"
_TEXTS: Final = {"input_text": "text", "output_text": "text", "refusal": "refusal"}
_ROLES: Final[dict[object, Role]] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}


def conversation(request: CallRequest) -> Conversation:
    """The request as a value. Raises InvalidRequest where its form is not the dialect's."""
    values = loaded(request.raw)
    unplaced = Unplaced()
    neutral = {name for name, meant in _NEUTRAL.items() if values.get(name) in meant}
    unplaced.rest(values, "", _KNOWN | neutral, _HINTS)
    _included(values, unplaced)
    text, logprobs = mapping(values, "text"), wants_logprobs(values)
    unplaced.rest(text, "text.", {"format"} | _medium(text))
    return Conversation(
        dialect="openai.responses",
        messages=_messages(values, unplaced),
        tools=tuple(_tools(values, unplaced)),
        tool_choice=tool_choice(values.get("tool_choice"), unplaced, nested=""),
        parallel_tool_calls=flag(values, "parallel_tool_calls"),
        output_format=output_format(mapping(text, "format"), "text.format", nested=""),
        temperature=number(values, "temperature"),
        top_p=number(values, "top_p"),
        logprobs=logprobs,
        top_logprobs=whole(values, "top_logprobs", 0, 20) if logprobs else None,
        effort=_effort(values, unplaced),
        user=request.outline.user,
        metadata=metadata(values),
        max_output_tokens=request.outline.output_tokens_asked,
        include_usage=True,
        service_tier=request.outline.service_tier,
        extras=unplaced.extras,
        hints=unplaced.hints,
    )


def _included(values: dict[str, Any], unplaced: Unplaced) -> None:
    for name in values.get("include") or ():
        if name == _SEALED:
            unplaced.skip(f"include {_SEALED}")
        elif name not in _INCLUDED:
            unplaced.refuse(f"include {name[:64]}")


def _medium(text: dict[str, Any]) -> set[str]:
    return {"verbosity"} if text.get("verbosity") == "medium" else set()


def _effort(values: dict[str, Any], unplaced: Unplaced) -> str | None:
    found = mapping(values, "reasoning")
    standard = {"mode"} if found.get("mode") == "standard" else set()
    hints = {"summary", "generate_summary", "context"}
    unplaced.rest(found, "reasoning.", {"effort"} | standard, hints)
    return string(found, "effort")


def _messages(values: dict[str, Any], unplaced: Unplaced) -> tuple[Message, ...]:
    """Items as turns: calls join the assistant's turn before them, results that follow each other are one turn."""
    messages: list[Message] = []
    instructions = string(values, "instructions", most=2**25)
    if instructions:
        messages.append(Message("system", (Text(instructions),)))
    joins = ""
    for at, item in enumerate(items_of(values)):
        kind = item.get("type", "message")
        turn = _turn(item, f"input[{at}]", unplaced)
        if turn is None:
            continue
        if joins and joins == {"function_call": "assistant", "function_call_output": "results"}.get(
            kind
        ):
            turn = Message(turn.role, messages.pop().parts + turn.parts)
        joins = "results" if kind == "function_call_output" else turn.role
        messages.append(turn)
    return tuple(messages)


def _turn(item: dict[str, Any], where: str, unplaced: Unplaced) -> Message | None:
    match item.get("type", "message"):
        case "message":
            return _message(item, where, unplaced)
        case "function_call":
            known = {"type", "id", "status", "call_id", "name", "arguments"}
            unplaced.rest(item, "input.function_call.", known)
            name, arguments = text_of(item, "name", where), text_of(item, "arguments", where)
            call = ToolCall(text_of(item, "call_id", where), name, arguments)
            return Message("assistant", (call,))
        case "function_call_output":
            known = {"type", "id", "status", "call_id", "output"}
            unplaced.rest(item, "input.function_call_output.", known)
            parts = _parts(item.get("output"), f"{where}.output", unplaced)
            kept = tuple(part for part in parts if isinstance(part, Text | Image))
            return Message("user", (ToolResult(text_of(item, "call_id", where), kept),))
        case "reasoning":
            unplaced.skip("input of type reasoning")
        case kind:
            unplaced.refuse(f"input of type {str(kind)[:40]}")
    return None


def _message(item: dict[str, Any], where: str, unplaced: Unplaced) -> Message:
    role = _ROLES.get(item.get("role"))
    if role is None:
        wrong(f"{where}.role", '"user", "assistant", "system" or "developer"')
    unplaced.rest(item, "input.", {"type", "role", "content", "id", "status"}, {"phase"})
    return Message(role, _parts(item.get("content"), f"{where}.content", unplaced))


def _parts(content: object, where: str, unplaced: Unplaced) -> tuple[Part, ...]:
    if type(content) is str:
        return (Text(content),)
    parts: list[Part] = []
    for at, part in enumerate(list_of(content, where)):
        here, kind = f"{where}[{at}]", part.get("type")
        field = _TEXTS.get(str(kind))
        if field is not None:
            hints = _MARK | {"annotations", "logprobs"}
            unplaced.rest(part, "input.content.", {"type", field}, hints)
            parts.append(Text(text_of(part, field, here)))
        elif kind == "input_image":
            parts += _image(part, here, unplaced)
        else:
            unplaced.refuse(f"input.content of type {str(kind)[:40]}")
    return tuple(parts)


def _image(part: dict[str, Any], where: str, unplaced: Unplaced) -> list[Image]:
    known = {"type", "image_url", "detail"}
    unplaced.rest(part, "input.content.input_image.", known, _MARK)
    if part.get("file_id"):
        return []
    url, detail = text_of(part, "image_url", where), str(part.get("detail") or "")
    if not url.startswith("data:"):
        return [Image(url=url, detail=detail)]
    kind, comma, data = url[5:].partition(",")
    media_type, _, encoding = kind.partition(";")
    if not comma or encoding != "base64":
        wrong(f"{where}.image_url", 'a URL, or "data:image/png;base64,…"')
    return [Image(data=data, media_type=media_type, detail=detail)]


def _tools(values: dict[str, Any], unplaced: Unplaced) -> list[Tool]:
    tools = []
    for at, tool in enumerate(objects(values, "tools", len(values.get("tools") or ()))):
        if tool.get("type") != "function":
            unplaced.refuse(f"tools of type {str(tool.get('type'))[:40]}")
            continue
        unplaced.rest(tool, "tools.", {"type", "name", "description", "parameters", "strict"})
        parameters = None if tool.get("parameters") is None else mapping(tool, "parameters")
        description = string(tool, "description", most=2**20)
        name = text_of(tool, "name", f"tools[{at}]")
        tools.append(Tool(name, description, parameters, flag(tool, "strict")))
    return tools
