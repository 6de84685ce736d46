"""Decisions of the committed corpus have the bytes they always had: other seeds, other Pythons, after a change of engine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import rfc8785

from policies.documents.routes import EXECUTED_STRATEGIES
from policies.engine.decide import decide
from policies.engine.decision import BUILT_IN, ENGINE, Decision, encode
from policies.engine.facts import decode
from policies.engine.functions import FUNCTIONS
from policies.engine.wire import walk
from tests.policies.engine import pythons
from tests.policies.engine.corpus import bundles, misses
from tests.policies.engine.freeze import freeze

CHANGED = (
    "the bytes of decisions have changed: a decision once made must be made again for ever. "
    "Take the change back, or raise ENGINE and keep the old engine (policies/engine/older says how)."
)
REASONS = {
    "unknown-tenant", "unknown-team", "unknown-route", "stop", "use-case", "stream", "choices", "no-permit",
    "excluded", "breaker", "clearance", "capability", "lifecycle", "price", "context",
}  # fmt: skip


def test_every_decision_has_the_bytes_it_always_had() -> None:
    assert misses() == [], CHANGED


def test_the_corpus_is_large_and_varied() -> None:
    found = [(of, case) for of, cases in bundles().values() for case in cases]
    assert len(found) >= 500
    assert len({case.digest for _, case in found}) >= 500
    effects = [case.effect for _, case in found]
    assert {"permit", "deny", "escalate", "accept", "next", "repair", "reject"} <= set(effects)
    assert min(effects.count("permit"), effects.count("deny"), effects.count("escalate")) >= 40


def seen(decision: Decision) -> Iterator[str]:
    """What one decision shows."""
    refs = (*decision.determining, *(d.rule for d in decision.dropped), *decision.errors)
    yield from (ref.name for ref in refs if ref.kind == BUILT_IN)
    yield from (f"error:{ref.kind}" for ref in decision.errors)
    yield from ("advisory" for _ in decision.advisories)
    yield from ("warning" for _ in decision.warnings)
    yield from (f"lifted:{one.rule.kind}" for one in decision.lifted)
    yield from (f"hold:{rule.kind}" for rule in (decision.hold.rules if decision.hold else ()))
    if decision.plan:
        yield f"strategy:{decision.plan.strategy}"
        checks = decision.plan.checks
        yield from (("validators",) if checks and checks.validators else ())
        yield from (("response rule",) if checks and checks.escalations else ())
        yield from (("must hold",) if checks and checks.hold else ())
    yield from (("tokens",) if decision.obligations.max_output_tokens else ())


def test_the_corpus_has_every_kind_of_rule_strategy_and_reason() -> None:
    shown = {
        name
        for of, cases in bundles().values()
        for case in cases
        for name in seen(decide(of, decode(case.facts.encode())))
    }
    assert shown >= REASONS | {f"strategy:{s}" for s in EXECUTED_STRATEGIES}
    assert shown >= {"error:Permission", "error:EscalationRule", "advisory", "warning", "tokens"}
    assert shown >= {"lifted:Permission", "lifted:Budget", "hold:EscalationRule"}
    assert shown >= {"validators", "response rule", "must hold"}


def test_every_function_of_conditions_is_in_the_corpus() -> None:
    of, _ = bundles()["functions"]
    called = {n.name for r in of.rules if r.when for n in walk(r.when.checked.root)}
    assert {name for name in FUNCTIONS if name != "from_json"} <= called


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_a_fresh_process_decides_the_same(seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.policies.engine.corpus"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize("version", pythons.VERSIONS)
def test_every_python_decides_the_same(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    python = pythons.found(version)
    try:
        done = pythons.corpus_under(pythons.environment(python)) if python else None
    except pythons.NotMade as error:
        done, said = None, f"could not be prepared: {error}"
    else:
        said = "is not here"
    if done is None:
        with capsys.disabled():
            sys.stdout.write(f"\nthe corpus was not run on Python {version}, which {said}\n")
        return
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.startswith(f"Python {version}."), done.stdout


AFTER_A_CHANGE = """
import json, sys
sys.path.insert(0, {folder!r})
import engine_{engine}
from policies.engine import compile, decide, decision, older, weigh
for module in (compile, decide, decision, weigh):
    module.ENGINE = {engine} + 1
older.OLDER[{engine}] = older.Engine(
    engine_{engine}.load_bundle, engine_{engine}.decide, engine_{engine}.weigh, engine_{engine}.trace
)
from tests.policies.engine.corpus import bundles, misses
of, cases = bundles()["world"]
new = compile.load_bundle(1, of.text.replace(b'"engine":{engine}', b'"engine":' + str({engine} + 1).encode()), {forms})
from policies.engine.facts import decode
facts = decode(cases[0].facts.encode())
print(json.dumps([misses(), type(of).__module__, of.engine, new.engine, type(new).__module__,
    decide.decide(new, facts).digest.hex() == cases[0].digest, decide.decide(of, facts).digest.hex() == cases[0].digest]))
"""


def test_after_a_change_of_engine_the_old_one_still_decides_its_bundles(tmp_path: Path) -> None:
    freeze(ENGINE, tmp_path, inside="")
    forms = "__import__('base64').b64decode(json.loads(open('tests/policies/engine/corpus/world.bundle.json').read())['checked'])"
    code = AFTER_A_CHANGE.format(folder=str(tmp_path), engine=ENGINE, forms=forms)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    missed, old, old_number, new_number, new, same, as_ever = json.loads(done.stdout)
    assert missed == []
    assert (old, old_number) == (f"engine_{ENGINE}.engine.bundle", ENGINE)
    assert (new, new_number) == ("policies.engine.bundle", ENGINE + 1)
    # the new number stands in the bytes, and the old decisions are what they were
    assert (same, as_ever) == (False, True)


def test_every_decision_is_canonical_json() -> None:
    for of, cases in bundles().values():
        for case in cases[::5]:
            text = encode(decide(of, decode(case.facts.encode())))
            assert rfc8785.dumps(json.loads(text)) == text
