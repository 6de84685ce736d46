"""Nothing of one tenant is visible to another: not its routes, not its calls, not its budgets, not its idempotency keys."""

import json
from typing import Any
from uuid import UUID, uuid4

import openai
import pytest

from tests.journeys.installation import Installation, call_of

ASK: Any = [{"role": "user", "content": "Whose roof is it? [[sandbox tokens=8]]"}]
MINE, THEIRS = "j-permit/desk", "j-other/desk"


def test_the_key_of_another_tenant_cannot_name_the_route(mandate: Installation) -> None:
    before = len(mandate.calls_of("j-other"))
    with pytest.raises(openai.NotFoundError) as raised:
        # a route of the tenant j-fallback, and of it alone
        mandate.openai(THEIRS).chat.completions.create(model="own-both", messages=ASK)
    assert 'there is no route "own-both"' in raised.value.message
    with pytest.raises(openai.NotFoundError) as unknown:
        mandate.openai(THEIRS).chat.completions.create(model="own-nine", messages=ASK)
    # as if it were not there: the two answers differ in nothing but the name
    assert raised.value.message.replace("own-both", "x") == unknown.value.message.replace(
        "own-nine", "x"
    )
    assert len(mandate.calls_of("j-other")) == before


def test_a_call_is_read_by_its_own_team_only(mandate: Installation) -> None:
    raw = mandate.openai(MINE).chat.completions.with_raw_response.create(
        model="one", messages=ASK, max_tokens=20
    )
    call = call_of(raw.headers)
    own = mandate.seen_by(MINE, call)
    assert own.status == 200
    seen = own.json()
    assert (seen["id"], seen["state"], seen["tenant"]) == (
        f"call_{call.hex}",
        "completed",
        "j-permit",
    )
    assert [a["state"] for a in seen["attempts"]] == ["succeeded"]
    other = mandate.seen_by(THEIRS, call)
    assert other.status == 404
    assert b"permit" not in other.body
    nobody = UUID(int=call.int ^ 1)
    unknown = mandate.seen_by(THEIRS, nobody).body.replace(nobody.hex.encode(), b"x")
    assert other.body.replace(call.hex.encode(), b"x") == unknown


def test_the_own_team_reads_the_answer_in_its_dialect(mandate: Installation) -> None:
    raw = mandate.openai(MINE).chat.completions.with_raw_response.create(
        model="one", messages=ASK, max_tokens=20
    )
    assert mandate.seen_by(MINE, call_of(raw.headers)).json()["answer"] == json.loads(
        raw.http_response.content
    )


def test_the_same_idempotency_key_of_two_tenants_is_two_calls(mandate: Installation) -> None:
    calls = set()
    same = {"idempotency-key": uuid4().hex}
    for key in (MINE, THEIRS):
        raw = mandate.openai(key).chat.completions.with_raw_response.create(
            model="one",
            messages=ASK,
            max_tokens=20,
            extra_headers=same,
        )
        call = call_of(raw.headers)
        calls.add(call)
        assert mandate.call(call)["tenant"] == key.partition("/")[0]
    assert len(calls) == 2


def test_the_same_run_of_two_tenants_is_two_runs(mandate: Installation) -> None:
    run = {"x-mandate-run": f"shared-{uuid4().hex}"}
    for key in (MINE, THEIRS):
        raw = mandate.openai(key).chat.completions.with_raw_response.create(
            model="one", messages=ASK, max_tokens=20, extra_headers=run
        )
        facts = mandate.facts_of(call_of(raw.headers))
        assert facts["run"]["calls"] == 0


def test_money_is_booked_with_the_own_tenant(mandate: Installation) -> None:
    before = mandate.window("month", "j-other")["posted_nano"]
    mandate.openai(MINE).chat.completions.create(model="one", messages=ASK, max_tokens=20)
    assert mandate.window("month", "j-other")["posted_nano"] == before
