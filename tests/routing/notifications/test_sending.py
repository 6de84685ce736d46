"""Deliveries over real SMTP and real HTTP: signed, again where they fail, given up in the end, never to a private address."""

import json
import time
from datetime import timedelta

import pytest
from django.conf import LazySettings

from controlplane.kernel.clock import system_clock
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.notifications.models import Delivery
from routing.notifications.sending import LEASE, PAUSES, send_due
from routing.notifications.signing import headers
from tests.routing.notifications.conftest import SECRET, send
from tests.routing.notifications.receivers import Mailbox, Receiver

TOLD = {
    "type": "stop.set",
    "timestamp": "2026-11-28T20:00:00.000Z",
    "data": {
        "title": "A stop was set: route triage",
        "tenant": "insurance",
        "notification": "insurance / alarm",
        "url": "https://mandate.acme.example/stops/",
        "scope": "route triage",
        "empty": "",
    },
}


def waiting(place: str, way: str, target: str, **more: object) -> Delivery:
    """A delivery that is due."""
    now = mandate_now()
    return Delivery.objects.create(
        id=new_id(),
        next_at=now,
        tenant=place,
        document="alarm",
        event="stop.set",
        occurrence=new_id().hex,
        way=way,
        target=target,
        told=TOLD,
        credential="secret:hook" if way == "webhook" else "",
        **more,
    )


def test_a_webhook_is_signed_and_says_what_happened(place: str, hook: Receiver) -> None:
    began = int(time.time())
    row = send(waiting(place, "webhook", hook.url))
    assert (row.state, row.error, row.tries) == ("sent", "", 1)
    assert row.sent_at is not None
    (got,) = hook.got
    assert (got.path, json.loads(got.body)) == ("/hook", TOLD)
    assert got.headers["content-type"] == "application/json"
    stamp = int(got.headers["webhook-timestamp"])
    assert began <= stamp <= time.time()
    wanted = headers(SECRET, f"msg_{row.id.hex}", stamp, got.body)
    assert {name: got.headers[name] for name in wanted} == wanted
    assert SECRET not in repr(got)


def test_what_was_sent_is_not_sent_again(place: str, hook: Receiver) -> None:
    send(waiting(place, "webhook", hook.url))
    assert send_due() == 0
    assert len(hook.got) == 1


def test_a_receiver_that_fails_is_asked_again_later_under_the_same_id(
    place: str, hook: Receiver
) -> None:
    hook.answers = [(500, ""), (204, "")]
    row = send(waiting(place, "webhook", hook.url))
    assert (row.state, row.error, row.tries) == ("waiting", "answered 500", 1)
    assert timedelta(seconds=5) < row.next_at - mandate_now() <= PAUSES[0]
    assert send_due() == 0
    row = send(row)
    assert (row.state, row.error, row.tries) == ("sent", "", 2)
    assert len({got.headers["webhook-id"] for got in hook.got}) == 1


def test_after_the_last_try_it_is_given_up(place: str, hook: Receiver) -> None:
    hook.answers = [(503, "")]
    row = waiting(place, "webhook", hook.url, tries=len(PAUSES) - 1)
    row = send(row)
    assert (row.state, row.tries) == ("waiting", 7)
    assert row.next_at - mandate_now() > timedelta(hours=11)
    row = send(row)
    assert (row.state, row.error, row.tries) == ("failed", "answered 503", 8)
    Delivery.objects.filter(pk=row.pk).update(next_at=mandate_now())
    assert send_due() == 0


def test_a_receiver_that_is_gone_is_not_asked_again(place: str, hook: Receiver) -> None:
    hook.answers = [(410, "")]
    row = send(waiting(place, "webhook", hook.url))
    assert (row.state, row.error, row.tries) == ("failed", "answered 410", 1)


def test_a_redirect_is_not_followed(place: str, hook: Receiver) -> None:
    hook.answers = [(307, f"{hook.url}/elsewhere"), (204, "")]
    row = send(waiting(place, "webhook", hook.url))
    assert (row.state, row.error) == ("waiting", "answered 307; redirects are not followed")
    assert [got.path for got in hook.got] == ["/hook"]


