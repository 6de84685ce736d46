"""What laying documents over what is published would do."""

from policies.bundles.diff import Difference, difference, lay_over, named
from policies.documents.parse import parse_text
from tests.policies.texts import ORGANISATION, permission, tenant

BASE = parse_text("---\n".join([ORGANISATION, tenant("a", "x"), permission("p", "a")]), "base")


def test_laying_nothing_over_changes_nothing() -> None:
    found = difference(BASE, lay_over(BASE, []))
    assert found == Difference()
    assert not found
    assert found.lines() == []


def test_created_changed_and_deleted_in_the_order_of_identity() -> None:
    put = parse_text("---\n".join([tenant("b", "y"), permission("p", "a", "false")]), "new")
    whole = lay_over(BASE, put, [("Tenant", "", "a"), ("Tenant", "", "unknown")])
    found = difference(BASE, whole)
    assert found.lines() == ["+ Tenant b", "~ Permission a/p", "- Tenant a"]
    assert found.counts == {"created": 1, "changed": 1, "deleted": 1}
    assert [d.identity for d in whole] == sorted(d.identity for d in whole)


def test_a_changed_comment_is_a_change() -> None:
    text = permission("p", "a").replace("on: call", "on: call     # every call")
    found = difference(BASE, lay_over(BASE, parse_text(text, "new")))
    assert found.lines() == ["~ Permission a/p"]


def test_names() -> None:
    assert named(("Route", "insurance", "triage")) == "Route insurance/triage"
    assert named(("Model", "", "gpt-mini")) == "Model gpt-mini"
