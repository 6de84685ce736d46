"""A stop is told to a webhook by the real jobs worker, signed; a mail without a mail server says why it waits."""

import json
import time
from pathlib import Path
from typing import Any

from routing.notifications.signing import headers
from tests.journeys.installation import Installation
from tests.routing.notifications.receivers import Got, receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TENANT = "j-stopped"
DOCUMENTS = """\
apiVersion: mandate/v1
kind: Notification
metadata: {{name: alarm, tenant: {tenant}}}
spec: {{on: [stop.set, stop.lifted], to: {{webhook: "{url}", credential: secret:j-hook}}}}
---
apiVersion: mandate/v1
kind: Notification
metadata: {{name: mail, tenant: {tenant}}}
spec: {{on: [stop.set], to: {{email: finn@acme.example}}}}
"""
SECONDS = 60


def wait(told: list[Got], number: int) -> None:
    ends = time.monotonic() + SECONDS
    while len(told) < number:
        assert time.monotonic() < ends, f"{len(told)} of {number} arrived"
        time.sleep(0.1)


def mails(mandate: Installation) -> list[dict[str, Any]]:
    return mandate.rows(
        "SELECT state, error FROM routing_delivery WHERE tenant = %s AND way = 'email' AND error <> ''",
        TENANT,
    )


def test_a_stop_is_told_to_the_webhook_of_its_tenant(mandate: Installation, tmp_path: Path) -> None:
    secrets = mandate.home / "secrets"
    with receiver() as hook:
        (secrets / "j-hook").write_text(SECRET)
        (secrets / "j-hook.hosts").write_text(f"127.0.0.1:{hook.port}")
        (tmp_path / "told.yaml").write_text(DOCUMENTS.format(tenant=TENANT, url=hook.url))
        mandate.apply(tmp_path)
        made = mandate.operate(
            "stop", "set", "route", "own", "--tenant", TENANT, "--reason", "SECRET WORDS", "--json"
        )
        mandate.operate("stop", "lift", json.loads(made)["id"])
        wait(hook.got, 2)
        told = [json.loads(got.body) for got in hook.got]
        assert sorted(body["type"] for body in told) == ["stop.lifted", "stop.set"]
        assert {body["data"]["scope"] for body in told} == {"route own"}
        assert {body["data"]["tenant"] for body in told} == {TENANT}
        for got in hook.got:
            stamp = int(got.headers["webhook-timestamp"])
            wanted = headers(SECRET, got.headers["webhook-id"], stamp, got.body)
            assert got.headers["webhook-signature"] == wanted["webhook-signature"]
            assert b"SECRET WORDS" not in got.body
    ends = time.monotonic() + SECONDS
    while not (found := mails(mandate)):
        assert time.monotonic() < ends
        time.sleep(0.1)
    assert found == [
        {
            "state": "waiting",
            "error": "no mail server is configured: set MANDATE_MAIL_FROM and MANDATE_MAIL_HOST",
        }
    ]
