"""Which calls one may see: those of a tenant one reads, those of one's own team, and nobody else's."""

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from controlplane.kernel.principal import ORGANISATION, Principal
from routing.calls import access, commands
from routing.calls.pool import Database
from tests.routing.world import World, make_world


def _seen(principal: Principal, tenants: list[str]) -> set[tuple[str, str]]:
    try:
        found = access.visible(principal).filter(tenant__in=tenants)
        return set(found.values_list("tenant", "team"))
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
async def test_a_principal_sees_the_own_tenants_calls_only(world: World, db: Database) -> None:
    other = await make_world(db)
    for one in (world, other):
        await commands.admit(one.db, one.admission())
    mine, theirs = world.tenant, other.tenant
    reader = Principal("member", "a", "A", {mine: frozenset({"auditor"})})
    developer = frozenset({"developer"})
    desk = frozenset({(mine, "claims")})
    expected: list[tuple[Principal, set[str]]] = [
        (reader, {mine}),
        (Principal("member", "b", "B", {mine: developer}, desk), {mine}),
        (Principal("member", "c", "C", {mine: developer}, frozenset({(mine, "else")})), set()),
        (Principal("key", "d", "D", {}, desk), {mine}),
        (Principal("member", "e", "E", {theirs: developer}, desk), set()),
        (Principal("member", "f", "F", {ORGANISATION: frozenset({"auditor"})}), {mine, theirs}),
        (Principal("member", "g", "G"), set()),
    ]
    for principal, tenants in expected:
        seen = await sync_to_async(_seen)(principal, [mine, theirs])
        assert seen == {(tenant, "claims") for tenant in tenants}, principal.name
