"""Three texts of one document become one: each side's fields stand, clashes are shown, and the author's words are kept."""

import re

import pytest

from policies.changes.merge import Clash, merge
from policies.changes.weave import woven

WAS = """\
apiVersion: mandate/v1
kind: Budget
metadata: {name: b, tenant: t}
spec:
  scope: {tenant: t}
  owner: finn@acme.example   # asks Cleo
  period: month
  limit: "100.00"
"""
MINE = WAS.replace('"100.00"', '"120.00"   # agreed on Monday')
THEIRS = WAS.replace("period: month", "period: quarter")


def test_different_fields_merge_with_the_comments_of_both() -> None:
    found = merge(WAS, THEIRS, MINE)
    assert found.text == WAS.replace("period: month", "period: quarter").replace(
        '"100.00"', '"120.00"   # agreed on Monday'
    )
    assert (found.clashes, found.taken, found.gone) == ((), ("spec.period",), False)


def test_fields_on_one_line_merge_into_the_authors_text() -> None:
    was = "kind: A\nspec: {limit: 1, hard: true}  # flow\n"
    found = merge(was, was.replace("true", "false"), was.replace("limit: 1", "limit: 2"))
    assert found.text == "kind: A\nspec: {limit: 2, hard: false}  # flow\n"
    assert found.taken == ("spec.hard",)


def test_a_field_that_they_added_and_one_that_they_took_away() -> None:
    theirs = WAS.replace("  period: month\n", "  hard: true\n  alerts: [50, 80]\n")
    found = merge(WAS, theirs, MINE)
    assert found.text is not None
    assert merge(found.text, found.text, found.text).text == found.text
    assert "# asks Cleo" in found.text
    assert "# agreed on Monday" in found.text
    assert "alerts:\n    - 50\n    - 80\n" in found.text
    assert "period" not in found.text
    assert sorted(found.taken) == ["spec.alerts", "spec.hard", "spec.period"]


def test_the_same_field_is_a_clash_with_both_values_until_somebody_chooses() -> None:
    theirs = THEIRS.replace('"100.00"', '"90.00"')
    found = merge(WAS, theirs, MINE)
    clash = Clash("spec.limit", "'100.00'", "'90.00'", "'120.00'")
    assert (found.clashes, found.open, found.taken) == ((clash,), (clash,), ("spec.period",))
    mine = merge(WAS, theirs, MINE, {"spec.limit": "mine"})
    assert mine.open == ()
    assert mine.text == MINE.replace("period: month", "period: quarter")
    taken = merge(WAS, theirs, MINE, {"spec.limit": "theirs"})
    assert taken.text is not None
    assert 'limit: "90.00"' in taken.text
    assert taken.gone is True


def test_types_count() -> None:
    was, one, yes = (f"kind: A\nspec: {{x: {x}}}\n" for x in ("0", "1", "true"))
    found = merge(was, one, yes)
    assert [(c.theirs, c.mine) for c in found.open] == [("1", "true")]


def test_lists_in_an_order_clash_as_a_whole_and_items_of_the_same_rows_merge() -> None:
    was = "kind: A\nspec:\n  tiers:\n    - {m: a, w: 1}\n    - {m: b, w: 2}\n  models: [x]\n"
    theirs = was.replace("w: 1", "w: 9").replace("[x]", "[x, y]")
    found = merge(was, theirs, was.replace("w: 2", "w: 8").replace("[x]", "[z]"))
    assert [c.path for c in found.open] == ["spec.models"]
    assert found.taken == ("spec.tiers[0]",)
    assert found.text is not None
    assert "    - {m: a, w: 9}\n    - {m: b, w: 8}\n  models: [z]\n" in found.text
    # rows that came or went have no names: nobody knows which is which
    longer = was.replace("  models", "    - {m: c, w: 3}\n  models")
    found = merge(was, longer, was.replace("w: 2", "w: 8"))
    assert [c.path for c in found.open] == ["spec.tiers"]


PRICED = """\
kind: Model
spec:
  prices:
    - {from: 2026-01-01, currency: EUR, inputPerMillion: "1"}
    - {from: 2026-06-01, currency: EUR, inputPerMillion: "2"}
"""


def test_items_that_a_member_names_merge_one_by_one() -> None:
    theirs = (
        PRICED.replace('"1"', '"9"')
        + '    - {from: 2027-01-01, currency: EUR, inputPerMillion: "3"}\n'
    )
    mine = (
        PRICED.replace('"2"', '"8"')
        + '    - {from: 2027-02-01, currency: EUR, inputPerMillion: "4"}\n'
    )
    found = merge(PRICED, theirs, mine)
    assert found.open == ()
    assert found.taken == (
        "spec.prices[from=2026-01-01]",
        "spec.prices[from=2027-01-01]",
    )
    assert found.text is not None
    assert re.findall(r"from: \W?([\d-]+).*?PerMillion: \W(\d)", found.text, re.DOTALL) == [
        ("2026-01-01", "9"), ("2026-06-01", "8"), ("2027-02-01", "4"), ("2027-01-01", "3"),
    ]  # fmt: skip


