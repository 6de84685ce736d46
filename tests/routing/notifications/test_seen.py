"""Deliveries as people see them: the page and the API, with a tenant's readers before a tenant's deliveries alone."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from policies.identity import commands, members
from policies.identity.models import User
from policies.management.cli import operator
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.notifications.forgetting import forget
from routing.notifications.models import Delivery
from tests.policies.people import entries
from tests.policies.texts import put, tenant
from tests.refusing import refuses_first

GRANT = """\
apiVersion: mandate/v1
kind: RoleGrant
metadata: {{name: {name}{place}}}
spec: {{member: {name}@acme.example, roles: [{role}]}}
"""
Caller = Callable[[str], tuple[int, Any]]


def person(role: str, place: str = "") -> str:
    """A member with the role there; the name before the @."""
    name = f"{role}-{secrets.token_hex(4)}"
    members.create_member(operator(), f"{name}@acme.example", role.title())
    texts = [tenant(place, "claims")] if place else []
    put(*texts, GRANT.format(name=name, role=role, place=f", tenant: {place}" if place else ""))
    return name


def api(name: str) -> Caller:
    user = User.objects.get(email=f"{name}@acme.example")
    shown = commands.create_token(operator(), user).shown
    client = Client(headers={"host": "localhost", "authorization": f"Bearer {shown}"})

    def get(query: str = "") -> tuple[int, Any]:
        answer = client.get(f"/api/v1/notifications/{query}")
        return answer.status_code, answer.json()

    return get


def delivery(place: str, state: str = "waiting", error: str = "") -> Delivery:
    at = mandate_now()
    return Delivery.objects.create(
        id=new_id(),
        made_at=at,
        next_at=at,
        sent_at=at if state == "sent" else None,
        tries=1,
        tenant=place,
        document="alarm",
        event="stop.set",
        occurrence=secrets.token_hex(8),
        way="email",
        target="finn@acme.example",
        state=state,
        error=error,
        told={"type": "stop.set", "data": {"title": "A stop was set: <b>route</b>"}},
    )


@pytest.fixture(autouse=True)
def _none_but_ours() -> None:
    Delivery.objects.update(state="failed")


def test_an_auditor_of_a_tenant_sees_its_deliveries_and_no_others(place: str) -> None:
    other = f"t-{secrets.token_hex(4)}"
    row, _, _ = delivery(place, "failed", "answered 503"), delivery(other), delivery("")
    status, found = api(person("auditor", place))("")
    assert (status, found["next"]) == (200, None)
    assert found["items"] == [
        {
            "id": str(row.id),
            "tenant": place,
            "notification": "alarm",
            "event": "stop.set",
            "way": "email",
            "target": "finn@acme.example",
            "state": "failed",
            "tries": 1,
            "error": "answered 503",
            "madeAt": found["items"][0]["madeAt"],
            "nextAt": None,
            "sentAt": None,
            "told": {"type": "stop.set", "data": {"title": "A stop was set: <b>route</b>"}},
        }
    ]
    everything = api(person("admin"))("?limit=3")[1]["items"]
    assert [item["tenant"] for item in everything] == ["", other, place]


def test_filters_and_pages(place: str) -> None:
    rows = [delivery(place, state) for state in ("sent", "failed", "sent", "sent")]
    get = api(person("admin", place))
    status, first = get("?state=sent&limit=2")
    assert (status, [item["id"] for item in first["items"]]) == (200, [str(rows[3].id), str(rows[2].id)])  # fmt: skip
    rest = get(f"?state=sent&limit=2&cursor={first['next']}")[1]
    assert ([item["id"] for item in rest["items"]], rest["next"]) == ([str(rows[0].id)], None)
    assert get("?event=budget.alert")[1]["items"] == []
    assert get("?state=lost")[0] == 400
    assert get("?event=stop.sett")[0] == 400


@pytest.mark.parametrize("role", ["developer", "finance", "author", "reviewer"])
def test_who_does_not_read_the_log_sees_none(place: str, role: str) -> None:
    delivery(place)
    assert api(person(role, place))("")[0] == 403


def page(name: str, path: str = "/settings/notifications/") -> tuple[int, str]:
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(email=f"{name}@acme.example"))
    answer = client.get(path)
    return answer.status_code, answer.content.decode()


def test_the_page_says_what_was_given_up_and_why(place: str) -> None:
    delivery(place, "failed", "answered 503")
    delivery(place, "sent")
    ada = person("admin", place)
    status, text = page(ada)
    assert status == 200
    # two lines, and the button that sends the one again says which
    assert text.count("A stop was set: &lt;b&gt;route&lt;/b&gt;") == 3
    assert text.index("sent") < text.index("given up") < text.index("answered 503")
    assert f'href="/documents/Notification/{place}/alarm/"' in text
    status, text = page(ada, "/settings/notifications/?state=failed")
    assert text.count("A stop was set") == 2
    assert page(ada, "/settings/notifications/?before=nonsense")[0] == 404
    assert "/settings/notifications/" in page(ada, "/settings/")[1]


def test_the_page_is_not_for_developers(place: str) -> None:
    delivery(place)
    tariq = person("developer", place)
    status, text = page(tariq)
    assert (status, "A stop was set" in text) == (403, False)
    assert "/settings/notifications/" not in page(tariq, "/settings/")[1]


def send_again(name: str, row: Delivery) -> int:
    user = User.objects.get(email=f"{name}@acme.example")
    shown = commands.create_token(operator(), user).shown
    client = Client(headers={"host": "localhost", "authorization": f"Bearer {shown}"})
    return client.post(f"/api/v1/notifications/{row.id}/repeat/").status_code


@refuses_first("identity.create_token", "notifications.repeat")
def test_what_was_given_up_is_sent_again_by_an_admin_once(place: str) -> None:
    row, ada = delivery(place, "failed", "answered 503"), person("admin", place)
    assert 'aria-label="Send again: A stop was set' in page(ada)[1]
    assert [send_again(ada, row), send_again(ada, row)] == [200, 409]
    row.refresh_from_db()
    assert (row.state, row.tries, row.next_at <= mandate_now()) == ("waiting", 0, True)
    (told,) = entries(kind="delivery.repeated", tenant=place)
    assert told["data"] == {"event": "stop.set", "notification": "alarm", "tries": 1}
    assert (told["actor"], told["subject"]) == (f"member:{ada}@acme.example", f"delivery:{row.id.hex}")  # fmt: skip
    assert send_again(ada, delivery(place, "sent")) == 409


@pytest.mark.parametrize(
    ("role", "status"), [("auditor", 403), ("approver", 403), ("finance", 403)]
)
def test_who_only_reads_sends_nothing(place: str, role: str, status: int) -> None:
    row, name = delivery(place, "failed"), person(role, place)
    assert send_again(name, row) == status
    assert send_again(person("admin", f"t-{secrets.token_hex(4)}"), row) == 404
    row.refresh_from_db()
    assert (row.state, entries(kind="delivery.repeated", tenant=place)) == ("failed", [])
    if role != "finance":
        assert "Send again" not in page(name)[1]


def test_what_ended_ninety_days_ago_is_forgotten_and_what_waits_is_not(place: str) -> None:
    now = mandate_now()
    old = [delivery(place, state) for state in ("sent", "failed", "waiting")]
    for row in old:
        Delivery.objects.filter(pk=row.pk).update(made_at=now - timedelta(days=90, seconds=1))
    young = delivery(place, "sent")
    assert forget(now) == 2
    kept = Delivery.objects.filter(tenant=place).order_by("pk")
    assert list(kept) == [old[2], young]
