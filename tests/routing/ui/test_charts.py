"""Charts: the drawing, the table and the data say the same."""

from datetime import date, timedelta

from routing.reports.spend import Daily, merged
from routing.ui.charts import spend_chart

FIRST = date(2026, 11, 2)
DAYS = tuple(FIRST + timedelta(days=n) for n in range(14))
EURO = 10**9


def _daily(**nano: int) -> Daily:
    providers = tuple(nano)
    return Daily(DAYS, providers, {(DAYS[0], name): amount for name, amount in nano.items()})


def test_bars_stand_on_each_other_and_end_at_their_amount() -> None:
    chart = spend_chart(_daily(anthropic=12 * EURO, openai=6 * EURO), "EUR")
    wide = chart.drawings[0]
    lower, upper = wide.bars
    assert (lower.serie, upper.serie) == (1, 2)
    assert lower.height == 2 * upper.height
    assert round(upper.y + upper.height, 1) == lower.y
    assert round(lower.y + lower.height, 1) == wide.height - 24
    assert [rule.label for rule in wide.grid] == ["€0", "€5", "€10", "€15", "€20"]
    assert lower.title == "2 Nov, anthropic: €12.00"


def test_the_table_has_every_day_and_the_same_sums() -> None:
    chart = spend_chart(_daily(anthropic=12 * EURO, openai=6 * EURO), "EUR")
    assert [row.day for row in chart.rows][:2] == ["Mon 2 Nov", "Tue 3 Nov"]
    assert (chart.rows[0].cells, chart.rows[0].total) == (("€12.00", "€6.00"), "€18.00")
    assert chart.rows[13].total == "€0.00"
    assert chart.summary == "Daily spend, 14 days, €18.00 in all; the table below has the figures"


def test_no_bar_leaves_the_drawing() -> None:
    for amount in (1, 999, EURO, 7_654_321 * EURO):
        for drawing in spend_chart(_daily(anthropic=amount), "EUR").drawings:
            for bar in drawing.bars:
                assert bar.y >= 9
                assert bar.x >= drawing.left
                assert bar.x + bar.width <= drawing.width


def test_nothing_spent_draws_no_bar() -> None:
    chart = spend_chart(Daily(DAYS, (), {}), "EUR")
    assert chart.drawings[0].bars == ()
    assert len(chart.drawings[0].grid) == 5


def test_many_providers_become_four_and_lose_no_money() -> None:
    found = merged(_daily(a=50, b=40, c=30, d=20, e=10))
    assert found.providers == ("a", "b", "c", "others")
    assert found.nano[DAYS[0], "others"] == 30
    assert found.total(DAYS[0]) == 150
