"""What a bundle gives the rest of the product: names by tenant, scopes, obligations, and what it refuses to be made of."""

from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from policies.documents.parse import parse_text
from policies.engine.bundle import Bundle
from policies.engine.check import check
from policies.engine.compile import compile_bundle, load_bundle
from policies.engine.decide import decide
from policies.engine.decision import Obligations, encode
from policies.engine.deliberation import merged
from policies.engine.maker import InvalidBundle
from tests.policies.engine.small import (
    EVERYONE,
    PARTS,
    budget,
    bundle,
    call,
    document,
    model,
    permission,
    route,
    steps,
    tenant,
)  # fmt: skip

WORDS = st.lists(st.sampled_from(["card", "iban", "name", "mail"]), unique=True, max_size=3)
OWED = st.builds(
    lambda tokens, redact, strip, hold: Obligations(
        max_output_tokens=tokens,
        redact=tuple(redact),
        strip_tools=tuple(strip),
        hold=hold,
        redact_answers=tuple(redact),
    ),
    st.sampled_from([0, 0, 10, 20, 30]),
    WORDS,
    WORDS,
    st.sampled_from(["", "", "desk-b", "desk-a"]),
)


@given(st.lists(st.none() | OWED, max_size=5))
def test_obligations_merge_by_minimum_union_and_any(owed: list[Obligations | None]) -> None:
    got = merged(owed)
    real = [o for o in owed if o]
    limits = [o.max_output_tokens for o in real if o.max_output_tokens > 0]
    assert got.max_output_tokens == (min(limits) if limits else 0)
    assert set(got.redact) == {word for o in real for word in o.redact}
    assert got.redact_answers == got.redact
    assert set(got.strip_tools) == {word for o in real for word in o.strip_tools}
    assert list(got.redact) == sorted(set(got.redact))
    assert (got.hold != "") is any(o.hold for o in real)
    assert got.hold == "" or got.hold in [o.hold for o in real]
    # whichever way round and however often
    assert merged(reversed(owed)) == got
    assert merged([*owed, *owed]) == got
    assert merged([got]) == got


def unexecuted(*documents: str) -> Bundle:
    """A bundle with obligations that publish would refuse for now."""
    found = parse_text("\n---\n".join([*PARTS.values(), *documents]) + "\n")
    return compile_bundle(1, found, check(found))


def owing(name: str, on: str = "call", when: str = "true", **owed: Any) -> str:
    return permission(name, effect="permit", on=on, when=when, obligations=owed)


def test_obligations_of_permits_that_match_bind_and_of_others_do_not() -> None:
    desk = document("ReviewQueue", "desk", {"reviewers": ["role:reviewer"]})
    of = unexecuted(
        desk,
        owing("one", redact=["card"], maxOutputTokens=500),
        owing("two", redact=["iban", "card"], stripTools=["send"], maxOutputTokens=700),
        owing("three", when="request.stream", hold="desk", maxOutputTokens=5),
        owing("four", when="request.labels.missing == ''", redact=["phone"]),
        model("m1"),
        route("r", "m1"),
    )
    assert decide(of, call()).obligations == Obligations(
        max_output_tokens=500, redact=("card", "iban"), strip_tools=("send",)
    )
    streamed = decide(of, call({"stream": True})).obligations
    assert (streamed.hold, streamed.max_output_tokens) == ("desk", 5)


def test_obligations_of_permits_on_models_bind_the_plan_if_their_model_is_in_it() -> None:
    of = unexecuted(
        EVERYONE,
        owing("both", "model", redact=["card"]),
        owing("first", "model", "model.name == 'm1'", redact=["iban"], maxOutputTokens=50),
        owing("second", "model", "model.name == 'm2'", stripTools=["send"]),
        model("m1"),
        model("m2"),
        route("r", "m1", "m2"),
    )
    whole = decide(of, call())
    assert whole.obligations == Obligations(redact=("card", "iban"), strip_tools=("send",))
    assert [s.max_output_tokens for s in steps(whole)] == [50, 1000]
    without = decide(of, call(exclude=("m1",)))
    assert without.obligations == Obligations(redact=("card",), strip_tools=("send",))


def test_a_denial_owes_nothing() -> None:
    of = unexecuted(owing("one", redact=["card"]), model("m1"), route("r", "m1"))
    denied = decide(of, call(exclude=("m1",)))
    assert (denied.effect, denied.plan) == ("deny", None)
    assert denied.obligations == Obligations()


