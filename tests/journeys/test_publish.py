"""A bundle published while a call runs: the call keeps its revision, its next attempt starts under the new one."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai

from tests.journeys import world
from tests.journeys.installation import Installation, call_of

KEY, TENANT = "j-publish/desk", "j-publish"
SLOW_THEN_CLAUDE: Any = [
    {
        "role": "user",
        "content": "In between. [[sandbox tokens=5]]"
        "[[sandbox model=gpt-upstream latency=2500ms fail=refused_account]]",
    }
]
ONE: Any = [{"role": "user", "content": "Before. [[sandbox tokens=5]]"}]
FORBID = """\
apiVersion: mandate/v1
kind: Permission
metadata: {{name: no-claude, tenant: j-publish}}
spec:
  effect: forbid
  level: hard
  on: model
  when: '{when}'
  message: '"not today"'
"""


def publish(mandate: Installation, folder: Path, *documents: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "change.yaml").write_text("---\n".join(documents))
    mandate.apply(folder)


def in_mid_call(mandate: Installation, change: Callable[[], None]) -> tuple[Any, Any]:
    """Make the change while the first attempt of a call is at its model; the call's id, and its answer or error."""
    known = len(mandate.calls_of(TENANT))
    got: list[Any] = []
    caller = asking(mandate, got, "own-both", SLOW_THEN_CLAUDE)
    call = mandate.admitted(TENANT, known)
    while not mandate.upstream.arrivals(call):
        time.sleep(0.05)
    change()
    caller.join(60)
    return call, got[0]


def before_the_start(mandate: Installation, change: Callable[[], None]) -> tuple[Any, Any]:
    """Make the change between a call's admission and its start; the same."""
    known = len(mandate.calls_of(TENANT))
    got: list[Any] = []
    with mandate.no_worker():
        caller = asking(mandate, got, "own", ONE)
        call = mandate.admitted(TENANT, known)
        change()
    caller.join(20)
    return call, got[0]


def asking(mandate: Installation, got: list[Any], route: str, said: Any) -> threading.Thread:
    """A caller of its own thread, whose answer or error goes to `got`."""

    def ask() -> None:
        try:
            raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
                model=route, messages=said, max_tokens=9
            )
            got.append(raw)
        except openai.APIStatusError as error:
            got.append(error)

    caller = threading.Thread(target=ask, daemon=True)
    caller.start()
    return caller


def comes_out_again(mandate: Installation, call: Any) -> list[bool]:
    """Whether each record, decided again in a process of its own, is byte for byte the recorded one."""
    found = mandate.decided_again(call)
    assert found["identical"] is all(one["identical"] for one in found["stages"])
    return [one["identical"] for one in found["stages"]]


def test_a_call_bears_the_revision_that_decided_it(mandate: Installation, tmp_path: Path) -> None:
    client = mandate.openai(KEY)
    raw = client.chat.completions.with_raw_response.create(model="own", messages=ONE, max_tokens=9)
    old = int(raw.headers["x-mandate-revision"])
    publish(mandate, tmp_path, world.budget("publish", f"{2000 + old}.00"))
    raw = client.chat.completions.with_raw_response.create(model="own", messages=ONE, max_tokens=9)
    assert int(raw.headers["x-mandate-revision"]) == old + 1
    call = call_of(raw.headers)
    assert mandate.call(call)["revision"] == old + 1
    assert [entry["data"]["revision"] for entry in mandate.told(call)] == [old + 1] * 4


def test_the_second_attempt_starts_under_the_new_revision_at_the_new_price(
    mandate: Installation, tmp_path: Path
) -> None:
    now = mandate.rows("SELECT revision FROM policies_control")[0]["revision"]
    dearer = world.own_models("publish", output_price=str(20 + now))
    call, answer = in_mid_call(mandate, lambda: publish(mandate, tmp_path, *dearer))
    first, second = mandate.attempts(call)
    assert mandate.call(call)["revision"] == now + 1  # the one it runs under
    assert (first["model"], second["model"]) == ("gpt", "claude")
    # two records: what admission decided, and what was decided again at the second start
    assert mandate.decisions(call) == [
        (1, "request", now, "permit"),
        (2, "request", now + 1, "permit"),
    ]
    usage = answer.parse().usage
    spent = usage.prompt_tokens * 1000 + usage.completion_tokens * (20 + now) * 1000
    assert second["posted_nano"] == spent
    started = [e for e in mandate.told(call) if e["kind"] == "attempt.started"]
    assert [entry["data"]["revision"] for entry in started] == [now, now + 1]


