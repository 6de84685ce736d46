import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from audit.log.entry import MAX_BODY_BYTES, BadEntry, Entry, build
from audit.log.kinds import KINDS, Group, OfCall, of_group
from audit.merkle.canonical import NotCanonical, transform

ID = UUID("01a20b4c-200b-7ca7-9cdb-b4416011e3c2")
CALL = UUID("01a20b4c-200b-7ca7-9cdb-b4416011e3c3")
AT = datetime(2026, 11, 24, 2, 4, 28, 43_999, tzinfo=UTC)


def made(kind: str = "key.created", **fields: Any) -> Entry:
    return build(
        kind, **{"id": ID, "at": AT, "actor": "member:ada@acme.example", "data": {}, **fields}
    )


def test_an_entry_is_canonical_bytes_with_every_member() -> None:
    entry = made(
        "call.admitted",
        call=CALL,
        tenant="insurance",
        subject="claims-triage",
        data={"b": 1, "a": "é"},
    )
    assert entry == Entry(ID, "call.admitted", CALL, "insurance", entry.body)
    assert entry.body.decode() == (
        '{"actor":"member:ada@acme.example","at":"2026-11-24T02:04:28.043Z",'
        '"call":"01a20b4c200b7ca79cdbb4416011e3c3","data":{"a":"é","b":1},'
        '"id":"01a20b4c200b7ca79cdbb4416011e3c2","kind":"call.admitted","schema":1,'
        '"subject":"claims-triage","tenant":"insurance"}'
    )
    assert transform(entry.body) == entry.body


def test_what_is_not_given_is_empty() -> None:
    body = json.loads(made().body)
    assert (body["call"], body["subject"], body["tenant"], body["data"]) == (None, "", "", {})


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("call.invented", {}, '"call.invented" is not a kind of entry; see audit.log.kinds'),
        ("key.created", {"actor": ""}, '"" is no actor; write it like "member:ada@acme.example"'),
        (
            "key.created",
            {"actor": "ada"},
            '"ada" is no actor; write it like "member:ada@acme.example"',
        ),
        ("call.admitted", {}, "call.admitted needs the id of its call"),
        ("key.created", {"call": CALL}, "key.created belongs to no call"),
    ],
)
def test_an_entry_that_may_not_be_is_refused(
    kind: str, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadEntry) as refused:
        made(kind, **fields)
    assert str(refused.value) == message


def test_a_kind_of_both_sorts_may_have_a_call() -> None:
    assert made("content.viewed", call=CALL).call == CALL
    assert made("content.viewed").call is None


def test_the_body_has_a_limit() -> None:
    room = MAX_BODY_BYTES - len(made(data={"text": ""}).body)
    assert len(made(data={"text": "x" * room}).body) == 65_535
    with pytest.raises(BadEntry, match="65536 bytes"):
        made(data={"text": "x" * (room + 1)})


def test_floats_never_come_into_an_entry() -> None:
    with pytest.raises(NotCanonical):
        made(data={"cost": 0.1})


def test_kinds_are_named_once_and_every_group_has_some() -> None:
    assert all(name == kind.name and "." in name for name, kind in KINDS.items())
    assert sum(len(of_group(group)) for group in Group) == len(KINDS)
    assert all(of_group(group) for group in Group)
    assert {kind.of_call for kind in KINDS.values() if kind.name.startswith("call.")} == {
        OfCall.ALWAYS
    }


def test_every_transition_of_a_call_and_an_attempt_has_its_kind() -> None:
    calls = "denied admitted held released completed failed cancelled"
    attempts = "started succeeded failed unknown reconciled voided"
    assert of_group(Group.CALLS) == tuple(f"call.{name}" for name in calls.split())
    assert of_group(Group.ATTEMPTS) == tuple(f"attempt.{name}" for name in attempts.split())
