"""What is claimed of rules holds for calls that nobody chose: drawn conditions, drawn calls, the real decision."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.analysis.analyse import analyse
from policies.analysis.differences import compare
from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.facts import Facts, RunFacts, UserFacts
from tests.policies.engine.small import EVERYONE, bundle, call, model, permission, route

NOW = "2026-11-28T12:00:00.000Z"
ATOMS = (
    "run.calls > 5", "run.calls <= 5", "run.calls == 6", "request.stream", "user.known", '"health" in request.dataClasses',
    'request.dataClasses.all(c, c == "health" || c == "public")', 'request.language == "de"',
    'request.language in ["de", ""]', 'team.name == "t"', 'tenant.name == "b"', "run.cost > 1.5", "run.cost < 1.5",
    'request.tools.exists(t, t in ["send", "look"])', '"x" in request.labels', 'request.labels.x == "y"',
    'request.language.startsWith("d")', "run.calls + 1 > 7",
)  # fmt: skip
conditions = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) && ({two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) || ({two[1]})"),
    ),
    max_leaves=4,
)
calls = st.builds(
    lambda request, run, known, of: call(
        request, tenant=of, run=run, user=UserFacts(known=known, ref="u" if known else "")
    ),
    st.fixed_dictionaries({
        "data_classes": st.sets(st.sampled_from(["public", "health", "secret"])).map(tuple),
        "stream": st.booleans(), "language": st.sampled_from(["", "de", "da", "en"]),
        "tools": st.sets(st.sampled_from(["send", "look", "eat"])).map(tuple),
        "labels": st.dictionaries(st.just("x"), st.sampled_from(["y", "z"])),
    }),
    st.builds(RunFacts, calls=st.integers(0, 9), cost=st.sampled_from(["0.00", "1.49", "1.50", "1.51"])),
    st.booleans(),
    st.sampled_from(["a", "b"]),
)  # fmt: skip


def world(*rules: tuple[str, str]) -> Bundle:
    made = [permission(n, effect="forbid", when=when) for n, when in rules]
    cleared = model("m1", clearance=["public", "health", "secret"])
    return bundle(EVERYONE, cleared, route("r", "m1"), *made)


def forbidding(of: Bundle, facts: Facts) -> set[str]:
    return {rule.name for rule in decide(of, facts).determining if rule.name in ("one", "two")}


@settings(max_examples=60, deadline=None)
@given(conditions, conditions, st.lists(calls, min_size=5, max_size=25))
def test_no_drawn_call_refutes_a_finding(one: str, two: str, drawn: list[Facts]) -> None:
    of = world(("one", one), ("two", two))
    claims: dict[str, Any] = {}
    for found in analyse(of, NOW).findings:
        claims[found.document[2]] = (found.kind, [o[2] for o in found.others])
    for facts in drawn:
        hit = forbidding(of, facts)
        for name, (kind, others) in claims.items():
            if kind == "never-matches":
                assert name not in hit
            if kind == "always-matches":
                assert name in hit
            if kind == "shadowed" and name in hit:
                assert set(others) <= hit


@settings(max_examples=8, deadline=None)
@given(conditions, conditions, st.lists(calls, min_size=5, max_size=15))
def test_an_example_is_true_and_what_is_told_whole_misses_no_effect(
    one: str, two: str, drawn: list[Facts]
) -> None:
    base, draft = world(("one", one)), world(("one", two))
    found = compare(base, draft, NOW)
    for example in found.examples:
        assert example.before != example.after or example.change.startswith("other")
    if not found.whole or found.examples:
        return
    for facts in drawn:
        same = msgspec.structs.replace(facts, now=NOW)
        assert decide(base, same).effect == decide(draft, same).effect
