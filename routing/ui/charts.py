"""Charts as numbers for SVG: no script, no inline style, printable. A table with the same figures stands beside each."""

from dataclasses import dataclass
from datetime import date

from audit.ui.words import money
from controlplane.kernel.money import NANO
from routing.reports.spans import GRAINS
from routing.reports.spend import Daily

_STEPS = (1, 2, 5)
LINES = 4
_HALF_LABEL = 20


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal line and its label."""

    y: float
    text_y: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One provider's part of one day; `serie` counts from 1 in the order of the legend."""

    serie: int
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Label:
    """A day's name under its bar."""

    x: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """One viewBox: the wide one for desks, the narrow one for phones."""

    name: str
    width: int
    height: int
    left: int
    grid: tuple[Rule, ...]
    bars: tuple[Bar, ...]
    labels: tuple[Label, ...]

    @property
    def label_x(self) -> int:
        """Where amounts end."""
        return self.left - 8

    @property
    def label_y(self) -> int:
        """Where days stand."""
        return self.height - 4


@dataclass(frozen=True, slots=True)
class Serie:
    """A line of the legend."""

    name: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """One day of the table."""

    day: str
    cells: tuple[str, ...]
    total: str


@dataclass(frozen=True, slots=True)
class SpendChart:
    """Daily spend, drawn twice and told once."""

    series: tuple[Serie, ...]
    drawings: tuple[Drawing, ...]
    rows: tuple[TableRow, ...]
    summary: str
    step: str = "Day"


@dataclass(frozen=True, slots=True)
class _Shape:
    name: str
    width: int
    height: int
    left: int
    every: int


_WIDTH = 720
_NARROW = _Shape("chart-narrow", 340, 210, 58, 10)


def spend_chart(found: Daily, currency: str, width: int = _WIDTH) -> SpendChart:
    """The chart of daily spend; `width` is that of its card on a desk, so that letters keep their size."""
    shapes = (_Shape("chart-wide", width, 250, 62, 7), _NARROW)
    top = round_top(max((found.total(day) for day in found.days), default=0))
    total = sum(found.total(day) for day in found.days)
    return SpendChart(
        series=tuple(Serie(name) for name in found.providers),
        drawings=tuple(_draw(found, currency, top, shape) for shape in shapes),
        rows=tuple(_row(found, currency, day) for day in found.days),
        summary=f"{_heading(found)}, {money(total, currency)} in all; the table below has the figures",
        step=GRAINS[found.grain].capitalize(),
    )


def _heading(found: Daily) -> str:
    steps = f"{len(found.days)} {GRAINS[found.grain]}{'' if len(found.days) == 1 else 's'}"
    return f"Daily spend, {steps}" if found.grain == "day" else f"Spend, {steps}"


def step_name(first: date, grain: str) -> str:
    """A step by its first day: `2 Nov`, `Nov 2026`, `Q4 2026`, `2026`, `FY from 1 Apr 2026`."""
    match grain:
        case "month":
            return f"{first:%b %Y}"
        case "quarter":
            return f"Q{(first.month + 2) // 3} {first.year}"
        case "year":
            return str(first.year)
        case "fiscal-year":
            return f"FY from {first.day} {first:%b %Y}"
        case _:
            return f"{first.day} {first:%b}"


def _draw(found: Daily, currency: str, top: int, shape: _Shape) -> Drawing:
    floor, ceiling = shape.height - 24, 10
    slot = (shape.width - shape.left) / max(1, len(found.days))
    width = round(min(slot * 0.72, 34), 1)
    bars: list[Bar] = []
    labels: list[Label] = []
    for number, day in enumerate(found.days):
        x = round(shape.left + slot * number + (slot - width) / 2, 1)
        bars += _stack(found, currency, day, _Box(x, width, floor, (floor - ceiling) / top))
        if _is_named(number, len(found.days), shape.every):
            labels.append(_label(found, day, x + width / 2, shape.width))
    grid = tuple(
        rule(top * n // LINES, currency, top, round(floor - (floor - ceiling) * n / LINES, 1))
        for n in range(LINES + 1)
    )
    return Drawing(
        shape.name, shape.width, shape.height, shape.left, grid, tuple(bars), tuple(labels)
    )


def _label(found: Daily, day: date, x: float, end: int) -> Label:
    """A day under its bar; near the right edge it ends there."""
    name = step_name(day, found.grain)
    return Label(end, name, "end") if x + _HALF_LABEL > end else Label(round(x, 1), name, "middle")


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    width: float
    floor: float
    scale: float


def _stack(found: Daily, currency: str, day: date, box: _Box) -> list[Bar]:
    bars, y = [], box.floor
    for serie, provider in enumerate(found.providers, 1):
        amount = found.nano.get((day, provider), 0)
        if not amount:
            continue
        height = max(1.0, round(amount * box.scale, 1))
        y = round(y - height, 1)
        title = f"{step_name(day, found.grain)}, {provider}: {money(amount, currency)}"
        bars.append(Bar(serie, box.x, y, box.width, height, title))
    return bars


def _is_named(number: int, days: int, every: int) -> bool:
    last = number == days - 1
    return last or (number % every == 0 and days - 1 - number >= every // 2)


def rule(amount: int, currency: str, top: int, y: float) -> Rule:
    """A line of the grid; where all are whole amounts, without places."""
    whole = money(amount, currency)
    if top >= LINES * NANO and whole.endswith(".00"):
        whole = whole[:-3]
    return Rule(y, round(y + 4, 1), whole)


def round_top(amount: int) -> int:
    """The least 1, 2 or 5 times a power of ten at or above the amount, so that a quarter of it reads well."""
    power = 1000
    while True:
        for step in _STEPS:
            if step * power * LINES >= amount:
                return step * power * LINES
        power *= 10


def _step_in_table(day: date, grain: str) -> str:
    if grain == "week":
        return f"from Mon {day.day} {day:%b %Y}"
    return f"{day:%a} {step_name(day, grain)}" if grain == "day" else step_name(day, grain)


def _row(found: Daily, currency: str, day: date) -> TableRow:
    return TableRow(
        day=_step_in_table(day, found.grain),
        cells=tuple(money(found.nano.get((day, p), 0), currency) for p in found.providers),
        total=money(found.total(day), currency),
    )
