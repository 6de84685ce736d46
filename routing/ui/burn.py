"""One budget's period as numbers for SVG: spent so far, the limit, the forecast and its range; and the same as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from audit.ui.words import money
from routing.forecasts.method import Forecast, days_between
from routing.ui.charts import LINES, Rule, round_top, rule

_ROOM = 1.08
_WIDTHS = (("chart-wide", 760, 250, 62), ("chart-narrow", 340, 210, 58))


@dataclass(frozen=True, slots=True)
class Period:
    """What is drawn. `spent` is the sum at the end of each day up to today, `ahead` from today on; money in nano units."""

    starts: date
    ends: date
    spent: Sequence[tuple[date, int]]
    ahead: Sequence[tuple[date, int]]
    said: Forecast
    limit_nano: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """One viewBox. Points are as SVG wants them."""

    name: str
    width: int
    height: int
    left: int
    grid: tuple[Rule, ...]
    area: str
    spent: str
    cone: str
    ahead: str
    limit_y: float
    limit_text_y: float
    first: str
    last: str

    @property
    def label_x(self) -> int:
        """Where amounts end."""
        return self.left - 8

    @property
    def label_y(self) -> int:
        """Where days stand."""
        return self.height - 4


@dataclass(frozen=True, slots=True)
class Row:
    """One day of the table."""

    day: str
    spent: str
    sum: str
    forecast: bool


@dataclass(frozen=True, slots=True)
class BurnChart:
    """The period, drawn twice and told once."""

    drawings: tuple[Drawing, ...]
    rows: tuple[Row, ...]
    limit: str
    summary: str


def burn_chart(period: Period, currency: str) -> BurnChart:
    """The chart of one window."""
    shapes = tuple(_draw(period, currency, shape) for shape in _WIDTHS)
    now = period.spent[-1][1] if period.spent else 0
    summary = f"{money(now, currency)} spent of {money(period.limit_nano, currency)}"
    if period.ahead:
        low, high = money(period.said.low_nano, currency), money(period.said.high_nano, currency)
        summary += f"; forecast {money(period.said.expected_nano, currency)}, {low} to {high}"
    return BurnChart(
        drawings=shapes,
        rows=tuple(_rows(period, currency)),
        limit=money(period.limit_nano, currency),
        summary=f"{summary}; the table below has the figures",
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """From days and money to the box; a day's sum stands at its end."""

    starts: date
    days: int
    top: int
    width: int
    left: int
    floor: int

    def x(self, day: date) -> float:
        """The end of a day."""
        return round(
            self.left + (self.width - self.left) * ((day - self.starts).days + 1) / self.days, 1
        )

    def y(self, nano: int) -> float:
        """An amount."""
        return round(self.floor - (self.floor - 10) * nano / self.top, 1)

    def point(self, day: date, nano: int) -> str:
        """Both."""
        return f"{self.x(day)},{self.y(nano)}"


def _draw(period: Period, currency: str, shape: tuple[str, int, int, int]) -> Drawing:
    name, width, height, left = shape
    highest = max(period.said.high_nano, period.limit_nano, 1)
    scale = _Scale(
        period.starts,
        max(1, (period.ends - period.starts).days),
        int(highest * _ROOM) + 1,
        width,
        left,
        height - 24,
    )
    before = period.starts - timedelta(days=1)
    line = [scale.point(day, nano) for day, nano in [(before, 0), *period.spent]]
    last = period.spent[-1][0] if period.spent else before
    ahead = [scale.point(day, nano) for day, nano in period.ahead]
    limit_y = scale.y(period.limit_nano)
    return Drawing(
        name=name,
        width=width,
        height=height,
        left=left,
        grid=tuple(
            rule(amount, currency, round_top(highest), scale.y(amount))
            for amount in range(0, scale.top, round_top(highest) // LINES)
        ),
        area=" ".join([*line, f"{scale.x(last)},{scale.floor}", f"{left},{scale.floor}"]),
        spent=" ".join(line),
        cone=_cone(period, scale, line[-1]) if ahead else "",
        ahead=" ".join([line[-1], *ahead]) if ahead else "",
        limit_y=limit_y,
        limit_text_y=limit_y - 5,
        first=f"{period.starts.day} {period.starts:%b}",
        last=_last(period),
    )


def _cone(period: Period, scale: _Scale, now: str) -> str:
    end = period.ends - timedelta(days=1)
    high, low = scale.point(end, period.said.high_nano), scale.point(end, period.said.low_nano)
    return f"{now} {high} {low}"


def _last(period: Period) -> str:
    end = period.ends - timedelta(days=1)
    return f"{end.day} {end:%b}"


def _rows(period: Period, currency: str) -> list[Row]:
    found = []
    before = 0
    for day, total in period.spent:
        found.append(_row(day, total - before, total, currency))
        before = total
    for day, total in period.ahead:
        found.append(_row(day, total - before, total, currency, forecast=True))
        before = total
    return found


def _row(day: date, spent: int, total: int, currency: str, *, forecast: bool = False) -> Row:
    return Row(
        f"{day:%a} {day.day} {day:%b}", money(spent, currency), money(total, currency), forecast
    )


def sums(starts: date, today: date, nano: Mapping[date, int]) -> list[tuple[date, int]]:
    """The running sum at the end of each day of a window up to today."""
    found, total = [], 0
    for day in days_between(starts, today + timedelta(days=1)):
        total += nano.get(day, 0)
        found.append((day, total))
    return found
