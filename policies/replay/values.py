"""PURE: what a replay is given, what it finds in one call, and the sums it keeps; all of it goes through pipes."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from policies.engine.reads import Reads

Kind = Literal["denied", "held", "permitted", "rerouted", "altered", "undecidable", "unchanged"]
DENIED: Final = "denied"
HELD: Final = "held"
PERMITTED: Final = "permitted"
REROUTED: Final = "rerouted"
ALTERED: Final = "altered"
UNDECIDABLE: Final = "undecidable"
UNCHANGED: Final = "unchanged"
CHANGES: Final[tuple[Kind, ...]] = (DENIED, HELD, PERMITTED, REROUTED, ALTERED)
SHOWN: Final[tuple[Kind, ...]] = (*CHANGES, UNDECIDABLE)
"""The kinds of which samples are kept."""
SAMPLES: Final = 20
"""Samples kept of each kind in each tenant."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """The base of what goes through a pipe."""


class Attempted(Row, frozen=True):
    """What one attempt of a call used: `model` is `name` or `tenant/name`; the three inputs do not overlap."""

    model: str
    input: int
    cached_input: int
    cache_write: int
    output: int
    service_tier: str = ""


class Answer(Row, frozen=True):
    """One answer that was weighed: its number among the call's records, and its facts."""

    no: int
    facts: bytes


class Given(Row, frozen=True):
    """One call: the facts on which it was last decided, under which revision, its weighed answers and what it used.

    `reads` is the place in the batch's list of what that revision's rules read; -1 where nobody knows any more.
    """

    call: bytes
    revision: int
    tenant: str
    facts: bytes
    reads: int
    records: int
    answers: tuple[Answer, ...] = ()
    attempts: tuple[Attempted, ...] = ()


class Read(Row, frozen=True):
    """`policies.engine.reads.Reads`, for the pipe."""

    labels: tuple[str, ...]
    tools: tuple[str, ...]
    every_label: bool
    every_tool: bool

    @classmethod
    def of(cls, reads: Reads) -> "Read":
        """The same as a row."""
        return cls(
            tuple(sorted(reads.labels)),
            tuple(sorted(reads.tools)),
            reads.every_label,
            reads.every_tool,
        )

    @property
    def reads(self) -> Reads:
        """The same as the engine has it."""
        return Reads(
            frozenset(self.labels), frozenset(self.tools), self.every_label, self.every_tool
        )


class Batch(Row, frozen=True):
    """Calls in the order of their ids."""

    reads: tuple[Read, ...]
    calls: tuple[Given, ...]


class Stored(Row, frozen=True):
    """A bundle's own bytes."""

    revision: int
    text: bytes
    checked: bytes


class Setup(Row, frozen=True):
    """What is compared: two bundles; `away` are models (`name` or `tenant/name`) that the second has lost."""

    base: Stored
    draft: Stored
    away: tuple[str, ...] = ()


class Sample(Row, frozen=True):
    """One call that would be different, in words without content. `cost_nano` is the difference; None: nobody can say."""

    call: bytes
    tenant: str
    team: str
    route: str
    kind: Kind
    before: str
    after: str
    rule: str
    cost_nano: int | None


class Counts(msgspec.Struct):
    """Sums over the calls of one tenant.

    `unknown`: of those that are no longer answered by the same model, or not yet, how many have rules about the answer.
    `bounded`: how many of the cost's parts are bounds, since nothing was used. `fields` says why calls are undecidable,
    `served` which model would be asked first, `blocked` which rules deny what is denied anew.
    """

    calls: int = 0
    records: int = 0
    unchanged: int = 0
    denied: int = 0
    held: int = 0
    permitted: int = 0
    rerouted: int = 0
    altered: int = 0
    undecidable: int = 0
    unknown: int = 0
    served_before: int = 0
    served_after: int = 0
    cost_before_nano: int = 0
    cost_nano: int = 0
    bounded: int = 0
    fields: dict[str, int] = {}
    served: dict[str, int] = {}
    blocked: dict[str, int] = {}

    @property
    def changed(self) -> int:
        """How many would be different."""
        return self.denied + self.held + self.permitted + self.rerouted + self.altered

    def add(self, other: "Counts") -> None:
        """Add another's sums."""
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in TABLES:
            table: dict[str, int] = getattr(self, name)
            for key, number in getattr(other, name).items():
                table[key] = table.get(key, 0) + number


TABLES: Final = ("fields", "served", "blocked")
NUMBERS: Final = tuple(f.name for f in msgspec.structs.fields(Counts) if f.name not in TABLES)


class Tally(msgspec.Struct):
    """What a replay has found so far: sums for each tenant, and some samples of each kind in each."""

    tenants: dict[str, Counts] = {}
    samples: list[Sample] = []

    def of(self, tenant: str) -> Counts:
        """The sums of one tenant."""
        return self.tenants.setdefault(tenant, Counts())

    def keep(self, found: Iterable[Sample]) -> None:
        """Keep samples while there is room: the oldest calls come first, so twice the same gives the same."""
        kept: dict[tuple[str, str], int] = {}
        for one in self.samples:
            kept[one.tenant, one.kind] = kept.get((one.tenant, one.kind), 0) + 1
        for one in found:
            number = kept.get((one.tenant, one.kind), 0)
            if number < SAMPLES:
                kept[one.tenant, one.kind] = number + 1
                self.samples.append(one)

    def add(self, other: "Tally") -> None:
        """Add what was found in later calls."""
        for tenant, counts in other.tenants.items():
            self.of(tenant).add(counts)
        self.keep(other.samples)

    @property
    def whole(self) -> Counts:
        """The sums of all tenants."""
        found = Counts()
        for counts in self.tenants.values():
            found.add(counts)
        return found


class Looked(Row, frozen=True):
    """What came of a batch: its tally, and the places of calls that need what their answers said."""

    tally: Tally
    open: tuple[int, ...] = ()


def shown(counts: Counts) -> dict[str, Any]:
    """Sums as canonical JSON has them: money is text."""
    found: dict[str, Any] = {
        _camel(name): getattr(counts, name) for name in NUMBERS if not name.endswith("_nano")
    }
    found["costBeforeNano"], found["costNano"] = str(counts.cost_before_nano), str(counts.cost_nano)
    found |= {name: dict(getattr(counts, name)) for name in TABLES}
    return found


def counts_of(said: Mapping[str, Any]) -> Counts:
    """The reverse of `shown`."""
    found = Counts(cost_before_nano=int(said["costBeforeNano"]), cost_nano=int(said["costNano"]))
    for name in NUMBERS:
        if not name.endswith("_nano"):
            setattr(found, name, said[_camel(name)])
    for name in TABLES:
        setattr(found, name, dict(said[name]))
    return found


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
