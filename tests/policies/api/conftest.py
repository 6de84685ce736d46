"""Clients of the API with personal tokens, over the real middleware."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from controlplane.kernel.principal import Principal
from policies.identity.commands import create_token
from policies.identity.models import Membership, Team, User
from tests.policies.changes.world import World
from tests.policies.changes.world import world as made
from tests.policies.texts import ensure_organisation


@pytest.fixture
def world(transactional_db: None) -> Iterator[World]:
    """A world in four-eyes mode; Tariq belongs to his team."""
    ensure_organisation()
    with made() as found:
        for name, tenant, team in (
            ("tariq", found.tenant, "claims"),
            ("mallory", found.other, "x"),
        ):
            user = User.objects.get(email=found.people[name].id)
            row = Team.objects.get(tenant__slug=tenant, slug=team)
            Membership(user=user, tenant_id=row.tenant_id, team=row).save(actor="cli:test")
        yield found


@dataclass
class Api:
    """Asks as one member."""

    token: str

    def __call__(
        self, method: str, path: str, body: object = None, *, key: str = "", match: str = ""
    ) -> tuple[int, Any]:
        """(status, JSON) of `/api/v1/<path>`."""
        headers = {"authorization": f"Bearer {self.token}", "host": "localhost"}
        if key:
            headers["idempotency-key"] = key
        if match:
            headers["if-match"] = f'"{match}"'
        answer = Client(raise_request_exception=False).generic(
            method,
            f"/api/v1/{path}",
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers=headers,
        )
        return answer.status_code, answer.json() if answer.content else None


def read(body: dict[str, Any]) -> dict[str, Any]:
    """What an approval of a change request names of what was read."""
    return {name: body[name] for name in ("base", "digest", "replay")}


def api(who: Principal) -> Api:
    """An API of this member's own."""
    shown = create_token(who, User.objects.get(email=who.id), name="test").shown
    return Api(shown)
