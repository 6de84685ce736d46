"""Who must agree, as pure rules: the base bundle's words, and the floors below them."""

import pytest

from policies.bundles.rules import (
    Need,
    Touched,
    Yes,
    could_approve,
    is_hard_forbid,
    leaves_single_operator,
    may_help,
    needs,
    roles_at,
    single_operator,
    unmet,
)
from policies.documents.document import Document
from policies.documents.parse import parse_text
from tests.policies.changes.world import FOUR_EYES, budget, grant
from tests.policies.texts import ORGANISATION, permission, tenant


def base(text: str, *more: str) -> list[Document]:
    return parse_text("---\n".join((text, *more)))


def touch(before: str = "", after: str = "") -> Touched:
    """One document touched."""
    old, new = (parse_text(text)[0] if text else None for text in (before, after))
    found = new or old
    assert found is not None
    return Touched(found.identity, old, new)


SOFT = permission("p", "t", effect="forbid") + "  level: soft\n"
HARD = permission("p", "t", effect="forbid")


def test_without_any_word_one_approver_agrees() -> None:
    assert needs(base(FOUR_EYES), [touch(after=permission("p"))]) == [
        Need("Permission", 1, ("approver",))
    ]


def test_a_kind_of_its_own_goes_before_the_default() -> None:
    rules = FOUR_EYES + (
        "  approvals: {default: {count: 2, roles: [approver, admin]}, Budget: {count: 3, roles: [finance]}}\n"
    )
    wanted = needs(base(rules), [touch(after=budget("b", "t")), touch(after=permission("p"))])
    assert wanted == [
        Need("Budget", 3, ("finance",)),
        Need("Permission", 2, ("admin", "approver")),
    ]


@pytest.mark.parametrize(
    ("one", "count"),
    [
        (touch(after=permission("p")), 0),
        (touch(after=SOFT), 0),
        (touch(after=HARD), 1),
        (touch(before=HARD), 1),
        (touch(before=HARD, after=SOFT), 1),
        (touch(before=SOFT, after=HARD), 1),
        (touch(after=grant("x@acme.example", "admin")), 1),
        (touch(after=FOUR_EYES), 2),
        (touch(after=budget("b", "t")), 0),
    ],
)
def test_floors_stand_where_the_organisation_says_zero(one: Touched, count: int) -> None:
    zero = FOUR_EYES + "  approvals: {default: {count: 0}}\n"
    assert needs(base(zero), [one]) == [Need(one.identity[0], count, ("approver",))]


def test_one_hard_forbid_among_others_lifts_the_count_of_its_kind() -> None:
    zero = FOUR_EYES + "  approvals: {default: {count: 0}}\n"
    found = needs(base(zero), [touch(after=HARD), touch(after=permission("q"))])
    assert found == [Need("Permission", 1, ("approver",))]


def test_in_single_operator_mode_no_count_binds() -> None:
    three = ORGANISATION + "  approvals: {default: {count: 3}, Tenant: {count: 0}}\n"
    found = needs(base(three), [touch(after=ORGANISATION), touch(after=tenant("t", "x"))])
    assert found == [Need("Organisation", 1, ("approver",)), Need("Tenant", 0, ("approver",))]


def test_a_rule_that_names_nobody_means_approvers() -> None:
    nobody = FOUR_EYES + "  approvals: {default: {count: 1, roles: []}}\n"
    assert needs(base(nobody), [touch(after=SOFT)]) == [Need("Permission", 1, ("approver",))]


def test_people_are_counted_once_for_each_kind_whose_role_they_hold() -> None:
    wanted = [Need("Budget", 1, ("finance",)), Need("Permission", 2, ("approver",))]
    both = Yes("member:a", frozenset({"finance", "approver"}))
    other = Yes("member:b", frozenset({"approver"}))
    assert unmet(wanted, []) == wanted
    assert unmet(wanted, [both, both]) == [Need("Permission", 1, ("approver",))]
    assert unmet(wanted, [other]) == [
        Need("Budget", 1, ("finance",)),
        Need("Permission", 1, ("approver",)),
    ]
    assert unmet(wanted, [both, other]) == []


def test_who_may_help_holds_a_role_that_something_needs() -> None:
    wanted = [Need("Budget", 1, ("finance",)), Need("Tenant", 0, ("approver",))]
    assert may_help(wanted, {"finance"})
    assert not may_help(wanted, {"approver"})
    assert not may_help(wanted, ())


def test_roles_of_a_tenant_are_its_own_and_the_organisations() -> None:
    grants = base(
        grant("ann@acme.example", "auditor"),
        grant("ann@acme.example", "approver", of="t"),
        grant("ann@acme.example", "admin", of="other"),
        grant("bob@acme.example", "finance"),
    )
    assert roles_at(grants, "ANN@acme.example", "t") == {"auditor", "approver"}
    assert roles_at(grants, "ann@acme.example", "") == {"auditor"}
    assert roles_at(grants, "eve@acme.example", "t") == frozenset()


def test_hard_is_what_a_forbid_is_unless_it_says_otherwise() -> None:
    assert is_hard_forbid(parse_text(HARD)[0])
    assert not is_hard_forbid(parse_text(SOFT)[0])
    assert not is_hard_forbid(parse_text(permission("p"))[0])
    assert not is_hard_forbid(parse_text(tenant("t"))[0])


def test_modes() -> None:
    assert single_operator(base(ORGANISATION))
    assert single_operator([])
    assert not single_operator(base(FOUR_EYES))
    assert leaves_single_operator(base(ORGANISATION), base(FOUR_EYES))
    assert not leaves_single_operator(base(FOUR_EYES), base(FOUR_EYES))
    assert not leaves_single_operator([], base(FOUR_EYES))


def test_who_could_approve_the_next_change_of_the_organisation() -> None:
    after = base(
        FOUR_EYES + "  approvals: {Organisation: {count: 1, roles: [admin]}}\n",
        grant("ann@acme.example", "admin"),
        grant("bob@acme.example", "approver"),
        grant("eve@acme.example", "admin", "finance"),
        grant("tom@acme.example", "admin", of="t"),
    )
    members = ["Ann@acme.example", "bob@acme.example", "eve@acme.example", "tom@acme.example"]
    assert could_approve(after, members, []) == 2
    assert could_approve(after, members, ["EVE@acme.example"]) == 1
    assert could_approve(after, ["nobody@acme.example"], []) == 0
