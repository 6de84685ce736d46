"""What may be told of a condition that failed over content: the kind of error, in words of our own. Pure.

The bytes of a decision hold the error as it was, and stay as they are; only their digest is stored in the clear.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from policies.engine.decision import RuleRef
from policies.engine.weigh import Weighed

_QUOTING: Final = [
    (re.compile(said, re.DOTALL), told)
    for said, told in (
        ('no such key: ".*"', "no such key"),
        ('".*" is not a timestamp', "not a timestamp"),
        ('".*" is not a duration', "not a duration"),
        ('".*" is not a time zone', "not a time zone"),
        ("not a regular expression: .*", "not a regular expression"),
        ('.*".*', "the condition failed"),
    )
]
"""Errors that quote what was read; the last is for any that is not known here."""


def unquoted(refs: Iterable[RuleRef]) -> tuple[RuleRef, ...]:
    """The same rules and lines, without a word that a condition read."""
    # INVARIANT: an error over an answer or a tool's arguments is told in words of our own
    return tuple(msgspec.structs.replace(ref, error=_own_words(ref.error)) for ref in refs)


def without_quotes(weighed: Weighed) -> Weighed:
    """The same, and its digest, without a word that a condition read."""
    hold = weighed.hold
    return msgspec.structs.replace(
        weighed,
        determining=unquoted(weighed.determining),
        errors=unquoted(weighed.errors),
        advisories=unquoted(weighed.advisories),
        hold=hold and msgspec.structs.replace(hold, rules=unquoted(hold.rules)),
    )


def _own_words(error: str) -> str:
    return next((told for said, told in _QUOTING if said.fullmatch(error)), error)
