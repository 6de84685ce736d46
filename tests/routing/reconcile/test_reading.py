"""Providers' files: each form to the same lines, and what is wrong is told with its place."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from controlplane.kernel.errors import InvalidRequest
from policies.engine.pricing import UsageCounts
from routing.reconcile.reading import CREDIT, TAX, Billed, read

DAY = date(2026, 11, 1)
CSV = """\
date,model,input_tokens,cached_input_tokens,output_tokens,amount,currency,kind
2026-11-01,gpt-mini,1000,200,50,1.50,usd,
2026-11-01,gpt-mini,1,,,0.50,USD,usage
2026-11-02,"=cmd|' /C calc'!A0",,,,3,EUR,usage

2026-11-01,,,,,-0.25,USD,credit
2026-11-01,,,,,0.19,USD,tax
"""


def shown(lines: tuple[Billed, ...]) -> list[tuple[Any, ...]]:
    return [
        (line.day.day, line.kind, line.model, line.usage, line.amount, line.currency)
        for line in lines
    ]


def bucket(result: Any, begins: Any = 1_793_491_200, name: str = "start_time") -> bytes:
    page = {"object": "page", "data": [{name: begins, "results": [result]}], "has_more": False}
    return json.dumps(page).encode()


def test_lines_of_the_same_day_and_model_are_one_and_a_formula_is_text() -> None:
    assert shown(read(CSV.encode("utf-8-sig"), "csv")) == [
        (1, CREDIT, "", None, Decimal("-0.25"), "USD"),
        (1, TAX, "", None, Decimal("0.19"), "USD"),
        (1, "usage", "gpt-mini", UsageCounts(1001, 200, 0, 50), Decimal("2.00"), "USD"),
        (2, "usage", "=cmd|' /C calc'!A0", None, Decimal(3), "EUR"),
    ]


def test_openai_usage_has_cached_tokens_within_its_input() -> None:
    result = {
        "model": "gpt-5-mini-2025-08-07",
        "input_tokens": 900,
        "input_cached_tokens": 300,
        "output_tokens": 7,
    }
    [line] = read(bucket(result), "openai-usage")
    assert (line.day, line.model, line.amount) == (DAY, "gpt-5-mini-2025-08-07", None)
    assert line.usage == UsageCounts(600, 300, 0, 7)


def test_openai_costs_are_summed_over_a_models_line_items() -> None:
    amount = {"value": 0.06, "currency": "usd"}
    page = json.loads(bucket({"amount": amount, "line_item": "gpt-5-mini, input"}))
    page["data"][0]["results"].append({"amount": amount, "line_item": "gpt-5-mini, output"})
    page["data"][0]["results"].append(
        {"amount": {"value": -5, "currency": "usd"}, "line_item": "Grant"}
    )
    assert shown(read(json.dumps(page).encode(), "openai-costs")) == [
        (1, CREDIT, "Grant", None, Decimal(-5), "USD"),
        (1, "usage", "gpt-5-mini", None, Decimal("0.12"), "USD"),
    ]


def test_anthropic_usage_tells_what_was_written_to_caches() -> None:
    result = {
        "model": "claude-grand",
        "uncached_input_tokens": 1500,
        "cache_read_input_tokens": 200,
        "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
        "output_tokens": 500,
    }
    [line] = read(bucket(result, "2026-11-01T00:00:00Z", "starting_at"), "anthropic-usage")
    assert (line.day, line.usage) == (DAY, UsageCounts(1500, 200, 1500, 500))


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ({}, ""),
        ({"service_tier": None, "batch": None}, ""),
        ({"service_tier": "default"}, "standard"),
        ({"service_tier": "flex"}, "flex"),
        ({"service_tier": "priority", "batch": False}, "priority"),
        ({"batch": True}, "batch"),
        ({"batch": False}, ""),
        ({"service_tier": "default", "batch": True}, "batch"),
    ],
)
def test_openai_usage_says_the_service_tier_where_it_is_grouped_by_it(
    said: dict[str, object], tier: str
) -> None:
    counts = {"input_tokens": 10, "input_cached_tokens": 2, "input_cache_write_tokens": 3}
    [line] = read(bucket({"model": "m", **counts, "output_tokens": 4, **said}), "openai-usage")
    assert (line.service_tier, line.usage) == (tier, UsageCounts(5, 2, 3, 4))


@pytest.mark.parametrize(
    ("said", "tier"),
    [("standard", "standard"), ("batch", "batch"), ("priority_on_demand", "priority"), ("flex_discount", "flex"), (None, "")],
)  # fmt: skip
def test_anthropic_usage_says_the_service_tier(said: str | None, tier: str) -> None:
    result = {"model": "m", "uncached_input_tokens": 5, "output_tokens": 1, "service_tier": said}
    [line] = read(bucket(result, "2026-11-01T00:00:00Z", "starting_at"), "anthropic-usage")
    assert line.service_tier == tier


def test_a_csv_says_it_in_a_column_and_tiers_stay_apart() -> None:
    text = "date,model,output_tokens,service_tier\n" + "".join(
        f"2026-11-01,m,{n},{tier}\n"
        for n, tier in ((1, "Flex"), (2, "standard"), (4, ""), (8, "flex"))
    )
    found = read(text.encode(), "csv")
    assert [(line.service_tier, line.usage and line.usage.output) for line in found] == [
        ("", 4),
        ("flex", 9),
        ("standard", 2),
    ]


def test_anthropic_costs_are_in_cents() -> None:
    result = {
        "amount": "123.45",
        "currency": "USD",
        "model": None,
        "description": "Web Search Usage",
    }
    [line] = read(bucket(result, "2026-11-01T00:00:00Z", "starting_at"), "anthropic-cost")
    assert (line.model, line.amount, line.currency) == (
        "Web Search Usage",
        Decimal("1.2345"),
        "USD",
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "this file is empty"),
        ("model\n", 'line 1: there is no column "date"'),
        (
            "date;model;amount\n",
            "line 1: its columns are parted by semicolons; save the file with commas",
        ),
        ("date\tmodel\n", "line 1: its columns are parted by tabs; save the file with commas"),
        ("date,day\n", 'line 1, column 2: "day" is unknown; the columns are date, kind, model'),
        ("date,date\n", 'line 1, column 2: "date" is there twice'),
        ("date,model\n", "there is nothing in this file"),
        ("date,model\n2026-11-01\n", "line 2: 1 columns where the first line has 2"),
        (
            "date,model,amount,currency\n1.11.2026,m,1,USD\n",
            'line 2, column 1 (date): "1.11.2026" is no day',
        ),
        (
            "date,model,amount,currency\n2026-02-30,m,1,USD\n",
            'line 2, column 1 (date): "2026-02-30" is no day of the calendar',
        ),
        ("date,model,amount,currency\n,m,1,USD\n", "line 2, column 1 (date): there is none"),
        (
            'date,model,amount,currency\n2026-11-01,m,"1,5",USD\n',
            'line 2, column 3 (amount): "1,5" is no amount',
        ),
        (
            "date,model,amount,currency\n2026-11-01,m,NaN,USD\n",
            'line 2, column 3 (amount): "NaN" is no amount',
        ),
        (
            "date,model,amount,currency\n2026-11-01,m,1,dollars\n",
            'line 2, column 4 (currency): "DOLLARS" is no currency',
        ),
        ("date,model,amount\n2026-11-01,m,1\n", "line 2: an amount has a currency"),
        (
            "date,model,output_tokens\n2026-11-01,m,-1\n",
            "line 2, column 3 (output_tokens): tokens are whole numbers",
        ),
        (
            "date,model,kind\n2026-11-01,m,gift\n",
            'line 2, column 3 (kind): "gift" is no kind; use usage, credit, tax',
        ),
        (
            "date,output_tokens\n9999-12-31,1\n",
            "line 2, column 1 (date): 9999-12-31 is not of this time",
        ),
        ("date,output_tokens\n2026-11-01,5\n", "line 2: usage names its model"),
        ("date,model\n2026-11-01,m\n", "line 2: there is neither an amount nor usage"),
        (
            "date,model,output_tokens,service_tier\n2026-11-01,m,1,gold\n",
            'line 2, column 4 (service_tier): "gold" is no service tier; use flex, batch, priority, scale, standard',
        ),
        (
            "date,kind,amount,currency,service_tier\n2026-11-01,tax,1,EUR,flex\n",
            "line 2: only usage is served at a service tier",
        ),
        ('date,model\n2026-11-01,"m\n', "unexpected end of data"),
    ],
)
def test_bad_csv_is_told_with_line_and_column(text: str, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(text.encode(), "csv")
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("data", "form", "told"),
    [
        (b"{", "openai-usage", "this is no JSON: "),
        (b"[7]", "openai-usage", '[0].data: there is no list "data"'),
        (b'{"data": [{"start_time": 1793491200}]}', "openai-usage", 'data[0].results: there is no list "results"'),
        (bucket({}, "soon"), "openai-usage", "data[0].start_time: must say when the bucket begins"),
        (bucket(7), "openai-usage", "data[0].results[0]: must be an object"),
        (bucket({"input_tokens": 1}), "openai-usage", "data[0].results[0].model: must name a model"),
        (bucket({"input_tokens": 1.5, "model": "m"}), "openai-usage", "data[0].results[0].input_tokens: tokens are"),
        (bucket({"input_tokens": 1, "input_cached_tokens": 2, "model": "m"}), "openai-usage", "more than input_tokens"),
        (bucket({"model": "m", "service_tier": 7}), "openai-usage", 'data[0].results[0].service_tier: "7" is no service tier'),
        (bucket({"line_item": "m"}), "openai-costs", "data[0].results[0].amount: must be an object"),
        (bucket({"line_item": "m", "amount": {"value": True, "currency": "usd"}}), "openai-costs", 'amount.value: "True"'),
        (bucket({"model": "m"}, "0001-01-01T00:00:00+14:00"), "openai-usage", "data[0].start_time: "),
        (bucket({"model": "m"}, 5), "openai-usage", "data[0].start_time: 1970-01-01 is not of this time"),
        (bucket({"model": "\ud800"}), "openai-usage", "data[0].results[0].model: must name a model"),
        (bucket({"line_item": "m", "amount": {"value": 1, "currency": "\ud800"}}), "openai-costs", 'currency: "?" is no'),
        (b"date,\xff", "csv", "byte 6 is no UTF-8; save the file as UTF-8 first"),
        (CSV.encode("utf-16"), "csv", "this is text in UTF-16, not text in UTF-8; save it as CSV (UTF-8) first"),
        (b"PK\x03\x04rest", "csv", "this is a spreadsheet or a ZIP archive, not text in UTF-8; save it as CSV"),
        (b"", "pdf", '"pdf" is no form; use csv, openai-usage, openai-costs, anthropic-usage, anthropic-cost'),
    ],
)  # fmt: skip
def test_bad_files_are_told_with_their_place(data: bytes, form: str, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(data, form)
    assert told in refused.value.message