def test_admitted_under_the_old_revision_and_started_under_the_new(
    mandate: Installation, tmp_path: Path
) -> None:
    now = mandate.rows("SELECT revision FROM policies_control")[0]["revision"]
    dearer = world.own_models("publish", output_price=str(200 + now))
    call, answer = before_the_start(mandate, lambda: publish(mandate, tmp_path, *dearer))
    assert answer.headers["x-mandate-revision"] == str(now)  # what admission decided under
    assert [entry["data"]["revision"] for entry in mandate.told(call)] == [now, *[now + 1] * 3]
    assert mandate.decisions(call) == [
        (1, "request", now, "permit"),
        (2, "request", now + 1, "permit"),
    ]
    assert comes_out_again(mandate, call) == [True, True]
    usage, (attempt,) = answer.parse().usage, mandate.attempts(call)
    # the reservation was priced anew before the start, and the answer by the new price
    spent = usage.prompt_tokens * 1000 + usage.completion_tokens * (200 + now) * 1000
    assert attempt["posted_nano"] == spent
    assert attempt["reserved_nano"] >= 9 * (200 + now) * 1000


def test_stopped_between_admission_and_start(mandate: Installation) -> None:
    now = mandate.rows("SELECT revision FROM policies_control")[0]["revision"]
    stops: list[str] = []
    scope = ("model", "gpt", "--tenant", TENANT)

    def stop() -> None:
        made = mandate.operate("stop", "set", *scope, "--reason", "a journey", "--json")
        stops.append(json.loads(made)["id"])

    call, error = before_the_start(mandate, stop)
    mandate.operate("stop", "lift", stops[0])
    assert isinstance(error, openai.PermissionDeniedError)
    assert error.response.headers["x-should-retry"] == "false"
    assert mandate.entries(call) == ["call.admitted", "attempt.voided", "call.failed"]
    assert "gpt is stopped" in error.message
    assert "rule stop; ask " in error.message
    assert mandate.told(call)[-1]["data"]["rules"] == ["stop"]
    assert mandate.decisions(call) == [(1, "request", now, "permit"), (2, "request", now, "deny")]
    assert comes_out_again(mandate, call) == [True, True]
    row = mandate.call(call)
    assert (row["state"], row["code"], row["cost_nano"]) == ("failed", "policy_changed", 0)
    assert mandate.upstream.arrivals(call) == []
    assert mandate.window("month", TENANT)["pending_nano"] == 0


def test_what_is_now_denied_does_not_start(mandate: Installation, tmp_path: Path) -> None:
    now = mandate.rows("SELECT revision FROM policies_control")[0]["revision"]
    forbid = FORBID.format(when='model.tier == "small" || model.tier == "large"')
    call, error = in_mid_call(mandate, lambda: publish(mandate, tmp_path, forbid))
    publish(mandate, tmp_path, FORBID.format(when="false"))
    assert isinstance(error, openai.PermissionDeniedError)
    assert error.response.headers["x-should-retry"] == "false"
    row = mandate.call(call)
    assert (row["state"], row["code"]) == ("failed", "policy_changed")
    assert "not today (rule no-claude; ask " in error.message
    assert mandate.told(call)[-1]["data"]["rules"] == ["no-claude"]
    assert mandate.decisions(call) == [
        (1, "request", now, "permit"),
        (2, "request", now + 1, "deny"),
    ]
    assert comes_out_again(mandate, call) == [True, True]
    assert [(a["model"], a["state"]) for a in mandate.attempts(call)] == [("gpt", "failed")]
    assert mandate.entries(call) == [
        "call.admitted",
        "attempt.started",
        "attempt.failed",
        "call.failed",
    ]
    assert len(mandate.upstream.arrivals(call)) == 1


def test_a_stop_in_mid_call_binds_the_second_start_too(mandate: Installation) -> None:
    stops: list[str] = []

    def stop() -> None:
        scope = ("model", "claude", "--tenant", TENANT)
        stops.append(mandate.operate("stop", "set", *scope, "--reason", "a journey", "--json"))

    call, error = in_mid_call(mandate, stop)
    mandate.operate("stop", "lift", json.loads(stops[0])["id"])
    assert isinstance(error, openai.PermissionDeniedError)
    assert mandate.call(call)["code"] == "policy_changed"
    # what failed is not tried again because another plan begins with it
    assert [(a["model"], a["state"]) for a in mandate.attempts(call)] == [("gpt", "failed")]
    assert len(mandate.upstream.arrivals(call)) == 1
