"""Generated bundles and calls: what one more rule may change, and that the order of documents changes nothing."""

from collections.abc import Iterable, Iterator
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.documents.document import Document
from policies.documents.parse import parse_text
from policies.documents.whole import check_whole, not_yet_executed
from policies.engine.bundle import Bundle
from policies.engine.check import check
from policies.engine.compile import compile_bundle
from policies.engine.decide import decide
from policies.engine.decision import Decision
from policies.engine.facts import Facts
from tests.policies.engine.small import permission
from tests.policies.engine.varied import ON_CALL, ON_MODEL, WORLDS, calls, calmer

SEEDS = st.integers(0, 2**32 - 1)
RANK = {"deny": 0, "escalate": 1, "permit": 2}
MAKERS = [WORLDS[name][2] for name in ("mixed-2", "plain-10", "held-14")]
# each example checks and compiles two bundles of some forty documents and decides forty calls
SOME = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def documents(seed: int) -> list[Document]:
    """A bundle's documents, each in a file of its own."""
    random = Random(seed)  # noqa: S311  # not for secrets
    return [d for text in random.choice(MAKERS)(random) for d in parse_text(text, "a.yaml")]


def compiled(found: Iterable[Document]) -> Bundle:
    listed = list(found)
    assert check_whole(listed) + not_yet_executed(listed) == []
    return compile_bundle(1, listed, check(listed))


def facts(seed: int) -> Iterator[Facts]:
    """Twenty calls of every sort, and twenty of which most are permitted."""
    given_ = list(calls(Random(seed), 20))  # noqa: S311  # as above
    return iter([*given_, *map(calmer, given_)])


def models(decision: Decision) -> set[str]:
    return {step.model for step in decision.plan.steps} if decision.plan else set()


def rule(seed: int, effect: str, on: str, **spec: object) -> Document:
    random = Random(seed)  # noqa: S311  # as above
    when = random.choice(ON_CALL if on == "call" else [*ON_CALL, *ON_MODEL])
    text = permission("added", random.choice(["", "a"]), effect=effect, on=on, when=when, **spec)
    return parse_text(text, "added.yaml")[0]


@SOME
@given(SEEDS, st.sampled_from(["call", "model"]), st.sampled_from(["hard", "soft"]))
def test_one_more_forbid_never_permits_more(seed: int, on: str, level: str) -> None:
    found = documents(seed)
    before, after = compiled(found), compiled([*found, rule(seed, "forbid", on, level=level)])
    for call in facts(seed):
        was, now = decide(before, call), decide(after, call)
        assert RANK[now.effect] <= RANK[was.effect]
        assert models(now) <= models(was)


@SOME
@given(SEEDS)
def test_one_more_permit_of_calls_never_permits_less(seed: int) -> None:
    found = documents(seed)
    before, after = compiled(found), compiled([*found, rule(seed, "permit", "call")])
    for call in facts(seed):
        was, now = decide(before, call), decide(after, call)
        assert RANK[now.effect] >= RANK[was.effect]
        assert models(now) >= models(was)


@SOME
@given(SEEDS)
def test_one_more_permit_of_models_takes_away_only_what_no_permit_names(seed: int) -> None:
    found = documents(seed)
    before, after = compiled(found), compiled([*found, rule(seed, "permit", "model")])
    for call in facts(seed):
        was, now = decide(before, call), decide(after, call)
        gone = models(was) - models(now)
        why = {d.model for d in now.dropped if d.rule.name == "no-permit"}
        # nothing else takes a model away; where no model is left, the denial says so
        assert gone <= why or (now.denial is not None and "no-permit" in now.denial.rules)


@SOME
@given(SEEDS)
def test_the_order_of_documents_never_matters(seed: int) -> None:
    found = documents(seed)
    other = found.copy()
    Random(seed + 1).shuffle(other)  # noqa: S311  # as above
    before, after = compiled(found), compiled(other)
    assert (before.text, before.digest) == (after.text, after.digest)
    for call in facts(seed):
        assert decide(before, call) == decide(after, call)
