"""History carries revision and actor; a write without an actor is an error and writes nothing."""

import secrets

import pytest
from django.db import ProgrammingError, transaction

from controlplane.kernel.clock import system_clock
from policies.bundles.models import Document
from policies.identity.history import (
    ActorMissing,
    record_changed,
    record_created,
    record_deleted,
)
from policies.identity.models import Tenant, User
from policies.order.entries import append_entry

pytestmark = pytest.mark.usefixtures("application_role")


def _slug() -> str:
    return f"t-{secrets.token_hex(4)}"


def _versions(slug: str) -> list[tuple[str, int, str, bool]]:
    rows = Tenant.history.filter(slug=slug).order_by("history_id")
    return [(r.history_type, r.revision, r.actor, r.archived_at is not None) for r in rows]


def test_a_row_keeps_who_wrote_each_version_and_under_which_revision() -> None:
    row = Tenant(slug=_slug())
    row.save(actor="cli:root", revision=3)
    row.save(actor="member:ada@acme.example", revision=4)
    assert _versions(row.slug) == [
        ("+", 3, "cli:root", False),
        ("~", 4, "member:ada@acme.example", False),
    ]


def test_a_row_without_an_actor_is_not_written() -> None:
    slug = _slug()
    with pytest.raises(ActorMissing):
        Tenant(slug=slug).save()
    assert not Tenant.objects.filter(slug=slug).exists()
    assert _versions(slug) == []


def test_an_older_actor_does_not_count() -> None:
    row = Tenant(slug=_slug())
    row.save(actor="cli:root", revision=1)
    found = Tenant.objects.get(slug=row.slug)
    with pytest.raises(ActorMissing):
        found.save()
    assert _versions(row.slug) == [("+", 1, "cli:root", False)]


def _document(name: str) -> Document:
    return Document(kind="Permission", tenant="", name=name, body="{}", source="", origin="git")


def _document_versions(name: str) -> list[tuple[str, int, str, str]]:
    rows = Document.history.filter(name=name).order_by("history_id")
    return [(r.history_type, r.revision, r.actor, r.body) for r in rows]


def _said() -> None:
    """The entry that documents need."""
    append_entry("document.taken-over", actor="cli:root", at=system_clock())


def test_many_rows_in_bulk() -> None:
    rows = [_document(_slug()) for _ in range(3)]
    with transaction.atomic():
        _said()
        record_created(rows, actor="cli:root", revision=1)
        for row in rows:
            row.body = "[]"
        record_changed(rows, ["body"], actor="cli:eve", revision=2)
        record_deleted(rows, actor="cli:mallory", revision=3)
    for row in rows:
        assert _document_versions(row.name) == [
            ("+", 1, "cli:root", "{}"),
            ("~", 2, "cli:eve", "[]"),
            ("-", 3, "cli:mallory", "[]"),
        ]
    assert not Document.objects.filter(name__in=[row.name for row in rows]).exists()


@pytest.mark.parametrize("write", [record_created, record_deleted])
def test_bulk_writes_need_an_actor(write: object) -> None:
    assert callable(write)
    with pytest.raises(ActorMissing):
        write([Tenant(slug=_slug())], actor="")
    with pytest.raises(ActorMissing):
        record_changed([], ["archived_at"], actor="")


def test_a_deleted_row_says_who_did_it() -> None:
    row = _document(_slug())
    with transaction.atomic():
        _said()
        row.save(actor="cli:root")
        with pytest.raises(ActorMissing):
            row.delete()
        row.delete(actor="cli:eve")
    assert _document_versions(row.name) == [("+", 0, "cli:root", "{}"), ("-", 0, "cli:eve", "{}")]


def test_the_application_may_not_delete_people_tenants_keys_or_versions() -> None:
    row = Tenant(slug=_slug())
    row.save(actor="cli:root")
    with pytest.raises(ProgrammingError, match="permission denied"):
        row.delete(actor="cli:eve")
    with pytest.raises(ProgrammingError, match="permission denied"):
        row.history.update(actor="cli:nobody")
    assert _versions(row.slug) == [("+", 0, "cli:root", False)]


def test_history_of_a_member_has_no_password() -> None:
    user = User(email=f"{secrets.token_hex(4)}@acme.example", name="Ada")
    user.set_password("correct horse battery")
    user.save(actor="cli:root")
    assert not {"password", "last_login"} & {f.name for f in User.history.model._meta.fields}
    assert user.history.get().email == user.email


def test_a_sign_in_and_a_password_need_no_actor_but_all_else_does() -> None:
    user = User(email=f"{secrets.token_hex(4)}@acme.example", name="Ada")
    user.save(actor="cli:root")
    user.set_password("correct horse battery")
    user.save()
    assert User.objects.get(pk=user.pk).check_password("correct horse battery")
    user.save(update_fields=["last_login"])
    user.name = "Eve"
    with pytest.raises(ActorMissing):
        user.save()
    with pytest.raises(ActorMissing):
        user.save(update_fields=["name"])
    stored = User.objects.get(pk=user.pk)
    assert (stored.name, stored.history.count()) == ("Ada", 1)
