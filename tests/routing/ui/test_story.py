"""The sentence that tells a call."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from policies.engine.decision import Decision, Denial
from routing.calls.models import Attempt, Call
from routing.reports.story import Told, sentence, title

ASKED = datetime(2026, 11, 20, 9, 14, 7, tzinfo=UTC)


def _call(**more: Any) -> Call:
    given: dict[str, Any] = {
        "id": UUID(int=7),
        "state": "completed",
        "route": "claims-triage",
        "revision": 41,
        "admitted_at": ASKED,
        "finished_at": ASKED + timedelta(seconds=3),
        "cost_nano": 1_480_000,
        "code": "",
        "stream": False,
    }
    return Call(**given | more)


def _attempt(no: int, model: str, state: str = "succeeded", error: str = "") -> Attempt:
    return Attempt(call_id=UUID(int=7), no=no, model=model, state=state, error_class=error)


def _say(call: Call, *attempts: Attempt, decision: Decision | None = None) -> str:
    return "".join(piece.text for piece in sentence(Told(call, attempts, decision, "EUR")))


def test_plain() -> None:
    assert _say(_call(), _attempt(1, "gpt-mini")) == (
        "Permitted under revision 41. gpt-mini answered; the caller had it 3.00 s after asking, for €0.00148."
    )
    assert title(_call()) == "claims-triage, completed"


def test_streamed_after_two_failures() -> None:
    tried = (
        _attempt(1, "a", "failed", "timeout"),
        _attempt(2, "b", "failed", "overloaded"),
        _attempt(3, "c"),
    )
    assert _say(_call(stream=True), *tried) == (
        "Permitted under revision 41. a did not answer in time. Then b was overloaded. "
        "c streamed its answer; the caller had it 3.00 s after asking, for €0.00148."
    )


@pytest.mark.parametrize(
    ("state", "code", "said"),
    [
        (
            "failed",
            "policy_changed",
            "It failed after 3.00 s: the policy changed while it waited, and forbids it now; it cost €0.00148.",
        ),
        (
            "cancelled",
            "caller_gone",
            "It was cancelled after 3.00 s: the caller went away; it cost €0.00148.",
        ),
        ("failed", "odd_reason", "It failed after 3.00 s: odd reason; it cost €0.00148."),
        ("held", "", "It waits for a person. So far it cost €0.00148."),
    ],
)
def test_other_ends(state: str, code: str, said: str) -> None:
    finished = None if state == "held" else ASKED + timedelta(seconds=3)
    call = _call(state=state, code=code, finished_at=finished)
    assert _say(call) == f"Permitted under revision 41. {said}"


def test_running_and_waiting() -> None:
    call = _call(state="running", finished_at=None)
    assert (
        _say(call, _attempt(1, "gpt-mini", "started"))
        == "Permitted under revision 41. gpt-mini is working on it."
    )
    assert (
        _say(_call(state="admitted", finished_at=None))
        == "Permitted under revision 41. It waits for a worker."
    )


def test_denied_says_the_rule_and_whom_to_ask() -> None:
    denial = Denial(
        code="forbidden", message="not for you", rules=("no-fun",), owner="cleo@acme.example"
    )
    decision = Decision(effect="deny", determining=(), denial=denial, revision=41, bundle="")
    assert _say(_call(state="denied", code="forbidden"), decision=decision) == (
        "Denied under revision 41: not for you. The rule is no-fun; ask cleo@acme.example. "
        "Nothing was sent to any model, and it cost nothing."
    )
    assert _say(_call(state="denied", code="forbidden")) == (
        "Denied under revision 41: forbidden. Nothing was sent to any model, and it cost nothing."
    )
