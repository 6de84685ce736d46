"""What one person may publish alone: exactly what cannot permit more than before."""

from itertools import pairwise

import pytest

from policies.bundles.rules import Touched
from policies.changes.tightening import loosens
from policies.documents.document import Document
from policies.documents.parse import parse_text
from tests.policies.changes.world import FOUR_EYES, budget, grant
from tests.policies.texts import permission, tenant

HARD = permission("p", effect="forbid")
SOFT = HARD + "  level: soft\n"
ADVISORY = HARD + "  level: advisory\n"
PERMIT = permission("p")
OBLIGED = PERMIT + "  obligations: {redact: [card]}\n"
BUDGET = budget("b", "t")
RATE = (
    "apiVersion: mandate/v1\nkind: RateLimit\nmetadata: {name: r}\n"
    "spec: {scope: {}, requestsPerMinute: 600, concurrent: 50}\n"
)
EXCEPTION = (
    "apiVersion: mandate/v1\nkind: Exception\nmetadata: {name: e}\n"
    "spec: {permission: p, scope: {}, reason: pilot, expiresOn: 2026-12-31}\n"
)


def one(text: str) -> Document | None:
    return parse_text(text)[0] if text else None


def why(before: str, after: str) -> list[str]:
    was, now = one(before), one(after)
    identity = (was or now).identity  # type: ignore[union-attr]  # one of them is there
    return [told.partition(": ")[2] for told in loosens([Touched(identity, was, now)])]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", SOFT),
        ("", ADVISORY),
        (ADVISORY, SOFT),
        (PERMIT, ""),
        ("", BUDGET),
        (BUDGET, BUDGET.replace("100.00", "9.50")),
        (BUDGET.replace("period", "hard: false, period"), BUDGET),
        ("", RATE),
        (RATE, RATE.replace("600", "60")),
        (RATE, RATE.replace("concurrent", "tokensPerMinute: 9, concurrent")),
        (EXCEPTION, ""),
        (EXCEPTION, EXCEPTION.replace("2026-12-31", "2026-12-01")),
    ],
)
def test_tightening(before: str, after: str) -> None:
    assert why(before, after) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", PERMIT),
        (SOFT, ""),
        (SOFT, ADVISORY),
        (SOFT, PERMIT),
        (SOFT, SOFT.replace("'true'", "'request.stream'")),
        (PERMIT, PERMIT.replace("'true'", "'request.stream'")),
        (OBLIGED, ""),
        (PERMIT.replace("on: call", "on: model"), ""),
        (BUDGET, ""),
        (BUDGET, BUDGET.replace("100.00", "100.01")),
        (BUDGET, BUDGET.replace("period", "hard: false, period")),
        (BUDGET, BUDGET.replace("finn", "eve")),
        (RATE, RATE.replace("600", "601")),
        (RATE, RATE.replace(", concurrent: 50", "")),
        (RATE, ""),
        ("", EXCEPTION),
        (EXCEPTION, EXCEPTION.replace("2026-12-31", "2027-01-01")),
        (EXCEPTION, EXCEPTION.replace("{name: e}", "{name: e, owner: eve@acme.example}")),
        (tenant("t", "a"), tenant("t")),
    ],
)
def test_not_tightening(before: str, after: str) -> None:
    assert why(before, after) == ["it does not only tighten"]


@pytest.mark.parametrize(("before", "after"), [*pairwise(("", HARD, SOFT, HARD, ""))])
def test_hard_forbids_need_another_person_whatever_is_done_to_them(before: str, after: str) -> None:
    assert why(before, after) == ["a hard forbid needs another person, always"]


@pytest.mark.parametrize("text", [grant("a@acme.example", "admin"), FOUR_EYES])
def test_grants_and_the_organisation_are_out_of_reach(text: str) -> None:
    for before, after in (("", text), (text, "")):
        assert why(before, after) == ["it needs another person, always"]


def test_every_document_is_judged_and_named() -> None:
    identity = ("Permission", "", "p")
    found = loosens(
        [
            Touched(identity, None, one(SOFT)),
            Touched(identity, None, one(PERMIT)),
            Touched(identity, None, None),
        ]
    )
    assert found == [
        "Permission p: it does not only tighten",
        "Permission p: its text cannot be read",
    ]
