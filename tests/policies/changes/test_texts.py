"""What somebody typed, taken apart; nothing that was typed is lost."""

from policies.changes.texts import digest_of, file_name, one, slots
from tests.policies.texts import permission, tenant

GOOD = permission("p", "t", "request.stream")


def test_each_document_is_one_slot_with_its_first_line() -> None:
    text = f"# two of them\n---\n{GOOD}---\n\n{permission('q', 't')}---\n# nothing here\n"
    found = slots(text, "t")
    assert [(s.identity, s.first_line, s.problems) for s in found] == [
        (("Permission", "t", "p"), 3, ()),
        (("Permission", "t", "q"), 12, ()),
    ]
    assert found[0].text == GOOD


def test_a_text_that_cannot_be_read_is_kept_whole_with_its_place() -> None:
    broken = GOOD.replace("effect: permit", "effect: maybe")
    found = slots(f"{permission('q', 't')}---\n{broken}", "t")
    assert found[0].problems == ()
    assert found[1].identity == ("Permission", "t", "p")
    assert found[1].text == broken
    assert [(p.file, p.line, p.column, p.path) for p in found[1].problems] == [
        ("t/Permission/p.yaml", 5, 11, "spec.effect")
    ]


def test_yaml_that_does_not_parse_is_kept_under_the_name_that_it_gives() -> None:
    block = "kind: Route\nmetadata:\n  labels: {a: b}\n  name: broken\n  tenant: t\nspec: {a: [\n"
    assert slots(block, "t")[0].identity == ("Route", "t", "broken")
    flow = 'kind: "Route"\nmetadata: {tenant: t, name: "x"}\nspec: {{\n'
    assert slots(flow, "t")[0].identity == ("Route", "t", "x")
    nothing = slots("hello: [", "")[0]
    assert nothing.identity == ("", "", "text")
    assert (nothing.text, len(nothing.problems)) == ("hello: [\n", 1)


def test_a_document_of_elsewhere_is_a_problem_in_a_tenants_change_only() -> None:
    assert slots(GOOD, "")[0].problems == ()
    (problem,) = slots(permission("p", "other"), "t")[0].problems
    assert problem.message == (
        'this change request is of tenant "t"; the document is of tenant "other": write metadata.tenant: t'
    )
    (problem,) = slots(tenant("t", "x"), "t")[0].problems
    assert "the document is of the organisation" in problem.message


def test_the_same_document_twice_is_kept_twice_and_wrong() -> None:
    found = slots(f"{GOOD}---\n{permission('p', 't')}---\n{GOOD}", "t")
    assert [s.identity[2] for s in found] == ["p", "p.2", "p.3"]
    assert [len(s.problems) for s in found] == [0, 1, 1]
    assert found[1].problems[0].message == "Permission t/p is written twice in this text"


def test_one_document_at_its_address() -> None:
    identity = ("Permission", "t", "p")
    assert one(GOOD, identity, "t").problems == ()
    renamed = one(permission("q", "t"), identity, "t")
    assert (renamed.identity, renamed.text) == (identity, permission("q", "t"))
    assert renamed.problems[0].message == (
        "this is the text of Permission t/q; here stands Permission t/p"
    )
    for text in ("", "# nothing\n", f"{GOOD}---\n{GOOD}"):
        several = one(text, identity, "t")
        assert (several.text, several.problems[0].message) == (
            text,
            "write exactly one document here",
        )


def test_lines_of_windows_are_lines() -> None:
    assert slots(GOOD.replace("\n", "\r\n"), "t")[0].text == GOOD


def test_the_digest_is_of_what_and_when_in_any_order() -> None:
    a, b = ("Permission", "t", "a"), ("Permission", "t", "b")
    first = digest_of([(a, "x"), (b, None)], None)
    assert first == digest_of([(b, None), (a, "x")], None)
    others = {
        digest_of([(a, "x"), (b, "")], None),
        digest_of([(a, "y"), (b, None)], None),
        digest_of([(a, "x")], None),
        digest_of([(a, "x"), (b, None)], "2026-01-01T00:00:00.000Z"),
    }
    assert first not in others
    assert len(others) == 4


def test_files_are_named_as_export_names_them() -> None:
    assert file_name(("Route", "t", "r")) == "t/Route/r.yaml"
    assert file_name(("Model", "", "m")) == "Model/m.yaml"
