"""Shadow runs: which calls have one, and how it is decided. A denied one has no plan: nothing may happen."""

from hashlib import sha256
from typing import Any

from policies.engine.beside import asked_beside, draw_beside, share_of
from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.decision import Decision
from policies.engine.facts import ShadowFacts, StopFact, decode, draw_of, encode
from policies.engine.pricing import MIN_OUTPUT_TOKENS
from tests.policies.engine.world import facts, world

OF = "0193590f0000700080000000000000bb"
ROUTE = """
apiVersion: mandate/v1
kind: Route
metadata: {{name: beside, tenant: insurance}}
spec:
  useCase: claims-triage
  strategy: {{type: cascade, tiers: [{{models: [claude-small], accept: 'output.text != ""'}}, {{models: [llama-small]}}]}}
  validators: [short]
  retry: {{attempts: 5, on: [timeout, worker_lost]}}
  shadow: {{models: {models}, percent: "{percent}"}}
---
apiVersion: mandate/v1
kind: Validator
metadata: {{name: short, tenant: insurance}}
spec: {{type: cel, when: 'size(output.text) < 100'}}
"""
QUEUE = """---
apiVersion: mandate/v1
kind: ReviewQueue
metadata: {name: desk, tenant: insurance}
spec: {reviewers: [role:reviewer]}
"""


def route(models: str = "[llama-old]", percent: str = "10", more: str = "") -> Bundle:
    return world(ROUTE.format(models=models, percent=percent) + more)


def decided(bundle: Bundle, model: str = "llama-old", **changes: Any) -> Decision:
    shadow = ShadowFacts(of=OF, model=model)
    return decide(bundle, facts(route="beside", shadow=shadow, **changes))


def denial(decision: Decision) -> tuple[str, str]:
    assert (decision.effect, decision.plan, decision.hold) == ("deny", None, None)
    assert decision.denial is not None
    return decision.denial.code, decision.denial.message


def test_a_shadow_run_is_one_model_asked_once_and_nothing_is_checked() -> None:
    decision = decided(route())
    assert decision.effect == "permit"
    assert decision.plan is not None
    assert decision.plan.strategy == "single"
    assert [step.model for step in decision.plan.steps] == ["llama-old"]
    assert (decision.plan.retry.attempts, decision.plan.retry.on) == (1, ())
    assert decision.plan.fallback_on == ()
    assert decision.plan.checks is None
    assert decision.plan.steps[0].max_output_tokens >= MIN_OUTPUT_TOKENS


def test_the_call_itself_is_decided_as_if_there_were_none() -> None:
    with_it = decide(route(), facts(route="beside")).plan
    assert with_it is not None
    assert [step.model for step in with_it.steps] == ["claude-small", "llama-small"]
    assert with_it.checks is not None
    assert with_it.retry.attempts == 5


def test_a_model_that_the_route_does_not_ask_beside_is_not_asked() -> None:
    said = 'the route "beside" does not ask claude-small beside'
    assert denial(decided(route(), "claude-small")) == ("shadow", said)


def test_what_is_forbidden_to_a_call_is_forbidden_to_its_shadow_run() -> None:
    code, said = denial(decided(route("[gpt-mini]"), "gpt-mini"))
    assert code == "forbidden"
    assert "personal data of an EU tenant may not go to gpt-mini" in said


def test_a_stop_of_the_model_stops_it() -> None:
    on = decided(route(), stops=(StopFact(kind="model", name="llama-old"),))
    assert denial(on)[0] == "stop"


def test_what_would_hold_it_denies_it() -> None:
    rule = """---
apiVersion: mandate/v1
kind: EscalationRule
metadata: {name: look-first, tenant: insurance}
spec: {stage: request, when: 'request.inputTokensMax > 1', queue: desk}
"""
    code, said = denial(decided(route(more=QUEUE + rule)))
    assert (code, said) == (
        "shadow",
        "a shadow run waits for nobody: the rule look-first asks for a person; it waits at insurance/desk",
    )


def test_an_obligation_to_hold_or_to_redact_the_answer_denies_it() -> None:
    owed = """---
apiVersion: mandate/v1
kind: Permission
metadata: {name: owed, tenant: insurance}
spec: {effect: permit, on: call, obligations: {hold: desk, redactAnswers: [email]}}
"""
    code, said = denial(decided(route(more=QUEUE + owed)))
    assert code == "shadow"
    assert said == (
        "a shadow run waits for nobody: its answer would wait for a person at insurance/desk; "
        "email must be taken out of its answer, which nobody checks"
    )


def test_rules_about_answers_and_tools_leave_it_alone() -> None:
    rule = """---
apiVersion: mandate/v1
kind: EscalationRule
metadata: {name: look-after, tenant: insurance}
spec: {stage: response, when: 'output.text != ""', queue: desk}
"""
    assert decided(route(more=QUEUE + rule)).plan == decided(route()).plan


def test_the_fact_is_recorded_and_absent_without_one() -> None:
    plain = facts(route="beside")
    assert b"shadow" not in encode(plain)
    run = facts(route="beside", shadow=ShadowFacts(of=OF, model="llama-old"))
    assert b'"shadow":{"model":"llama-old","of":"%b"}' % OF.encode() in encode(run)
    assert decode(encode(run)) == run


def test_so_many_percent_of_calls_by_a_draw_of_their_own() -> None:
    view = route(percent="10").routes["insurance", "beside"]
    calls = [sha256(b"%d" % n).digest()[:16] for n in range(4000)]
    found = [call for call in calls if asked_beside(view, call)]
    assert len(found) == 397
    assert asked_beside(view, found[0]) == ("llama-old",)
    # it says nothing of the draw that weighted routes take: of those, half lie in the lower half
    low = [call for call in found if int(draw_of(sha256(call).digest())) < 2**63]
    assert 180 < len(low) < 240


def test_the_ends_of_a_percentage() -> None:
    call = bytes(16)
    assert draw_beside(call) < 2**64
    assert asked_beside(route(percent="0").routes["insurance", "beside"], call) == ()
    everything = route("[llama-old, gpt-mini]", "100").routes["insurance", "beside"]
    assert asked_beside(everything, call) == ("llama-old", "gpt-mini")
    assert asked_beside(world().routes["insurance", "claims-triage"], call) == ()
    assert (share_of("100"), share_of("0.5"), share_of("0")) == (2**64, 2**64 // 200, 0)
