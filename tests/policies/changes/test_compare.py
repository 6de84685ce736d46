"""Differences of texts."""

from policies.changes.compare import Part, lines, pairs, text
from tests.policies.texts import permission

OLD = permission("p", "t", "request.stream")
NEW = permission("p", "t", "request.stream && run.calls > 3")


def test_a_changed_line_shows_what_changed_in_it() -> None:
    found = lines(OLD, NEW)
    assert [(line.mark, line.old, line.new) for line in found] == [
        ("…", None, None),
        (" ", 4, 4),
        (" ", 5, 5),
        (" ", 6, 6),
        ("-", 7, None),
        ("+", None, 7),
    ]
    assert found[0].text == "3 lines as before"
    assert found[4].parts == (Part("  when: 'request.stream'"),)
    assert [part for part in found[5].parts if part.changed] == [Part(" && run.calls > 3", True)]
    assert found[5].text == "  when: 'request.stream && run.calls > 3'"


def test_new_and_deleted_texts_are_whole() -> None:
    assert {line.mark for line in lines(None, NEW)} == {"+"}
    assert [line.new for line in lines(None, NEW)] == list(range(1, 8))
    assert {line.mark for line in lines(OLD, None)} == {"-"}
    assert lines(OLD, OLD) == []


def test_lines_that_are_not_alike_are_not_marked_within() -> None:
    (gone, come) = lines("alpha beta\n", "0123 4567\n")
    assert (gone.parts, come.parts) == ((Part("alpha beta"),), (Part("0123 4567"),))


def test_gaps_at_both_ends_and_between() -> None:
    old = "".join(f"line {n}\n" for n in range(30))
    found = lines(old, old.replace("line 10\n", "line ten\n").replace("line 20\n", ""))
    assert [line.text for line in found if line.mark == "…"] == [
        "7 lines as before",
        "3 lines as before",
        "6 lines as before",
    ]


def test_programs_get_one_unified_diff() -> None:
    assert text(OLD, NEW, "p.yaml").splitlines() == [
        "--- a/p.yaml",
        "+++ b/p.yaml",
        "@@ -4,4 +4,4 @@",
        " spec:",
        "   effect: permit",
        "   on: call",
        "-  when: 'request.stream'",
        "+  when: 'request.stream && run.calls > 3'",
    ]
    assert text(None, "a", "x").splitlines()[0] == "--- /dev/null"
    assert text("a", None, "x").splitlines()[1] == "+++ /dev/null"
    assert text("a", "a", "x") == ""


def test_side_by_side_pairs_what_replaces_what() -> None:
    found = pairs(lines("a\nb\nc\n", "a\nB\nc\nd\n"))
    assert [(old and old.text, new and new.text) for old, new in found] == [
        ("a", "a"),
        ("b", "B"),
        ("c", "c"),
        (None, "d"),
    ]
    assert pairs([]) == []
