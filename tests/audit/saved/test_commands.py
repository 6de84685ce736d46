"""Saved views: kept by one member, opened by link, each step an entry."""

import pytest

from audit.saved import commands, read
from audit.saved.models import SavedView
from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.ids import IdSource
from controlplane.kernel.principal import Principal
from tests.policies.people import entries, member
from tests.refusing import refuses_first

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cleo() -> Principal:
    return member(f"cleo-{IdSource().new().hex[-12:]}", "auditor")


@refuses_first("saved.save", "saved.remove")
def test_a_view_is_kept_and_removed_and_both_are_entries(cleo: Principal) -> None:
    row = commands.save(cleo, "  EU   residency ", "what=policy&tenant=insurance")
    assert [(v.name, v.query) for v in read.own(cleo)] == [
        ("EU residency", "what=policy&tenant=insurance")
    ]
    assert read.anybodys(row.pk).query == "what=policy&tenant=insurance"
    commands.remove(cleo, row.pk)
    assert list(read.own(cleo)) == []
    told = entries(f"view:{row.pk.hex}")
    assert [(e["kind"], e["actor"]) for e in told] == [
        ("view.saved", cleo.actor),
        ("view.removed", cleo.actor),
    ]
    assert told[0]["data"] == {"name": "EU residency", "query": "what=policy&tenant=insurance"}
    with pytest.raises(NotFound):
        read.anybodys(row.pk)


def test_a_name_stands_once_and_is_needed(cleo: Principal) -> None:
    commands.save(cleo, "mine", "what=policy")
    for name, query, error in (
        ("mine", "what=stops", Conflict),
        (" ", "what=stops", InvalidRequest),
        ("x" * 81, "what=stops", InvalidRequest),
        ("everything", "", InvalidRequest),
    ):
        with pytest.raises(error):
            commands.save(cleo, name, query)
    assert read.own(cleo).count() == 1


def test_nobody_removes_anothers_view_and_readers_alone_keep_any(cleo: Principal) -> None:
    row = commands.save(cleo, "mine", "what=policy")
    with pytest.raises(NotFound):
        commands.remove(member("ada", "admin"), row.pk)
    with pytest.raises(Forbidden):
        commands.save(member("finn", "finance"), "x", "what=policy")
    with pytest.raises(Forbidden):
        commands.remove(member("finn", "finance"), row.pk)
    assert SavedView.objects.filter(pk=row.pk).count() == 1


def test_fifty_views_are_enough(cleo: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "MOST", 1)
    commands.save(cleo, "one", "what=policy")
    with pytest.raises(Conflict):
        commands.save(cleo, "two", "what=policy")
