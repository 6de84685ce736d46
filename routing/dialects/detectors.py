"""What the obligation `redact` finds in a text: a closed set of detectors, each a pattern with a check. Pure, linear-time.

| name | what it is |
| --- | --- |
| `card` | 13 to 19 digits from 2 to 6 on, in groups or not, that pass Luhn's check |
| `iban` | a country, two check digits and an account of that country's length, in groups or not, that pass modulo 97 |
| `email` | an address with a domain and a top-level domain |
| `phone` | a number with its country code: `+` or `00`, then 8 to 15 digits |

A match stands alone: no letter, digit or `_` touches it. Digits are ASCII. What a text spreads over several places is not found.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

RULES: Final = 1
"""Changes when any text would be redacted differently; it stands in the entry of each attempt."""

Span = tuple[int, int]
_GAP: Final = " \u00a0\u202f-"
_RUN: Final = re.compile(rf"(?<![0-9A-Za-z_])[0-9](?:[{_GAP}]?[0-9]){{12,}}(?![0-9A-Za-z_])")
_GROUP: Final = re.compile("[0-9]+")
_IBAN: Final = re.compile(r"(?<![0-9A-Za-z_])([A-Za-z]{2})[0-9]{2}")
_DOMAIN: Final = re.compile(
    r"@(?:[^\W_](?:[\w-]{0,62})\.){1,8}(?:xn--[A-Za-z0-9-]{1,59}|[^\W\d_]{2,24})(?![\w])"
)
_PHONE: Final = re.compile(
    rf"(?<![0-9A-Za-z_+])(?:\+|00)(?:[./(){_GAP}]{{0,2}}[0-9]){{8,15}}(?![0-9A-Za-z_])"
)
_BESIDE: Final = frozenset(".!#$%&'*+/=?^_`{|}~-")
_COUNTRIES: Final[Mapping[str, int]] = {
    country: int(length)
    for length, countries in (
        line.split(":")
        for line in """15:NO|16:BE|18:DK FO FI GL NL SD|19:MK SI|20:AT BA EE KZ LT LU MN XK|21:CH HR LI LV
22:BG BH CR DE GB GE IE ME RS VA|23:AE GI IL IQ OM SO TL|24:AD CZ ES MD PK RO SA SE SK TN VG|25:LY PT ST
26:IS TR|27:BI DJ FR GR IT MC MR SM|28:AL AZ BY CY DO GT HU LB NI PL SV|29:BR EG PS QA UA|30:JO KW MU YE
31:MT SC|32:LC|33:RU""".replace("\n", "|").split("|")
    )
    for country in countries.split()
}


def redacted(text: str, names: Collection[str]) -> tuple[str, Counter[str]]:
    """The text with a typed placeholder (`[card]`) in each match's place, and how many there were of each."""
    counts: Counter[str] = Counter()
    for name, find in DETECTORS.items():
        if name not in names:
            continue
        out: list[str] = []
        at = 0
        for start, end in find(text):
            out += (text[at:start], f"[{name}]")
            at = end
            counts[name] += 1
        if out:
            text = "".join((*out, text[at:]))
    return text, counts


def is_card(digits: str) -> bool:
    """Whether digits alone are a card's number."""
    return 13 <= len(digits) <= 19 and digits[0] in "23456" and _luhn(digits)


def _cards(text: str) -> Iterator[Span]:
    for run in _RUN.finditer(text):
        groups = [group.span() for group in _GROUP.finditer(text, *run.span())]
        first = 0
        while first < len(groups):
            last = _card_from(text, groups, first)
            if last is not None:
                yield groups[first][0], groups[last][1]
                first = last
            first += 1


def _card_from(text: str, groups: list[Span], first: int) -> int | None:
    """The last group of the longest card that begins with a group."""
    digits, found = "", None
    for last in range(first, len(groups)):
        digits += text[slice(*groups[last])]
        if len(digits) > 19 or digits[0] not in "23456":
            break
        found = last if is_card(digits) else found
    return found


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _ibans(text: str) -> Iterator[Span]:
    at = 0
    for found in _IBAN.finditer(text):
        length = _COUNTRIES.get(found[1].upper())
        if length is None or found.start() < at:
            continue
        end = _end_of(text, found.start(), length)
        if end is not None:
            at = end
            yield found.start(), end


def _end_of(text: str, start: int, length: int) -> int | None:
    """Where an IBAN of so many characters ends; None where there is none."""
    said, at = "", start
    while len(said) < length:
        if said and text[at : at + 1] in _GAP and text[at : at + 1]:
            at += 1
        character = text[at : at + 1]
        if not (character.isascii() and character.isalnum()):
            return None
        said += character.upper()
        at += 1
    after = text[at : at + 1]
    if after == "_" or (after.isascii() and after.isalnum()):
        return None
    whole = "".join(str(int(c, 36)) for c in said[4:] + said[:4])
    return at if int(whole) % 97 == 1 else None


def _emails(text: str) -> Iterator[Span]:
    at, sign = 0, text.find("@")
    while sign >= 0:
        start = sign
        while start > at and (text[start - 1].isalnum() or text[start - 1] in _BESIDE):
            start -= 1
        domain = _DOMAIN.match(text, sign)
        if domain is not None and start < sign:
            at = domain.end()
            yield start, at
        at = max(at, sign + 1)
        sign = text.find("@", at)


def _phones(text: str) -> Iterator[Span]:
    return (found.span() for found in _PHONE.finditer(text))


DETECTORS: Final[Mapping[str, Callable[[str], Iterator[Span]]]] = {
    "iban": _ibans,
    "card": _cards,
    "email": _emails,
    "phone": _phones,
}
"""In the order they are asked: an account's digits are never read as a card's."""
