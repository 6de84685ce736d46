"""How long things are kept, by the documents."""

from datetime import UTC, date, datetime

from routing.retention.terms import Terms, after, terms

NOV = date(2026, 11, 1)


def test_before_there_was_a_field_the_defaults_count() -> None:
    assert terms({}, [("retail", {})]) == Terms(365, 24, {})


def test_a_tenant_shortens_its_content_and_the_longest_months_bind_all() -> None:
    ours = {"retention": {"contentDays": 90, "entriesMonths": 12}}
    retail = {"retention": {"contentDays": 30, "entriesMonths": 6}}
    insurance = {"retention": {"entriesMonths": 36}}
    said = terms(ours, [("retail", retail), ("insurance", insurance)])
    assert said == Terms(90, 36, {"retail": 30})
    assert [said.content_days(name) for name in ("retail", "insurance", "x")] == [30, 90, 90]
    assert said.longest_days == 90


def test_a_month_of_content_goes_whole_when_its_last_day_is_over() -> None:
    said = Terms(90, 24, {"retail": 30})
    assert after(NOV) == datetime(2026, 12, 1, tzinfo=UTC)
    assert after(date(2026, 12, 1)) == datetime(2027, 1, 1, tzinfo=UTC)
    eve, day = datetime(2026, 12, 30, 23, 59, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
    assert [said.content_is_over("retail", NOV, now) for now in (eve, day)] == [False, True]
    assert said.content_is_over("insurance", NOV, day) is False
    assert said.vault_is_over(NOV, day) is False
    assert said.vault_is_over(NOV, datetime(2027, 3, 1, tzinfo=UTC)) is True


def test_entries_go_after_whole_months() -> None:
    said = Terms(90, 24, {})
    eve, day = datetime(2028, 11, 30, tzinfo=UTC), datetime(2028, 12, 1, tzinfo=UTC)
    assert [said.entries_are_over(NOV, now) for now in (eve, day)] == [False, True]
