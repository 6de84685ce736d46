"""Organisation, Tenant, RoleGrant: who is accountable, and what people may do."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Final

import yaml

from controlplane.kernel.principal import ROLES
from policies.documents.fields import Choice, Field, Flag, Money, Whole, Words
from policies.documents.groups import Group, ListOf, MapOf, ReadList
from policies.documents.kind import Kind, Told, day, email, name
from policies.documents.reading import Json, Reading

CURRENCY: Final = "[A-Z]{3}"
_ZONES: Final = frozenset((files("tzdata") / "zones").read_text(encoding="utf-8").split())
"""Those of the pinned package alone: a machine may know others, and the engine reads none of its files."""
UNKNOWN_HOURS: Final = 72
CONTENT_DAYS: Final = (7, 3650)
ENTRIES_MONTHS: Final = (6, 240)
"""The least that articles 19 and 26 of the EU AI Act ask for, and PostgreSQL's own floor (`drop_month`)."""
END_USER: Final = "user_id"
"""What Anthropic's clients send in `metadata` beside labels."""
DATA_CLASSES: Final = ("public", "internal", "personal", "health", "secret")


class Zone(Words):
    """An IANA time zone."""

    words = "a time zone like Europe/Berlin"

    def accepts(self, value: str) -> bool:
        """Whether the zone is known."""
        return value in _ZONES


class MonthDay(Words):
    """A day that every year has, `04-01`."""

    def __init__(self, *, default: Json = None) -> None:
        long, short, february = (
            "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])",
            "(0[469]|11)-(0[1-9]|[12][0-9]|30)",
            "02-(0[1-9]|1[0-9]|2[0-8])",
        )
        super().__init__(
            f"{long}|{short}|{february}", "a day of the year like 04-01", default=default
        )


class Rates(Field):
    """`{from: 2026-11-01, USD: "0.92"}`: from that day on, one unit of the named currency is worth so much of ours."""

    words = "a day and rates by currency"

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The day and the rates: every key but `from` is a currency."""
        fields: dict[str, Field] = {"from": day(required=True)}
        if isinstance(node, yaml.MappingNode):
            keys = [k.value for k, _ in node.value if isinstance(k, yaml.ScalarNode)]
            rate = Words(r"[0-9]{1,9}(\.[0-9]{1,9})?", 'a rate in quotes like "0.92"')
            fields |= {k: rate for k in keys if Words(CURRENCY).accepts(k)}
        return Group(fields).read(node, path, to)

    def schema(self) -> dict[str, Json]:
        """An object with one day and rates."""
        rate = {"type": "string"}
        return {
            "type": "object",
            "properties": {"from": {"type": "string"}},
            "additionalProperties": rate,
        }


def required_labels() -> ListOf:
    """Labels that calls must have: refused without one, or given the default."""
    value = "a label's value of at most 512 characters"
    one = {
        "name": name(required=True),
        "values": ListOf(Words(r"[^\x00]{1,512}", value), unique=True),
        "default": Words(r"[^\x00]{1,512}", value),
    }
    return ListOf(Group(one))


class Organisation(Kind):
    """The one installation: its money, time, data classes, and how it changes its own rules."""

    kind = "Organisation"
    tenanted = False
    fields = {
        "currency": Words(CURRENCY, "a currency like EUR", required=True),
        "timeZone": Zone(default="UTC"),
        "fiscalYearStartsOn": MonthDay(default="01-01"),
        "exchangeRates": ListOf(Rates()),
        "reviewerHourlyRate": Money(),
        "mode": Choice("single-operator", "four-eyes", default="four-eyes"),
        "dataClasses": ReadList(name(), 1, unique=True, default=list(DATA_CLASSES)),
        "approvals": MapOf(
            Group(
                {
                    "count": Whole(0, 20, default=1),
                    "roles": ListOf(Choice(*ROLES), default=["approver"]),
                }
            )
        ),
        "replay": Group({"days": Whole(0, 366, default=7), "required": Flag(default=True)}),
        "breakGlass": Group({"roles": ListOf(Choice(*ROLES), default=["admin"])}),
        "unknownHours": Whole(1, 720, default=UNKNOWN_HOURS),
        "requiredLabels": required_labels(),
        "retention": Group(
            {
                "contentDays": Whole(*CONTENT_DAYS, default=365),
                "entriesMonths": Whole(*ENTRIES_MONTHS, default=24),
            }
        ),
        "anomalies": Group(
            {
                "above": Money(),
                "aboveNew": Money(),
                "deviations": Whole(1, 1_000),
                "times": Whole(1, 1_000),
            },
            absent=True,
        ),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Rates are dated once each, and positive."""
        seen = set()
        for index, rates in enumerate(spec.get("exchangeRates", [])):
            if rates["from"] in seen:
                yield (
                    f"exchangeRates[{index}].from",
                    f'rates from "{rates["from"]}" are written twice',
                )
            seen.add(rates["from"])
            for currency, rate in rates.items():
                if currency != "from" and not rate.strip("0."):
                    yield f"exchangeRates[{index}].{currency}", "a rate must be above zero"
        yield from required_once(spec)

    @classmethod
    def not_yet(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Another time than ours after which an unknown attempt is posted."""
        if spec.get("unknownHours", UNKNOWN_HOURS) != UNKNOWN_HOURS:
            yield "unknownHours", f"unknownHours other than {UNKNOWN_HOURS}"


class Tenant(Kind):
    """Who pays: a part of the organisation with its teams."""

    kind = "Tenant"
    tenanted = False
    fields = {
        "displayName": Words(".{1,200}", "text of one line"),
        "region": name(),
        "costCentre": Words(".{1,100}", "text of one line"),
        "timeZone": Zone(),
        "fiscalYearStartsOn": MonthDay(),
        "teams": ListOf(name(), unique=True),
        "requiredLabels": required_labels(),
        "retention": Group(
            {"contentDays": Whole(*CONTENT_DAYS), "entriesMonths": Whole(*ENTRIES_MONTHS)},
            absent=True,
        ),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Each required label once, with a default that is one of its values."""
        yield from required_once(spec)


def required_once(spec: Mapping[str, Json]) -> Iterator[Told]:
    """What is wrong with the labels that a document requires."""
    seen = set()
    for index, one in enumerate(spec.get("requiredLabels", [])):
        at, default, values = f"requiredLabels[{index}]", one.get("default"), one.get("values")
        if one["name"] in seen:
            yield f"{at}.name", f'the label "{one["name"]}" is written twice'
        seen.add(one["name"])
        if one["name"] == END_USER:
            yield f"{at}.name", f'"{END_USER}" names the end user, it is no label'
        if default is not None and values and default not in values:
            yield f"{at}.default", f'"{default}" is none of its values'


class RoleGrant(Kind):
    """The roles of one person, in `metadata.tenant` or in the whole organisation."""

    kind = "RoleGrant"
    fields = {
        "member": email(required=True),
        "roles": ListOf(Choice(*ROLES), 1, unique=True, required=True),
    }