def test_names_by_tenant() -> None:
    of = bundle(
        EVERYONE,
        model("m"), model("m", "a"), model("own", "b"),
        route("r", "m"), route("r", "m", tenant="a"), route("q", "own", tenant="b"),
        document("Provider", "p", {"type": "sandbox"}, "b"),
    )  # fmt: skip

    def owner(found: Any) -> str | None:
        return None if found is None else found.tenant

    assert [owner(of.model(t, "m")) for t in ("a", "b", "")] == ["a", "", ""]
    assert [owner(of.model(t, "own")) for t in ("a", "b", "")] == [None, "b", None]
    assert [owner(of.provider(t, "p")) for t in ("a", "b", "")] == ["", "b", ""]
    assert [owner(of.route(t, "r")) for t in ("a", "b", "")] == ["a", "", ""]
    assert [[(r.tenant, r.name) for r in of.routes_for(t)] for t in ("a", "b", "")] == [
        [("a", "r")],
        [("b", "q"), ("", "r")],
        [("", "r")],
    ]


def test_the_scope_of_a_tenant_holds_the_organisations_rules_and_its_own() -> None:
    of = bundle(
        permission("ours", effect="permit"),
        permission("mine", "a", effect="permit"),
        permission("theirs", "b", effect="permit"),
        permission("on-model", "b", effect="permit", on="model"),
        budget("b1"), budget("b2", "a"), budget("b3", "b"), budget("b4", scope={"tenant": "b"}),
    )  # fmt: skip
    mine, theirs = of.scope("a"), of.scope("b")
    assert [r.name for r in mine.call_rules] == ["ours", "mine"]
    assert [r.name for r in theirs.call_rules] == ["ours", "theirs"]
    assert (mine.model_permit_levels, theirs.model_permit_levels) == ((), ("b",))
    assert [b.key[1] for b in mine.budgets] == ["b1", "b2"]
    assert [b.key[1] for b in theirs.budgets] == ["b1", "b4", "b3"]
    assert of.scope("a") is mine


def test_revision_and_time_of_publishing_are_in_no_decisions_bytes() -> None:
    documents = parse_text(
        "\n---\n".join([*PARTS.values(), EVERYONE, model("m1"), route("r", "m1")]) + "\n"
    )
    checked = check(documents)
    first, second = (compile_bundle(n, documents, checked) for n in (1, 99))
    assert first.digest == second.digest
    one, two = decide(first, call()), decide(second, call())
    assert (one.revision, two.revision) == (1, 99)
    assert encode(one) == encode(two)
    assert one.digest == two.digest


def test_any_change_of_any_document_changes_the_digest() -> None:
    base = {"m": model("m1"), "r": route("r", "m1"), "e": EVERYONE}
    changed = [
        bundle(*base.values()),
        bundle(*(base | {"m": model("m1", maxOutputTokens=999)}).values()),
        bundle(*(base | {"r": route("r", "m1", task="x")}).values()),
        bundle(*base.values(), a=tenant("a", region="eu")),
        bundle(*base.values(), budget("x")),
    ]
    assert len({b.digest for b in changed}) == len(changed)


@pytest.mark.parametrize(
    ("kind", "path", "message"),
    [
        ("Model", ("spec", "provider"), 'there is no Provider "none"'),
        ("Route", ("spec", "useCase"), 'there is no UseCase "none"'),
    ],
)
def test_a_stored_bundle_with_a_dangling_name_is_refused(
    kind: str, path: tuple[str, str], message: str
) -> None:
    documents = parse_text(
        "\n---\n".join([*PARTS.values(), EVERYONE, model("m1"), route("r", "m1")]) + "\n"
    )
    checked = check(documents)
    whole = msgspec.json.decode(compile_bundle(1, documents, checked).text)
    broken = next(d for d in whole["documents"] if d["kind"] == kind)
    broken[path[0]][path[1]] = "none"
    with pytest.raises(InvalidBundle) as refused:
        load_bundle(1, rfc8785.dumps(whole), checked.encode())
    assert str(refused.value) == message


def test_two_organisations_and_none_are_no_bundle() -> None:
    documents = parse_text("\n---\n".join(PARTS.values()) + "\n")
    checked = check(documents)
    whole = msgspec.json.decode(compile_bundle(1, documents, checked).text)
    ours = next(d for d in whole["documents"] if d["kind"] == "Organisation")
    other = {**ours, "metadata": {"name": "other"}}
    for extra, count in (([other], 2), (None, 0)):
        kept = [d for d in whole["documents"] if d["kind"] != "Organisation"]
        found = [*whole["documents"], *extra] if extra else kept
        text = rfc8785.dumps({**whole, "documents": found})
        with pytest.raises(InvalidBundle, match=f"exactly one Organisation, not {count}"):
            load_bundle(1, text, checked.encode())


def test_a_form_of_another_text_is_refused() -> None:
    def documents(when: str) -> Any:
        rule = permission("rule", effect="forbid", when=when)
        return parse_text("\n---\n".join([*PARTS.values(), rule]) + "\n")

    with pytest.raises(InvalidBundle, match=r'Permission "rule" spec\.when was not checked'):
        compile_bundle(1, documents("run.calls > 1"), check(documents("run.calls > 2")))
