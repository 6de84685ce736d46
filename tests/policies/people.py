"""The personas as principals, and what tests read from the log."""

import json
from typing import Any

from django.db import connection

from controlplane.kernel.principal import ORGANISATION, Principal


def member(name: str, *roles: str, tenant: str = ORGANISATION, team: str = "") -> Principal:
    """`member("ada", "admin")`; with a tenant the roles hold there, with a team the person belongs to it."""
    return Principal(
        kind="member",
        id=f"{name}@acme.example",
        name=name.title(),
        roles={tenant: frozenset(roles)},
        teams=frozenset({(tenant, team)}) if team else frozenset(),
    )


ADA = member("ada", "admin")
CLEO = member("cleo", "approver", "auditor", "author")
FINN = member("finn", "finance")


def entries(subject: str = "", kind: str = "", tenant: str | None = None) -> list[dict[str, Any]]:
    """The bodies of matching entries, in the order of the log."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT body FROM audit_entry WHERE (%s::text IS NULL OR tenant = %s) ORDER BY xid, id",
            [tenant, tenant],
        )
        bodies = [json.loads(bytes(row[0])) for row in cursor.fetchall()]
    return [
        body
        for body in bodies
        if (not subject or body["subject"] == subject) and (not kind or body["kind"] == kind)
    ]
