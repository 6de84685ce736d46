"""Small worlds of documents for tests: one organisation for the database, and tenants of one test each."""

import secrets

from policies.bundles.models import Bundle
from policies.bundles.publish import Edits, Outcome, publish
from policies.documents.parse import parse_text

ORGANISATION = """\
apiVersion: mandate/v1
kind: Organisation
metadata: {name: acme}
spec:
  currency: EUR
  timeZone: UTC
  exchangeRates: [{from: 2026-01-01, USD: "0.92"}]
  mode: single-operator
"""


def fresh(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}-{secrets.token_hex(4)}"


def tenant(name: str, *teams: str) -> str:
    """A Tenant document."""
    return (
        "apiVersion: mandate/v1\nkind: Tenant\n"
        f"metadata: {{name: {name}}}\nspec: {{teams: [{', '.join(teams)}]}}\n"
    )


def permission(name: str, of: str = "", when: str = "true", effect: str = "permit") -> str:
    """A Permission on calls, of a tenant or of the organisation."""
    place = f", tenant: {of}" if of else ""
    return (
        f"apiVersion: mandate/v1\nkind: Permission\nmetadata: {{name: {name}{place}}}\n"
        f"spec:\n  effect: {effect}\n  on: call\n  when: '{when}'\n"
    )


def put(*texts: str, origin: str = "git", actor: str = "cli:test") -> Outcome:
    """Publish documents over what is there."""
    return publish(Edits(actor=actor, origin=origin, put=parse_text("---\n".join(texts), "test")))


def ensure_organisation() -> None:
    """Some revision is published; tests of one database share it, those of the hot path move its number alone."""
    if not Bundle.objects.exists():
        put(ORGANISATION, origin="console")
