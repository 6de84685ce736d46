"""Members signed in to the console, in process, over the real middleware."""

from collections.abc import Iterator
from html import unescape
from re import sub
from typing import Any

import pytest
from django.test import Client

from controlplane.kernel.principal import Principal
from policies.identity.models import Membership, Team, User
from tests.policies.changes.world import World
from tests.policies.changes.world import world as made
from tests.policies.texts import ensure_organisation


@pytest.fixture
def world(transactional_db: None) -> Iterator[World]:
    """A world in four-eyes mode; Tariq and Mallory belong to their teams."""
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


class Pages:
    """Opens pages as one member."""

    def __init__(self, who: Principal) -> None:
        self._client = Client(headers={"host": "localhost"}, raise_request_exception=False)
        self._client.force_login(User.objects.get(email=who.id))

    def get(self, path: str) -> Any:
        """The answer."""
        return self._client.get(path)

    def post(self, path: str, **form: Any) -> Any:
        """The page after the redirect, or the answer."""
        return self._client.post(path, form, follow=True)


def words(answer: Any) -> str:
    """A page's text without its tags, on one line."""
    return sub(r"\s+", " ", unescape(sub(r"<[^>]+>", "", answer.content.decode())))
