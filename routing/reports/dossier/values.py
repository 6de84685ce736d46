"""PURE: what a dossier says, and the same as plain JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from typing import Any

from controlplane.kernel.clock import to_text
from controlplane.kernel.money import format_nano
from policies.bundles.published import Governed


@dataclass(frozen=True, slots=True)
class Head:
    """The use case as its document says it, and the period: days that count, in the organisation's time zone."""

    name: str
    tenant: str
    owner: str
    purpose: str
    risk_class: str
    data_classes: Sequence[str]
    review_on: str
    validation: Mapping[str, Any]
    routes: Sequence[str]
    first: date
    last: date
    revision: int
    digest: str
    mode: str
    currency: str


@dataclass(frozen=True, slots=True)
class Approved:
    """One approval that stood when it was published."""

    by: str
    at: datetime
    roles: Sequence[str]
    replay: str
    flagged: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """One revision of the period that touched what governs the use case. `change` is its change request, if it had one."""

    revision: int
    at: datetime
    by: str
    flagged: bool
    documents: Sequence[str]
    change: str = ""
    title: str = ""
    reason: str = ""
    author: str = ""
    approvals: Sequence[Approved] = ()

    @property
    def agreed(self) -> bool:
        """Whether somebody else than its author approved it, which single-operator mode does not ask for."""
        return bool(self.author) and any(one.by != self.author for one in self.approvals)


@dataclass(frozen=True, slots=True)
class Override:
    """Something that went past the usual way: `what` says which, `note` what a second person (`noted_by`) said of it."""

    what: str
    name: str
    at: str
    by: str
    reason: str
    note: str = ""
    noted_by: str = ""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The cases of one outcome ("" while they wait): how many, how many after they were due, and how long they took."""

    outcome: str
    stage: str
    cases: int
    late: int
    mean_seconds: int | None
    longest_seconds: int | None


@dataclass(frozen=True, slots=True)
class Reviewer:
    """What one person decided."""

    by: str
    decisions: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Tested:
    """One PolicyTest about the use case, run over the bundle of the last day."""

    name: str
    passed: bool
    misses: Sequence[str]


@dataclass(frozen=True, slots=True)
class Tests:
    """All of them, and the rules that no test of the bundle decides; `beyond` look at answers, which no test has."""

    results: Sequence[Tested]
    rules: int
    uncovered: Sequence[str]
    beyond: Sequence[str]


@dataclass(frozen=True, slots=True)
class Halt:
    """A stop that was on in the period and touched the use case."""

    scope: str
    reason: str
    by: str
    set_at: datetime
    lifted_at: datetime | None
    lifted_by: str


@dataclass(frozen=True, slots=True)
class Used:
    """What one model did."""

    model: str
    calls: int
    attempts: int
    unknown: int
    tokens_input: int
    tokens_output: int
    cost_nano: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Calls by state and denials by their code, of the period."""

    calls: int
    states: Mapping[str, int]
    denials: Mapping[str, int]
    models: Sequence[Used]
    cost_nano: int


@dataclass(frozen=True, slots=True)
class Log:
    """What the log says of itself: its first entry, failed checks of the period, and when all of it last held."""

    first_at: datetime | None
    failed_checks: Sequence[datetime]
    whole_held_at: datetime | None
    size: int


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything, in the order in which it is read."""

    head: Head
    governing: Sequence[Mapping[str, str]]
    changes: Sequence[Changed]
    overrides: Sequence[Override]
    reviews: Sequence[Reviewed]
    reviewers: Sequence[Reviewer]
    tests: Tests
    stops: Sequence[Halt]
    figures: Figures
    log: Log
    gaps: Sequence[str] = ()

    @property
    def cases(self) -> int:
        """All review cases."""
        return sum(row.cases for row in self.reviews)

    @property
    def late(self) -> int:
        """Those decided, or still waiting, after they were due."""
        return sum(row.late for row in self.reviews)


@dataclass(frozen=True, slots=True)
class Supposed:
    """What gaps are found in besides the dossier: documents in force at its end."""

    holds: Sequence[str]
    escalations: Sequence[Governed]
    budgets: Sequence[Governed]
    today: date


def plain(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """As JSON: camelCase, moments in UTC, money as exact decimals."""
    if is_dataclass(value) and not isinstance(value, type):
        return dict(_member(f.name, getattr(value, f.name)) for f in fields(value))
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def _member(name: str, value: Any) -> tuple[str, Any]:  # noqa: ANN401 - JSON of any shape
    words = name.removesuffix("_nano").split("_")
    key = words[0] + "".join(word.title() for word in words[1:])
    return key, format_nano(value) if name.endswith("_nano") else plain(value)
