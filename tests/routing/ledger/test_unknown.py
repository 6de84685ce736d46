"""What nobody knows the cost of is settled by a person: once, with an entry, by who may, and nothing else changes."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.ids import IdSource, parse_call_name
from controlplane.kernel.principal import Principal
from policies.engine.pricing import UsageCounts
from routing.calls.models import Attempt, Call
from routing.ledger import access
from routing.ledger.commands import Resolution, settle_unknown
from routing.ledger.unknown import page_of_calls
from tests.policies.api.conftest import api
from tests.policies.changes.world import world
from tests.policies.people import entries
from tests.policies.texts import ensure_organisation
from tests.policies.ui.conftest import Pages, words
from tests.refusing import refuses_first
from tests.routing.ledger.lost import Lost

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lost(transactional_db: None, settings: LazySettings, tmp_path: Path) -> Iterator[Lost]:
    settings.MANDATE_KEYS_DIR = tmp_path
    (tmp_path / "pepper").write_text("07" * 32, encoding="ascii")
    ensure_organisation()
    with world() as made:
        yield Lost.of(made)


def amount(call: str, nano: int, no: int = 1) -> Resolution:
    return Resolution(
        call=parse_call_name(call), no=no, reason="the provider's page", amount_nano=nano
    )


@refuses_first("ledger.settle_unknown")
def test_finance_says_what_it_cost_and_the_rest_is_free_again(lost: Lost) -> None:
    name = lost.attempt(600)
    call = parse_call_name(name)
    assert lost.money() == (0, 600, 0)
    finn = lost.world.finn
    assert settle_unknown(finn, amount(name, 250)) == 250
    assert lost.money() == (250, 0, 0)
    assert lost.posting(call) == [("reconciled", "person", 250, 0)]
    assert Call.objects.get(pk=call).cost_nano == 250
    assert Attempt.objects.get(call=call, no=1).state == "reconciled"
    [entry] = entries(kind="attempt.reconciled", tenant=lost.world.tenant)
    assert (entry["actor"], entry["call"], entry["data"]) == (
        finn.actor,
        call.hex,
        {
            "no": 1,
            "amount": "250",
            "reserved": "600",
            "basis": "person",
            "reason": "the provider's page",
        },
    )
    with pytest.raises(Conflict, match="this attempt is reconciled, not unknown"):
        settle_unknown(finn, amount(name, 1))
    assert lost.money() == (250, 0, 0)


def test_above_what_was_reserved_is_overrun(lost: Lost) -> None:
    name = lost.attempt(600)
    settle_unknown(lost.world.ada, amount(name, 900))
    assert lost.money() == (600, 0, 300)
    assert lost.posting(parse_call_name(name)) == [("reconciled", "person", 600, 300)]


def test_nothing_at_all_is_an_amount_too(lost: Lost) -> None:
    name = lost.attempt(600)
    assert settle_unknown(lost.world.finn, amount(name, 0)) == 0
    assert lost.money() == (0, 0, 0)


def test_reported_usage_is_priced_as_it_was_reserved(lost: Lost) -> None:
    name = lost.attempt(600_000)
    usage = UsageCounts(input=100, cached_input=50, cache_write=0, output=20)
    wanted = Resolution(
        call=parse_call_name(name), no=1, reason="usage export", usage=usage, basis="reported"
    )
    # 100 × 1 + 50 × 0.1 + 20 × 10 per million, in nano units
    assert settle_unknown(lost.world.finn, wanted) == 100_000 + 5_000 + 200_000
    assert lost.money() == (305_000, 0, 0)
    attempt = Attempt.objects.get(call=parse_call_name(name))
    counted = (
        attempt.tokens_input,
        attempt.tokens_cached,
        attempt.tokens_cache_write,
        attempt.tokens_output,
    )
    assert (attempt.basis, *counted) == ("reported", 100, 50, 0, 20)  # fmt: skip
    [entry] = entries(kind="attempt.reconciled", tenant=lost.world.tenant)
    assert (entry["data"]["tokens_input"], entry["data"]["tokens_output"]) == (100, 20)


def test_nobody_else_settles_it_and_nothing_happens(lost: Lost) -> None:
    name = lost.attempt(600)
    stranger = Principal(
        kind="member", id="eve", name="Eve", roles={lost.world.other: frozenset({"finance"})}
    )
    for who, refusal in (
        (lost.world.cleo, Forbidden),
        (lost.world.tariq, Forbidden),
        (lost.world.mallory, NotFound),
        (stranger, NotFound),
    ):
        with pytest.raises(refusal):
            settle_unknown(who, amount(name, 250))
    assert lost.money() == (0, 600, 0)
    assert entries(kind="attempt.reconciled", tenant=lost.world.tenant) == []
    assert not access.unknown_attempts(stranger).exists()
    with pytest.raises(Forbidden):
        access.unknown_attempts(lost.world.tariq)


def test_what_cannot_be_meant_is_refused(lost: Lost) -> None:
    name, finn = lost.attempt(600), lost.world.finn
    call = parse_call_name(name)
    usage = UsageCounts(1, 0, 0, 1)
    for wanted in (
        Resolution(call=call, no=1, reason="both", amount_nano=1, usage=usage),
        Resolution(call=call, no=1, reason="neither"),
        Resolution(call=call, no=1, reason="  ", amount_nano=1),
        Resolution(call=call, no=1, reason="less", amount_nano=-1),
        Resolution(call=call, no=1, reason="less", usage=UsageCounts(-1, 0, 0, 0)),
        Resolution(call=call, no=1, reason="too much", amount_nano=10**17),
    ):
        with pytest.raises(InvalidRequest):
            settle_unknown(finn, wanted)
    with pytest.raises(NotFound):
        settle_unknown(finn, amount(name, 1, no=2))
    assert lost.money() == (0, 600, 0)


def test_the_list_has_whole_calls_and_goes_on(lost: Lost) -> None:
    names = [lost.attempt(10) for _ in range(5)]
    rows = access.unknown_attempts(lost.world.finn).filter(call__tenant=lost.world.tenant)
    first, following = page_of_calls(rows, 2, None)
    assert [row.call for row in first] == [parse_call_name(n) for n in names[:-3:-1]]
    assert following == parse_call_name(names[3])
    rest, end = page_of_calls(rows, 10, following)
    assert ([row.call for row in rest], end) == ([parse_call_name(n) for n in names[2::-1]], None)


def test_finn_settles_one_on_its_page(lost: Lost) -> None:
    name = lost.attempt(600)
    finn = Pages(lost.world.finn)
    page = finn.get("/budgets/unknown/")
    assert f"/budgets/unknown/{name}/1/" in page.content.decode()
    assert "Settle" in words(page)
    refused = words(finn.post(f"/budgets/unknown/{name}/1/", amount="much", reason="x"))
    assert '"much" is not an amount' in refused
    assert lost.money() == (0, 600, 0)
    said = words(finn.post(f"/budgets/unknown/{name}/1/", input="100", output="1", reason="export"))
    assert "are booked; the rest is free again. It is an entry." in said
    assert lost.money() == (600, 0, 109_400)
    shown = Pages(lost.world.cleo).get("/budgets/unknown/")
    assert shown.status_code == 200
    assert "Book it" not in words(shown)
    assert Pages(lost.world.tariq).get("/budgets/unknown/").status_code == 403


def test_by_api_the_same_key_books_once(lost: Lost) -> None:
    name, finn = lost.attempt(600), api(lost.world.finn)
    _, found = finn("GET", "unknown-attempts/")
    [item] = [one for one in found["items"] if one["tenant"] == lost.world.tenant]
    assert (item["call"], item["no"], item["reserved"]) == (name, 1, "0.0000006")
    path, body = f"calls/{name}/attempts/1/settle/", {"amount": "0.0000002", "reason": "page"}
    said = {"call": name, "no": 1, "amount": "0.0000002", "currency": "EUR"}
    assert [finn("POST", path, body, key="k-1") for _ in range(2)] == [(200, said)] * 2
    assert lost.money() == (200, 0, 0)
    assert finn("POST", path, body)[0] == 409
    assert finn("POST", path, {"reason": "page"})[0] == 400


def test_the_command_line_lists_and_settles(lost: Lost) -> None:
    name, out = lost.attempt(600), StringIO()
    call_command("attempts", "unknown", stdout=out)
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(t["no"], t["reserved"]) for t in told if t["call"] == name] == [(1, "0.0000006")]
    out = StringIO()
    options = ["--amount", "0.0000001", "--reason", "page"]
    call_command("attempts", "settle", name, "1", *options, stdout=out)
    assert out.getvalue() == "booked: 0.0000001 EUR\n"
    assert lost.money() == (100, 0, 0)
    other = f"call_{IdSource().new().hex}"
    with pytest.raises(CommandError, match="there is no attempt 1"):
        call_command("attempts", "settle", other, "1", *options)
    with pytest.raises(CommandError):
        call_command("attempts", "settle", str(UUID(int=0)), "1", *options)


def test_page_api_and_command_line_take_the_service_tier_that_the_provider_names(
    lost: Lost,
) -> None:
    page, asked, typed = (lost.attempt(200_000) for _ in range(3))
    finn, out = lost.world.finn, StringIO()
    form = {"input": "100", "output": "20", "service_tier": "flex", "reason": "export"}
    Pages(finn).post(f"/budgets/unknown/{page}/1/", **form)
    body = {"usage": {"input": 100, "output": 20}, "serviceTier": "flex", "reason": "export"}
    code, said = api(finn)("POST", f"calls/{asked}/attempts/1/settle/", body)
    assert (code, said["amount"]) == (200, "0.00015")
    gold = body | {"serviceTier": "gold"}
    assert api(finn)("POST", f"calls/{typed}/attempts/1/settle/", gold)[0] == 400
    tokens = ["--input", "100", "--output", "20", "--service-tier", "flex", "--reason", "export"]
    call_command("attempts", "settle", typed, "1", *tokens, stdout=out)
    assert out.getvalue() == "booked: 0.00015 EUR\n"
    for name in (page, asked, typed):
        attempt = Attempt.objects.get(call=parse_call_name(name))
        assert (attempt.service_tier, attempt.posted_nano) == ("flex", 150_000)
    told = [
        e["data"]["service_tier"]
        for e in entries(kind="attempt.reconciled", tenant=lost.world.tenant)
    ]
    assert told == ["flex"] * 3