def test_an_item_that_one_took_away_and_the_other_changed_is_a_clash() -> None:
    theirs = PRICED.replace('    - {from: 2026-06-01, currency: EUR, inputPerMillion: "2"}\n', "")
    mine = PRICED.replace('"2"', '"8"')
    found = merge(PRICED, theirs, mine)
    (clash,) = found.open
    assert (clash.path, clash.theirs) == ("spec.prices[from=2026-06-01]", "")
    assert clash.mine == "{from: '2026-06-01', currency: EUR, inputPerMillion: '8'}"
    assert merge(PRICED, theirs, mine, {clash.path: "theirs"}).text == theirs
    # the same item, added twice with other figures
    row = '    - {from: 2027-01-01, currency: EUR, inputPerMillion: "%s"}\n'
    found = merge(PRICED, PRICED + row % 3, PRICED + row % 4)
    assert [(c.path, c.theirs, c.mine) for c in found.open] == [
        ("spec.prices[from=2027-01-01].inputPerMillion", "'3'", "'4'"),
    ]
    # what one took away and the other left alone is gone, and a name that stands twice names nothing
    gone = merge(PRICED, theirs, PRICED.replace('"1"', '"7"'))
    assert (gone.open, gone.text) == ((), theirs.replace('"1"', '"7"'))
    twice = PRICED.replace("2026-06-01", "2026-01-01")
    found = merge(twice, theirs, twice.replace('"2"', '"8"'))
    assert [c.path for c in found.open] == ["spec.prices"]


def test_names_without_an_order_are_a_set() -> None:
    was = "kind: A\nspec:\n  redact: [card, email, iban]\n  alerts: [50, 80]\n"
    theirs = was.replace("[card, email, iban]", "[card, email, phone]").replace(
        "50, 80", "50, 80, 95"
    )
    mine = was.replace("[card, email, iban]", "[iban, card]").replace("50, 80", "60, 80")
    found = merge(was, theirs, mine)
    assert (found.open, found.taken) == ((), ("spec.redact", "spec.alerts"))
    assert found.text == "kind: A\nspec:\n  redact: [card, phone]\n  alerts: [60, 80, 95]\n"


def test_one_list_that_only_they_made_longer() -> None:
    was = "kind: A\nspec:\n  names:\n    - x  # first\n  z: 1\n"
    found = merge(was, was.replace("first\n", "first\n    - y\n"), was.replace("z: 1", "z: 2"))
    assert found.text == "kind: A\nspec:\n  names:\n    - x  # first\n    - y\n  z: 2\n"


def test_two_that_were_created_alike_clash_wherever_they_differ() -> None:
    narrow = "kind: A\nspec: {effect: permit, when: 'a'}\n"
    wide = "kind: A\nspec: {effect: permit}\n"
    found = merge(None, narrow, wide)
    assert found.open == (Clash("spec.when", "", "a", ""),)
    assert found.text == wide
    assert merge(None, narrow, narrow).gone is True


@pytest.mark.parametrize(
    ("theirs", "mine", "choice", "text", "gone"),
    [
        (None, MINE, "", MINE, False),
        (None, MINE, "theirs", None, True),
        (THEIRS, None, "", None, False),
        (THEIRS, None, "theirs", THEIRS, True),
        (THEIRS, "kind: [", "", "kind: [", False),
        (None, None, "", None, True),
    ],
)
def test_the_document_as_a_whole(
    theirs: str | None, mine: str | None, choice: str, text: str | None, gone: bool
) -> None:
    found = merge(WAS, theirs, mine, {"": "theirs"} if choice else {})
    assert (found.text, found.gone) == (text, gone)
    assert [clash.path for clash in found.open] == ([] if choice or theirs == mine else [""])


def test_what_others_did_not_touch_stays_as_it_is() -> None:
    assert merge(WAS, WAS, MINE).text == MINE
    assert merge(None, None, MINE).text == MINE
    assert merge(WAS, WAS, None).text is None


def test_a_comment_of_theirs_comes_along() -> None:
    theirs = WAS.replace("spec:", "# why: see the board's note\nspec:")
    found = merge(WAS, theirs, MINE)
    assert found.text == MINE.replace("spec:", "# why: see the board's note\nspec:")
    assert (found.taken, found.clashes) == ((), ())


@pytest.mark.parametrize(
    ("was", "theirs", "mine", "made"),
    [
        ("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n"),
        ("a\nb\nc\n", "a\nc\n", "a\nb\nc\nd\n", "a\nc\nd\n"),
        ("a\nb\n", "a\nx\n", "a\nx\n", "a\nx\n"),
        ("a\nb\n", "a\nx\n", "a\ny\n", None),
        ("", "a\n", "", "a\n"),
    ],
)
def test_weaving(was: str, theirs: str, mine: str, made: str | None) -> None:
    assert woven(was, theirs, mine) == made
