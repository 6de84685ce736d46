"""Send what is due: take deliveries for a while, send each, write down what came of it.

1. Take a batch under a lease, in one short transaction; a sender that dies gives them back when the lease is over. 2. Webhooks
at once, mails one after the other; no transaction is open meanwhile. 3. Write the outcome: sent, later, or given up. So a
delivery may arrive twice, under the same id, and is never lost.
"""

import asyncio
import json
import smtplib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import httpx2
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction

from policies.bundles.published import published
from policies.order.lock import mandate_now
from policies.secrets.store import Secrets, SecretUnavailable
from routing.notifications import signing
from routing.notifications.models import FAILED, SENT, WAITING, Delivery
from routing.transport.guarded import GuardedTransport

BATCH = 20
LEASE = timedelta(minutes=6)
"""Longer than a batch takes at worst: twenty mail servers that time out."""
PAUSES = tuple(timedelta(seconds=s) for s in (10, 60, 300, 1_800, 7_200, 21_600, 43_200))
"""After each failed try; then it is given up, most of a day after the event."""
CONNECT_SECONDS, TOTAL_SECONDS = 5.0, 15.0
_LARGEST_ANSWER = 64 * 1024
_LONGEST_ERROR = 300
_GONE = 410


@dataclass(frozen=True, slots=True)
class Tried:
    """What one try came to: no error is success; `final` means that trying again is of no use."""

    error: str = ""
    final: bool = False


def send_due() -> int:
    """Try every delivery that is due, one batch; how many."""
    rows = _take()
    webhooks = [row for row in rows if row.way == "webhook"]
    outcomes = asyncio.run(_post_all(webhooks)) if webhooks else []
    for row, tried in zip(webhooks, outcomes, strict=True):
        _settle(row, tried)
    for row in rows:
        if row.way == "email":
            _settle(row, _mail(row))
    return len(rows)


def _take() -> Sequence[Delivery]:
    now = mandate_now()
    due = Delivery.objects.filter(state=WAITING, next_at__lte=now).order_by("next_at")
    with transaction.atomic():
        rows = list(due.select_for_update(skip_locked=True)[:BATCH])
        for row in rows:
            row.tries += 1
            row.next_at = now + LEASE
        Delivery.objects.bulk_update(rows, ["tries", "next_at"])
    return rows


def _settle(row: Delivery, tried: Tried) -> None:
    """Only where no later try has it: a sender that overslept its lease changes nothing."""
    now = mandate_now()
    mine = Delivery.objects.filter(pk=row.pk, state=WAITING, tries=row.tries)
    if not tried.error:
        mine.update(state=SENT, sent_at=now, error="")
        return
    told = tried.error[:_LONGEST_ERROR]
    if tried.final or row.tries > len(PAUSES):
        mine.update(state=FAILED, error=told)
        return
    mine.update(error=told, next_at=now + PAUSES[row.tries - 1])


async def _post_all(rows: Iterable[Delivery]) -> list[Tried]:
    secrets = Secrets(settings.MANDATE_SECRETS_DIR)
    return list(await asyncio.gather(*(_post(row, secrets) for row in rows)))


async def _post(row: Delivery, secrets: Secrets) -> Tried:
    wrong = secrets.problem(row.credential, row.target)
    if wrong is not None:
        return Tried(wrong)
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            return _judged(await _status(row, secrets))
    except TimeoutError:
        return Tried(f"no answer within {TOTAL_SECONDS:g} seconds")
    except (httpx2.HTTPError, SecretUnavailable) as error:
        return Tried(str(error) or type(error).__name__)


async def _status(row: Delivery, secrets: Secrets) -> int:
    """The status that the receiver answered; its body is nobody's affair."""
    secret = secrets.get(row.credential)
    body = json.dumps(row.told, sort_keys=True, separators=(",", ":")).encode()
    headers = {
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": "mandate",
        **signing.headers(secret.value, f"msg_{row.id.hex}", int(time.time()), body),
    }
    transport = GuardedTransport(row.target, secret.hosts, largest_answer=_LARGEST_ANSWER)
    patience = httpx2.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS)
    async with httpx2.AsyncClient(
        transport=transport, follow_redirects=False, trust_env=False, timeout=patience
    ) as client:
        sent = client.build_request("POST", row.target, content=body, headers=headers)
        answer = await client.send(sent, stream=True)
        await answer.aclose()
        return answer.status_code


def _judged(status: int) -> Tried:
    if 200 <= status < 300:
        return Tried()
    if 300 <= status < 400:
        return Tried(f"answered {status}; redirects are not followed")
    return Tried(f"answered {status}", final=status == _GONE)


def _mail(row: Delivery) -> Tried:
    if not settings.MANDATE_MAIL_FROM:
        return Tried("no mail server is configured: set MANDATE_MAIL_FROM and MANDATE_MAIL_HOST")
    organisation = published().organisation_name
    message = EmailMessage(
        subject=f"{organisation}: {row.told['data']['title']}",
        body=_lines(row, organisation),
        from_email=settings.MANDATE_MAIL_FROM,
        to=[row.target],
        headers={"X-Mandate-Delivery": row.id.hex, "Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except (OSError, smtplib.SMTPException) as error:
        return Tried(f"the mail server did not take it: {type(error).__name__}")
    return Tried()


def _lines(row: Delivery, organisation: str) -> str:
    data = dict(row.told["data"])
    title, url, document = data.pop("title"), data.pop("url"), data.pop("notification")
    facts = "".join(f"{name}: {value}\n" for name, value in sorted(data.items()) if value)
    why = f"the Notification {document} of {organisation}'s Mandate names you"
    if not document:
        why = f"{organisation}'s Mandate has you as the owner of what this is about"
    return (
        f"{title}.\n\n{url}\n\n{row.event} at {row.told['timestamp']}\n{facts}\n"
        f"You get this since {why}.\n"
    )
