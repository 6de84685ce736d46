"""A tenant with Notification documents, its secrets, and the log read to its end."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from policies.identity.models import Team, Tenant
from policies.order.lock import mandate_now
from routing.notifications.deriving import derive
from routing.notifications.models import Delivery, Notified
from routing.notifications.sending import send_due
from tests.policies.texts import ensure_organisation, put
from tests.routing.notifications.receivers import Mailbox, Receiver, mail_server, receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def notification(name: str, of: str, on: str, to: str) -> str:
    """A Notification document; of a tenant, or of the organisation."""
    place = f", tenant: {of}" if of else ""
    return (
        f"apiVersion: mandate/v1\nkind: Notification\nmetadata: {{name: {name}{place}}}\n"
        f"spec: {{on: [{on}], to: {{{to}}}}}\n"
    )


def tell(of: str, on: str, to: str = "email: finn@acme.example", name: str = "mail") -> None:
    """Publish one."""
    ours = f"apiVersion: mandate/v1\nkind: Tenant\nmetadata: {{name: {of}}}\nspec: {{teams: [claims]}}\n"
    put(*([ours] if of else []), notification(name, of, on, to))


def read_on() -> None:
    """Make deliveries of everything that is committed now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        mine = cursor.fetchone()[0]
    ends = time.monotonic() + 60
    while Notified.objects.get(pk=1).xid <= mine:
        assert time.monotonic() < ends, "another transaction holds the horizon back"
        derive()
        time.sleep(0.01)


def deliveries(of: str, event: str = "") -> list[Delivery]:
    """What a place's Notifications made, oldest first."""
    rows = Delivery.objects.filter(tenant=of).order_by("pk")
    return list(rows.filter(event=event) if event else rows)


def send(row: Delivery) -> Delivery:
    """Try one delivery now, and nothing that other tests left."""
    Delivery.objects.exclude(pk=row.pk).filter(state="waiting").update(state="failed")
    Delivery.objects.filter(pk=row.pk).update(next_at=mandate_now())
    assert send_due() == 1
    row.refresh_from_db()
    return row


@pytest.fixture(autouse=True)
def _organisation(application_role: None, settings: LazySettings, tmp_path: Path) -> None:
    settings.MANDATE_URL = "https://mandate.acme.example"
    settings.MANDATE_SECRETS_DIR = tmp_path / "secrets"
    settings.MANDATE_SECRETS_DIR.mkdir()
    settings.MANDATE_KEYS_DIR = tmp_path / "keys"
    settings.MANDATE_KEYS_DIR.mkdir()
    (settings.MANDATE_KEYS_DIR / "pepper").write_text(bytes(32).hex())
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    ensure_organisation()


@pytest.fixture
def application_role(transactional_db: None) -> Iterator[None]:
    """Asserts that the test ran as the application role."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == (connection.settings_dict["USER"],)


@pytest.fixture
def place() -> str:
    """A tenant with one team, `claims`; its name."""
    row = Tenant(slug=f"t-{secrets.token_hex(4)}")
    row.save(actor="cli:test")
    Team(tenant=row, slug="claims").save(actor="cli:test")
    return row.slug


@pytest.fixture
def hook(settings: LazySettings) -> Iterator[Receiver]:
    """A receiver that an operator listed beside the secret `hook`."""
    with receiver() as found:
        (settings.MANDATE_SECRETS_DIR / "hook").write_text(SECRET)
        (settings.MANDATE_SECRETS_DIR / "hook.hosts").write_text(f"127.0.0.1:{found.port}")
        yield found


@pytest.fixture
def mailbox(settings: LazySettings) -> Iterator[Mailbox]:
    """The mail server that the installation is told of."""
    with mail_server() as found:
        settings.MANDATE_MAIL_FROM = "mandate@acme.example"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", found.port
        yield found
