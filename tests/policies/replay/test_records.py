"""What of the recorded decisions a replay takes: those of callers."""

from uuid import UUID

from policies.engine.facts import ShadowFacts, encode
from policies.replay.records import _given
from tests.policies.engine.small import call

CALL = UUID("0193590f-0000-7000-8000-0000000000aa")


def row(facts: bytes) -> tuple[object, ...]:
    return CALL, 1, "request", 7, "a", facts


def test_a_shadow_run_is_no_callers_loss() -> None:
    labels = {"shadow": '"shadow":{'}
    plain = encode(call({"labels": labels}))
    taken = _given(CALL, [row(plain)], ())
    assert taken is not None
    assert (taken.facts, taken.revision) == (plain, 7)
    run = encode(call(shadow=ShadowFacts(of="ab" * 16, model="m")))
    assert _given(CALL, [row(run)], ()) is None
