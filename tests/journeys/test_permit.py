"""A permitted call, from the caller's own client to the log."""

import json
from typing import Any
from uuid import uuid4

from tests.journeys.installation import Installation, call_of

ASK = [{"role": "user", "content": "Water came through the roof. [[sandbox tokens=20]]"}]
PLAIN = ["call.admitted", "attempt.started", "attempt.succeeded", "call.completed"]


def test_openai_client_gets_an_answer(mandate: Installation) -> None:
    client = mandate.openai("j-permit/desk")
    raw = client.chat.completions.with_raw_response.create(model="one", messages=ASK, max_tokens=50)
    answer, call = raw.parse(), call_of(raw.headers)
    assert answer.model == "one"
    assert answer.id == f"chatcmpl-{call.hex}"
    assert answer.usage is not None
    assert raw.headers["x-mandate-model"] == "j-gpt"
    row = mandate.call(call)
    assert (row["state"], row["tenant"], row["route"]) == ("completed", "j-permit", "one")
    assert mandate.entries(call) == PLAIN
    (attempt,) = mandate.attempts(call)
    # 1 EUR and 10 EUR a million: every token has its price in whole nano units
    spent = answer.usage.prompt_tokens * 1000 + answer.usage.completion_tokens * 10_000
    assert (attempt["state"], attempt["posted_nano"], row["cost_nano"]) == (
        "succeeded",
        spent,
        spent,
    )
    assert len(mandate.upstream.arrivals(call)) == 1


def test_anthropic_client_gets_an_answer_of_the_same_route(mandate: Installation) -> None:
    client = mandate.anthropic("j-permit/desk")
    raw = client.messages.with_raw_response.create(model="one", messages=ASK, max_tokens=50)
    answer, call = raw.parse(), call_of(raw.headers)
    assert answer.id == f"msg_{call.hex}"
    assert answer.stop_reason == "end_turn"
    assert mandate.attempts(call)[0]["model"] == "j-gpt"
    assert mandate.entries(call) == PLAIN


def test_chat_in_claude_out(mandate: Installation) -> None:
    client = mandate.openai("j-permit/desk")
    raw = client.chat.completions.with_raw_response.create(
        model="claude", messages=ASK, max_tokens=50
    )
    answer, call = raw.parse(), call_of(raw.headers)
    assert answer.choices[0].finish_reason == "stop"
    assert mandate.attempts(call)[0]["model"] == "j-claude"
    assert mandate.upstream.arrivals(call)[0]["path"] == "/v1/messages"


def test_the_worker_is_another_process(mandate: Installation) -> None:
    leases = mandate.rows(
        "SELECT pid FROM routing_worker_lease WHERE lost_at IS NULL AND kind = 'calls'"
    )
    web = mandate.running.pid_of("controlplane.web")
    assert leases
    assert all(row["pid"] not in {web, mandate.running.process.pid} for row in leases)


def test_the_answer_lies_sealed_and_only_there(mandate: Installation) -> None:
    client = mandate.openai("j-permit/desk")
    canary = "canary-7f3a-in-the-prompt"
    raw = client.chat.completions.with_raw_response.create(
        model="one", messages=[{"role": "user", "content": canary}], max_tokens=20
    )
    call = call_of(raw.headers)
    sealed = mandate.rows(
        "SELECT field, ciphertext FROM vault_content WHERE call = %s ORDER BY field", call
    )
    assert [row["field"] for row in sealed] == ["answer", "request"]
    assert all(canary.encode() not in row["ciphertext"] for row in sealed)
    bodies = mandate.rows("SELECT body FROM audit_entry WHERE call = %s", call)
    assert all(canary.encode() not in row["body"] for row in bodies)
    logs = mandate.home / "log"
    assert all(canary not in log.read_text(errors="replace") for log in logs.glob("*.log"))


def test_no_word_of_a_caller_lies_anywhere_but_in_the_vault(mandate: Installation) -> None:
    client = mandate.openai("j-permit/desk")
    canaries = {name: f"canary-{name}-{uuid4().hex[:8]}" for name in ("label", "value", "tool")}
    run, user = f"canary-run-{uuid4().hex[:8]}", f"canary-user-{uuid4().hex[:8]}"
    tool: Any = {"name": canaries["tool"], "parameters": {"type": "object"}}
    raw = client.chat.completions.with_raw_response.create(
        model="one",
        messages=[{"role": "user", "content": "Once. [[sandbox tokens=3]]"}],
        max_tokens=20,
        metadata={canaries["label"]: canaries["value"]},
        tools=[{"type": "function", "function": tool}],
        user=user,
        extra_headers={"x-mandate-run": run},
    )
    call = call_of(raw.headers)
    assert mandate.sent(mandate.upstream.arrivals(call)[0])["user"] == user
    facts = mandate.facts_of(call)
    assert (facts["request"]["labels"], facts["request"]["tools"]) == ({}, [])
    assert len(facts["request"]["labelsCommitted"]) == len(facts["run"]["id"]) == 64
    assert mandate.call(call)["run"] == facts["run"]["id"]
    for canary in (*canaries.values(), run, user):
        assert mandate.tables_with(canary) == [], canary
    logs = (log.read_text(errors="replace") for log in (mandate.home / "log").glob("*.log"))
    assert not any("canary-" in log.replace("sk-journey-canary", "") for log in logs)


def test_models_are_the_routes_this_key_may_call(mandate: Installation) -> None:
    names = sorted(model.id for model in mandate.openai("j-permit/desk").models.list())
    assert names == sorted({"one", "both", "turned", "claude", *_shared_routes(mandate)})
    listed = sorted(model.id for model in mandate.anthropic("j-permit/desk").models.list())
    assert listed == names


def _shared_routes(mandate: Installation) -> list[str]:
    found = mandate.rows("SELECT name FROM policies_document WHERE kind = 'Route' AND tenant = ''")
    return [row["name"] for row in found]


def test_the_welcome_works_as_printed(mandate: Installation) -> None:
    facts = mandate.facts()
    name, key = next(iter(facts["keys"].items()))
    mandate.keys[name] = key
    answer = mandate.openai(name).chat.completions.create(model=facts["route"], messages=ASK)
    assert answer.choices[0].message.content
    assert json.dumps(facts)
