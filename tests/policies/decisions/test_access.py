"""Whose recorded facts one sees as samples: those of the tenants one reads, and of one's own teams."""

from uuid import UUID, uuid4

import pytest
from django.db import connection

from controlplane.kernel.principal import Principal
from policies.decisions.access import recent
from policies.engine.facts import Facts, KeyFacts, RequestFacts, encode
from policies.order.ids import new_id

pytestmark = pytest.mark.usefixtures("application_role")


def record(tenant: str, team: str) -> UUID:
    call = new_id()
    facts = Facts(
        now="2026-11-20T09:14:00.000Z",
        call=call.hex,
        tenant=tenant,
        team=team,
        key=KeyFacts(id="k"),
        route="r",
        request=RequestFacts(
            dialect="openai.chat",
            input_tokens_max=1,
            input_tokens_estimate=1,
            output_tokens_asked=1,
            stream=False,
        ),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT decision_put(%s, 1::smallint, 'request', %s, 1, 'permit', %s, %s)",
            [call, tenant, b"\x01" * 32, encode(facts)],
        )
    return call


def seen(principal: Principal, most: int = 40) -> list[UUID]:
    return [call for call, _ in recent(principal, most)]


def member(roles: dict[str, frozenset[str]], *teams: tuple[str, str]) -> Principal:
    return Principal("member", "tariq@acme.example", "Tariq", roles, frozenset(teams))


def test_each_sees_the_facts_of_the_own_tenant_or_team() -> None:
    here, there = f"h{uuid4().hex[:8]}", f"t{uuid4().hex[:8]}"
    claims, sales, foreign = record(here, "claims"), record(here, "sales"), record(there, "claims")
    author = member({here: frozenset({"author"})})
    assert seen(author) == [sales, claims]
    developer = member({here: frozenset({"developer"})}, (here, "claims"))
    assert seen(developer) == [claims]
    assert seen(member({there: frozenset({"approver"})})) == [foreign]
    assert seen(member({}, (here, "claims"))) == []
    everybody = seen(member({"": frozenset({"auditor"})}))
    assert everybody[:3] == [foreign, sales, claims]
    assert seen(author, 1) == [sales]


def test_facts_that_cannot_be_read_are_left_out() -> None:
    here = f"h{uuid4().hex[:8]}"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT decision_put(%s, 1::smallint, 'request', %s, 1, 'permit', %s, %s)",
            [new_id(), here, b"\x01" * 32, b"{}"],
        )
    readable = record(here, "claims")
    assert seen(member({here: frozenset({"author"})})) == [readable]
