"""`bench decide`: fifty rules and ten models, beside Cedar and a function by hand on the same rules in the same run.

Ours is the whole decision: rules, built-in checks, prices, budgets, the plan, its canonical bytes and their digest. Cedar answers
eleven requests (the call, then each model) on policies and entities that were parsed before; the function gives names of models.
The three must agree on every call before anything is timed. A trace is a decision with everything that was considered.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from statistics import median, quantiles
from typing import Any, Final

from policies.checking.client import check_sources
from policies.documents.parse import parse_text
from policies.engine.bundle import Bundle
from policies.engine.compile import compile_bundle
from policies.engine.decide import decide
from policies.engine.explain import trace
from policies.engine.facts import Facts, KeyFacts, RequestFacts, RunFacts, UserFacts
from routing.bench.calls import Mismatch
from routing.bench.tongues import MODELS, ByHand, documents, entities, policies, rules

try:
    import cedarpy
except ImportError:  # a requirement of development alone
    cedarpy = None  # type: ignore[assignment]  # it says nothing of being absent

DISTINCT: Final = 200
Given = tuple[Facts, dict[str, Any]]
"""One call: as facts, and as Cedar and the function read it."""


def run(rounds: int, say: Callable[[str], None]) -> dict[str, object]:
    """The figures: each of the distinct calls, so many times. Raises Mismatch."""
    found = rules()
    bundle = _bundle(list(documents(found)))
    by_hand, cedar = ByHand(found), _cedar(policies(found))
    given = list(calls())
    effects = [_agree(bundle, by_hand, cedar, one) for one in given]
    say(
        f"{len(found)} rules, {len(MODELS)} models, {len(given)} calls, {sum(effects)} of them permitted"
    )
    decided = _timed(lambda one: decide(bundle, one[0]), given, rounds)
    traced = _timed(lambda one: trace(bundle, one[0]), given, max(1, rounds // 4))
    asked = _timed(lambda one: cedar(one[1]), given, max(1, rounds // 20)) if cedar else []
    hand = _timed(lambda one: by_hand(one[1]), given, rounds)
    return {
        "rules": len(found),
        "models": len(MODELS),
        "decisions": len(decided),
        "median_us": _median(decided),
        "p99_us": round(quantiles(decided, n=100)[98] / 1000, 1),
        "median_trace_us": _median(traced),
        "cedar_us": _median(asked),
        "python_us": _median(hand),
        "permitted": sum(effects),
    }


def _median(times_ns: Sequence[int]) -> float | None:
    return round(median(times_ns) / 1000, 1) if times_ns else None


def _timed(one: Callable[[Given], object], given: list[Given], rounds: int) -> list[int]:
    """Nanoseconds of every call, after one round that warms up."""
    for each in given:
        one(each)
    times = []
    for _ in range(rounds):
        for each in given:
            began = time.perf_counter_ns()
            one(each)
            times.append(time.perf_counter_ns() - began)
    return times


def _bundle(texts: list[str]) -> Bundle:
    sources = [(f"{n}.yaml", text) for n, text in enumerate(texts)]
    found = [document for file, text in sources for document in parse_text(text, file)]
    return compile_bundle(1, found, check_sources(sources))


def _cedar(text: str) -> Callable[[dict[str, Any]], list[str]] | None:
    """Cedar as a function like the one by hand; None where it is not installed."""
    if cedarpy is None:
        return None
    parsed, known = cedarpy.PolicySet.from_str(text), cedarpy.Entities.from_json_str(entities())
    subject = {"principal": 'User::"u"'}
    names = [str(one["name"]) for one in MODELS]

    def ask(context: dict[str, Any]) -> list[str]:
        request = subject | {"context": context}
        whole = request | {"action": 'Action::"call"', "resource": 'Route::"bench"'}
        if not cedarpy.is_authorized(whole, parsed, known).allowed:
            return []
        each = [request | {"action": 'Action::"use"', "resource": f'Model::"{n}"'} for n in names]
        answers = cedarpy.is_authorized_batch(each, parsed, known)
        return [n for n, answer in zip(names, answers, strict=True) if answer.allowed]

    return ask


def _agree(
    bundle: Bundle, by_hand: ByHand, cedar: Callable[[dict[str, Any]], list[str]] | None, one: Given
) -> bool:
    """Whether the call is permitted. Raises Mismatch where the three differ."""
    decision = decide(bundle, one[0])
    ours = [step.model for step in decision.plan.steps] if decision.plan else []
    answers = [ours, by_hand(one[1]), cedar(one[1]) if cedar else ours]
    if answers.count(ours) != len(answers):
        raise Mismatch(f"ours, by hand and Cedar differ: {answers} for {one[1]}")
    return bool(ours)


def calls() -> Iterator[Given]:
    """The same calls in every run; 114 of the 200 are permitted."""
    random = Random(20261128)  # noqa: S311  # not for secrets
    for number in range(DISTINCT):
        classes = random.choice([[], ["public"], ["alpha"], ["health", "public"], ["eta"]])
        tools = random.choice([[], ["search"], ["delta", "search"], ["theta"]])
        labels = random.choice([{}, {"env": "prod"}, {"env": "alpha"}])
        tokens, team = (
            random.choice([100, 5000, 5000, 5000, 100_003]),
            random.choice([*["team"] * 5, "alpha"]),
        )
        language, known = random.choice(["de", "gamma", "en"]), random.random() < 0.7
        stream, run_calls = random.random() < 0.3, random.randrange(6)
        request = RequestFacts(
            dialect="openai.chat", data_classes=tuple(sorted(classes)), tools=tuple(tools), input_tokens_max=tokens,
            input_tokens_estimate=tokens // 2, output_tokens_asked=400, stream=stream, language=language,
        )  # fmt: skip
        facts = Facts(
            now="2026-11-28T12:00:00.000Z", call=f"{number:032x}", tenant="bench", team=team, key=KeyFacts(id="k", labels=labels),
            route="bench", request=request, user=UserFacts(known=known, ref="u" if known else ""), run=RunFacts(calls=run_calls),
        )  # fmt: skip
        read = {
            "region": "eu", "dataClasses": classes, "inputTokensMax": tokens, "outputTokensMax": 400, "team": team,
            "language": language, "riskClass": "high", "tools": tools, "userKnown": known,
            "keyLabels": labels, "runCalls": run_calls, "stream": stream,
        }  # fmt: skip
        yield facts, read
