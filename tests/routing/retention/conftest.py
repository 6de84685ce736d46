"""Calls of one user, with their content, as the walk leaves them."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from audit.vault.keys import CallKeys, commit_user, month_of, subject_of_user
from controlplane.kernel.ids import IdSource
from routing.reports.content import store
from tests.policies.texts import ensure_organisation, put

IDS = IdSource()
_CALL = """
INSERT INTO routing_call (id, revision, stop_epoch, admitted_at, deadline_at, moved_at, finished_at, stream, state, tenant, team,
                          key, route, dialect, user_ref)
VALUES (%s, 1, 0, now(), now(), now(), %s, false, %s, %s, 'claims', 'k', 'triage', 'openai_chat', %s)
"""


@dataclass
class Shop:
    """A tenant of the test's own."""

    tenant: str = field(default_factory=lambda: f"keep-{secrets.token_hex(4)}")

    def call(
        self, user: str, text: bytes, *, identity: UUID | None = None, over: bool = True
    ) -> UUID:
        """One call of a user, with a prompt."""
        call = identity or IDS.new()
        key = subject_of_user(self.tenant, commit_user(store(), self.tenant, user))
        keys = CallKeys.derive(store(), self.tenant, month_of(call), key, call)
        finished = datetime.now(tz=UTC) if over else None
        state = "completed" if over else "held"
        with connection.cursor() as cursor:
            cursor.execute(_CALL, [call, finished, state, self.tenant, key])
            part = keys.seal("request", text)
            cursor.execute("SELECT vault_put(%s, %s, %s::smallint, %s, %s, %s, %s)", list(part))
        return call


@pytest.fixture
def shop(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Shop]:
    with django_db_blocker.unblock():
        ensure_organisation()
        made = Shop()
        put(
            f"apiVersion: mandate/v1\nkind: Tenant\nmetadata: {{name: {made.tenant}}}\nspec: {{teams: [claims]}}\n"
        )
        yield made
