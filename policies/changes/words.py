"""PURE: what a change means, in plain words: what was, what is now, and whose calls it touches."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.documents.document import Document, Identity

Spec = Mapping[str, Any]
NEW, CHANGED, DELETED = "new", "changed", "deleted"
_LABELS: Final[Mapping[str, str]] = {
    "when": "the condition",
    "baseUrl": "the address",
    "onExhausted": "when exhausted",
    "spec": "",
}
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Story:
    """What becomes of one document: sentences for a person, and whom it touches."""

    identity: Identity
    state: str
    sentences: tuple[str, ...]
    touches: str

    @property
    def title(self) -> str:
        """`Budget insurance-monthly`."""
        kind, _, name = self.identity
        return f"{kind} {name}"


def story(
    identity: Identity, before: Document | None, after: Document | None, currency: str
) -> Story:
    """The story of one document; None where it does not exist."""
    spec = (after or before).filled() if after or before else {}  # type: ignore[union-attr]  # one of them is there
    if before is None or after is None:
        verb = _describe(identity[0], spec, currency)
        told = verb if after is not None else f"Taken away. It was: {verb}"
        state = NEW if after is not None else DELETED
        return Story(identity, state, (told,), _touches(identity, spec))
    was = before.filled()
    found = list(_differences(was, spec, "", currency))
    found += [f"{label}." for label in _metadata(before.body["metadata"], after.body["metadata"])]
    if not found:
        found = ["Only comments or spacing differ; it decides as before."]
    return Story(identity, CHANGED, tuple(found), _touches(identity, spec))


def money(amount: object, currency: str) -> str:
    """`25,000.00 EUR` for "25000.00"."""
    whole, point, rest = str(amount).partition(".")
    return f"{int(whole):,}{point}{rest} {currency}" if whole.isdigit() else f"{amount} {currency}"


def _differences(was: Spec, now: Spec, above: str, currency: str) -> Iterator[str]:
    for key in dict.fromkeys((*was, *now)):
        old, new = was.get(key), now.get(key)
        if old == new:
            continue
        label = _label(above, key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, label, currency)
        elif _plain(old) and _plain(new):
            yield from _lists(label, old or [], new or [])
        else:
            yield _scalar(key, label, old, new, currency)


def _plain(value: object) -> bool:
    """A list of simple things, where what came and what went is what counts."""
    return value is None or (
        isinstance(value, list) and all(isinstance(part, str | int) for part in value)
    )


def _lists(label: str, old: list[object], new: list[object]) -> Iterator[str]:
    more = [str(part) for part in new if part not in old]
    less = [str(part) for part in old if part not in new]
    if more:
        yield f"{_upper(label)}: now also {_and(more)}."
    if less:
        yield f"{_upper(label)}: no longer {_and(less)}."
    if not more and not less:
        yield f"{_upper(label)}: now in the order {', '.join(map(str, new))}."


def _scalar(key: str, label: str, old: object, new: object, currency: str) -> str:
    known = _KNOWN.get(key)
    if known is not None and old is not None and new is not None:
        return known(old, new)
    name = _upper(label)
    if isinstance(new, bool) or isinstance(old, bool):
        return f"{name}: {'yes' if new else 'no'} now."
    if key in ("limit", "raiseBy"):
        return f"{name}: {money(old, currency)} → {money(new, currency)}."
    if old in _NOTHING or new in _NOTHING:
        return f"{name}: {f'now {_value(new)}' if old in _NOTHING else f'no longer {_value(old)}'}."
    if key in ("when", "accept", "message"):
        return f"{name} was {_value(old)}; it is {_value(new)} now."
    return f"{name}: {_value(old)} → {_value(new)}."


def _level(old: object, new: object) -> str:
    meant = {
        "hard": "nothing lifts it",
        "soft": "an approved Exception can lift it",
        "advisory": "it is recorded only",
    }
    return f"Was {old}; is {new} now: {meant[str(new)]}."


_NOTHING: Final[tuple[object, ...]] = (None, "", {}, [])
_KNOWN: Final[Mapping[str, Callable[[object, object], str]]] = {
    "effect": lambda old, new: f"Was a {old}; is a {new} now.",
    "level": _level,
}


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        said = {key: part for key, part in value.items() if part not in _NOTHING}
        return ", ".join(f"{_label('', key)} {_value(part)}" for key, part in said.items())
    if isinstance(value, list):
        return "; ".join(_value(part) for part in value) or "nothing"
    return str(value)


def _label(above: str, key: str) -> str:
    own = _LABELS.get(key, _CAMEL.sub(" ", key).lower())
    return f"{above}, {own}" if above and own else above or own


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _and(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _metadata(was: Spec, now: Spec) -> Iterator[str]:
    for key in ("owner", "description", "labels"):
        if was.get(key) != now.get(key):
            yield f"{_upper(key)}: {_value(was.get(key) or 'none')} → {_value(now.get(key) or 'none')}"


def _permission(spec: Spec, _: str) -> str:
    verb = "Permits" if spec["effect"] == "permit" else "Forbids"
    what = {"call": "a call", "model": "a model", "tool": "a tool", "data": "data"}[spec["on"]]
    level = f" ({spec['level']})" if spec["effect"] == "forbid" else ""
    when = "always" if spec["when"] == "true" else f"when {spec['when']}"
    return f"{verb} {what}{level} {when}."


def _to(spec: Spec) -> str:
    """The queue that an exhausted budget sends calls to."""
    return f" to {spec['escalateTo']}" if spec.get("escalateTo") else ""


def _budget(spec: Spec, currency: str) -> str:
    kind = "At most" if spec["hard"] else "A mark at"
    return f"{kind} {money(spec['limit'], currency)} a {spec['period']}; when exhausted: {spec['onExhausted']}{_to(spec)}."


def _grant(spec: Spec, _: str) -> str:
    return f"{spec['member']} holds {_and([str(role) for role in spec['roles']])}."


def _model(spec: Spec, _: str) -> str:
    seen = ", ".join(spec["clearance"]) or "no data class"
    return f"A {spec['tier']} model at {spec['provider']}, cleared for {seen}; {spec['lifecycle']['state']}."


def _tenant(spec: Spec, _: str) -> str:
    return f"A tenant with the teams {', '.join(spec['teams']) or 'none yet'}."


def _use_case(spec: Spec, _: str) -> str:
    return f"{_upper(spec['riskClass'])} risk, owned by {spec['owner']}: {spec['purpose']}."


def _route(spec: Spec, _: str) -> str:
    return f"A route for {spec['useCase']}, strategy {spec['strategy']['type']}."


def _organisation(spec: Spec, _: str) -> str:
    return f"The organisation, in {spec['mode']} mode."


_DESCRIBED: Final[Mapping[str, Callable[[Spec, str], str]]] = {
    "Permission": _permission,
    "Budget": _budget,
    "RoleGrant": _grant,
    "Model": _model,
    "Tenant": _tenant,
    "UseCase": _use_case,
    "Route": _route,
    "Organisation": _organisation,
}


def _describe(kind: str, spec: Spec, currency: str) -> str:
    known = _DESCRIBED.get(kind)
    if known is not None:
        return known(spec, currency)
    return f"{_upper(_value(spec))}."


def _touches(identity: Identity, spec: Spec) -> str:
    kind, tenant, name = identity
    if kind == "RoleGrant":
        place = f"tenant {tenant}" if tenant else "the whole organisation"
        return f"What {spec.get('member', name)} may do in {place}"
    if kind == "Tenant":
        return f"Everybody of tenant {name}"
    scope = spec.get("scope")
    if isinstance(scope, Mapping) and any(part not in _NOTHING for part in scope.values()):
        return f"Calls of {_value(scope)}"
    if kind == "Route":
        return f"Calls that ask for {name}{f' in tenant {tenant}' if tenant else ''}"
    return f"Calls of tenant {tenant}" if tenant else "Calls of every tenant"
