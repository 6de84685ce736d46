"""What `init` makes: the secrets of an installation, its first admin, and revision 1."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction

from controlplane.kernel.errors import Conflict
from controlplane.kernel.principal import ROLES, Principal
from policies.bundles.publish import Edits, Outcome, publish
from policies.documents.parse import parse_text
from policies.identity.members import create_member, set_password
from policies.identity.models import User
from policies.order.entries import append_entry
from policies.order.lock import control, mandate_now

_RATES = """
  exchangeRates: [{from: 2026-11-01, USD: "0.92"}]   # one dollar in euro; keep it up to date"""
_ORGANISATION = """\
apiVersion: mandate/v1
kind: Organisation
metadata: {{name: acme}}
spec:
  currency: {currency}
  timeZone: {time_zone}{rates}
  mode: single-operator       # every publish is flagged until others may approve
  dataClasses: [public, internal, personal, health, secret]
  approvals:
    default: {{count: 1, roles: [approver]}}
    Budget: {{count: 1, roles: [finance]}}
    Tenant: {{count: 0}}
  replay: {{days: 7, required: true}}
"""
_ROLE_GRANT = """\
apiVersion: mandate/v1
kind: RoleGrant
metadata: {{name: first-admin}}
spec:
  member: {email}
  roles: [{roles}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """The choices of `init`."""

    currency: str
    time_zone: str
    email: str
    name: str


def make_secrets(folder: Path) -> None:
    """Pepper and SECRET_KEY, readable by us alone, where missing; never replaces one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, value in (
        ("pepper", secrets.token_hex(32)),
        ("secret_key", secrets.token_urlsafe(48)),
    ):
        try:
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(value + "\n")


def found(operator: Principal, founding: Founding) -> tuple[str, Outcome]:
    """Make the first admin and revision 1; returns the one-time password. Raises Conflict when anything is published."""
    if control().revision:
        raise Conflict("this organisation exists already; init runs once")
    make_secrets(settings.MANDATE_KEYS_DIR)
    password = secrets.token_urlsafe(12)
    admin = User.objects.filter(email=founding.email.lower()).first()
    if admin is None:
        create_member(operator, founding.email, founding.name, password)
    else:
        set_password(operator, admin, password)
    at = mandate_now()
    with transaction.atomic():
        append_entry(
            "organisation.initialised",
            actor=operator.actor,
            at=at,
            data={"currency": founding.currency, "timeZone": founding.time_zone},
        )
    put = parse_text(documents(founding), "init")
    return password, publish(Edits(actor=operator.actor, origin="console", put=put))


def documents(founding: Founding) -> str:
    """Revision 1 as YAML: the Organisation, and the first admin's roles."""
    rates = _RATES if founding.currency == "EUR" else ""
    organisation = _ORGANISATION.format(
        currency=founding.currency, time_zone=founding.time_zone, rates=rates
    )
    grant = _ROLE_GRANT.format(email=founding.email.lower(), roles=", ".join(ROLES))
    return f"{organisation}---\n{grant}"