def test_an_address_that_is_not_listed_gets_nothing(
    place: str, hook: Receiver, settings: LazySettings
) -> None:
    (settings.MANDATE_SECRETS_DIR / "hook.hosts").write_text("hooks.example")
    row = send(waiting(place, "webhook", hook.url))
    assert row.state == "waiting"
    assert row.error == (
        f'secret "hook" may be sent to hooks.example, not to 127.0.0.1:{hook.port}; an operator lists hosts beside it'
    )
    assert hook.got == []


def test_a_listed_name_that_leads_to_a_private_address_gets_nothing(
    place: str, hook: Receiver, settings: LazySettings
) -> None:
    (settings.MANDATE_SECRETS_DIR / "hook.hosts").write_text(f"localhost:{hook.port}")
    row = send(waiting(place, "webhook", f"http://localhost:{hook.port}/hook"))
    assert row.state == "waiting"
    assert row.error.startswith('"localhost" resolves to ')
    assert "a private, loopback, link-local or metadata address" in row.error
    assert hook.got == []


def test_a_secret_that_is_gone_is_said(place: str, hook: Receiver, settings: LazySettings) -> None:
    (settings.MANDATE_SECRETS_DIR / "hook").unlink()
    row = send(waiting(place, "webhook", hook.url))
    assert row.error.startswith('there is no secret "hook"')
    assert hook.got == []


def test_nobody_there_is_said(place: str, hook: Receiver, settings: LazySettings) -> None:
    (settings.MANDATE_SECRETS_DIR / "hook.hosts").write_text("127.0.0.1:9")
    row = send(waiting(place, "webhook", "http://127.0.0.1:9/hook"))
    assert (row.state, row.error) == (
        "waiting",
        "Connect call failed ('127.0.0.1', 9)",
    )


def test_a_mail_says_it_in_lines(place: str, mailbox: Mailbox) -> None:
    row = send(waiting(place, "email", "finn@acme.example"))
    assert (row.state, row.error) == ("sent", "")
    (got,) = mailbox.got
    assert (got["from"], got["to"]) == ("mandate@acme.example", "finn@acme.example")
    assert got["subject"] == "Acme: A stop was set: route triage"
    assert got["x-mandate-delivery"] == row.id.hex
    assert mailbox.to == ["rcpt TO:<finn@acme.example>"]
    assert got.get_content().replace("\r\n", "\n") == (
        "A stop was set: route triage.\n\nhttps://mandate.acme.example/stops/\n\n"
        "stop.set at 2026-11-28T20:00:00.000Z\nscope: route triage\ntenant: insurance\n\n"
        "You get this since the Notification insurance / alarm of Acme's Mandate names you.\n"
    )


def test_a_mail_server_that_refuses_is_said_and_asked_again(place: str, mailbox: Mailbox) -> None:
    mailbox.refuses = True
    row = send(waiting(place, "email", "finn@acme.example"))
    assert (row.state, row.tries) == ("waiting", 1)
    assert row.error == "the mail server did not take it: SMTPRecipientsRefused"
    mailbox.refuses = False
    assert send(row).state == "sent"


def test_without_a_mail_server_the_delivery_says_so(place: str, settings: LazySettings) -> None:
    settings.MANDATE_MAIL_FROM = ""
    row = send(waiting(place, "email", "finn@acme.example"))
    assert (row.state, row.error) == (
        "waiting",
        "no mail server is configured: set MANDATE_MAIL_FROM and MANDATE_MAIL_HOST",
    )


def test_a_sender_that_died_gives_its_deliveries_back(
    place: str, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = waiting(place, "webhook", hook.url)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("routing.notifications.sending._post_all", die)
        with pytest.raises(KeyboardInterrupt):
            send(row)
    row.refresh_from_db()
    assert (row.state, row.tries) == ("waiting", 1)
    assert LEASE - timedelta(minutes=1) < row.next_at - mandate_now() <= LEASE
    assert (send(row).state, len(hook.got)) == ("sent", 1)


def test_two_senders_take_different_deliveries(place: str, hook: Receiver) -> None:
    row = waiting(place, "webhook", hook.url)
    send(row)
    late = Delivery.objects.get(pk=row.pk)
    Delivery.objects.filter(pk=row.pk).update(state="waiting", next_at=system_clock())
    # whoever overslept the lease writes nothing over the next one's try
    Delivery.objects.filter(pk=row.pk).update(tries=late.tries + 1)
    assert send(Delivery.objects.get(pk=row.pk)).tries == late.tries + 2
