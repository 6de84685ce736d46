"""`bench decide`: the three tongues say the same of every call, or nothing is measured."""

from dataclasses import replace

import pytest

from routing.bench import decide as bench
from routing.bench.calls import Mismatch
from routing.bench.tongues import MODELS, rules


def test_fifty_rules_and_ten_models_in_three_tongues() -> None:
    told: list[str] = []
    figures = bench.run(1, told.append)
    assert told == ["50 rules, 10 models, 200 calls, 114 of them permitted"]
    assert (figures["rules"], figures["models"], figures["decisions"]) == (50, 10, 200)
    names = ("median_us", "p99_us", "median_trace_us", "cedar_us", "python_us")
    assert all(isinstance(figures[name], float) and figures[name] for name in names)


def test_most_rules_are_on_the_call_and_one_document_each() -> None:
    found = rules()
    assert [sum(r.on == on for r in found) for on in ("call", "model")] == [40, 10]
    assert len({r.cel for r in found}) == 50
    assert len({str(one) for one in MODELS}) == 10


def test_a_rule_that_means_something_else_in_one_tongue_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = [replace(r, test=lambda _c, _m: True) if n == 5 else r for n, r in enumerate(rules())]
    monkeypatch.setattr(bench, "rules", lambda: other)
    with pytest.raises(Mismatch, match="by hand and Cedar differ"):
        bench.run(1, print)
