"""Labels that documents require of every call: what is given where the caller sent none, and what is lacking.

PURE. A label comes from the caller, else from the API key, else from the default of the use case, of the tenant, or of the
organisation, the first of them that has one. What the three require adds up: none of them lifts what another requires, so
that a use case may ask for more than finance's keys of cost and never for less. What the caller did not send is named in the
facts (`labels_given`), so that facts recorded under one bundle can be decided under another: what the first gave is taken
away before the second gives its own.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from policies.engine.facts import KeyFacts, RequestFacts

RULE: Final = "required-label"
_SHOWN_VALUES: Final = 8
_SHOWN_CHARACTERS: Final = 80


class RequiredLabel(NamedTuple):
    """One label that calls must have: one of `values` (none: any but an empty one); `default` is given to who sends none."""

    name: str
    values: tuple[str, ...]
    default: str


def required_labels(spec: Mapping[str, Any]) -> tuple[RequiredLabel, ...]:
    """What one document requires, in its order."""
    return tuple(
        RequiredLabel(one["name"], tuple(one["values"]), one["default"] or "")
        for one in spec["requiredLabels"]
    )


def as_sent(asked: RequestFacts) -> RequestFacts:
    """The facts of a request without what was given."""
    if asked.labels_given is msgspec.UNSET:
        return asked
    sent = {name: value for name, value in asked.labels.items() if name not in asked.labels_given}
    return msgspec.structs.replace(asked, labels=sent, labels_given=msgspec.UNSET)


def completed(
    asked: RequestFacts, key: KeyFacts, required: Iterable[RequiredLabel]
) -> RequestFacts:
    """The facts of a request with what these requirements give it, and nothing that others gave.

    Of two defaults the first in `required` counts. Completed again under the same requirements it stays as it is.
    """
    sent = as_sent(asked)
    given: dict[str, str] = {}
    for one in required:
        value = key.labels.get(one.name) or one.default
        if value and one.name not in sent.labels and one.name not in given:
            given[one.name] = value
    if not given:
        return sent
    return msgspec.structs.replace(
        sent, labels=sent.labels | given, labels_given=tuple(sorted(given))
    )


def lacking(asked: RequestFacts, required: Iterable[RequiredLabel]) -> Iterator[str]:
    """In words for the caller: each label that is missing or has a value that is not allowed. Of completed facts."""
    told: set[str] = set()
    for one in required:
        value = asked.labels.get(one.name, "")
        if one.name in told or (value and value in (one.values or (value,))):
            continue
        told.add(one.name)
        if value:
            shown = value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}…"
            yield f'the label "{one.name}" is "{shown}"; allowed: {_listed(one.values)}'
        else:
            allowed = f"; allowed: {_listed(one.values)}" if one.values else ""
            yield f'the label "{one.name}" is required: send it as metadata.{one.name} or in x-mandate-labels{allowed}'


def _listed(values: tuple[str, ...]) -> str:
    more = ["…"] if len(values) > _SHOWN_VALUES else []
    return ", ".join([*values[:_SHOWN_VALUES], *more])
