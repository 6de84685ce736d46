"""A tool that a permission takes away: never in what a provider is asked, also when a policy moves or a repair asks again."""

import json
from typing import Any
from unittest.mock import patch

from routing.exchange import CallRequest
from routing.providers.sandbox import SandboxProvider
from tests.policies.engine.cascades import validator
from tests.policies.engine.small import bundle, model, permission, route
from tests.routing.walking import Walked, request, walk

TOOLS = [{"type": "function", "function": {"name": n, "parameters": {}}} for n in ("look", "send")]


async def asked_of_models(*documents: str) -> tuple[Walked, list[CallRequest]]:
    """What the sandbox was asked by a call that offers both tools."""
    seen: list[CallRequest] = []
    real = SandboxProvider.answer

    async def answer(self: SandboxProvider, asked: CallRequest, target: Any) -> Any:
        seen.append(asked)
        return await real(self, asked, target)

    permit = permission("p", effect="permit", obligations={"stripTools": ["look", "none"]})
    m1 = model("m1", capabilities=["chat", "tools"])
    with patch.object(SandboxProvider, "answer", answer):
        found = await walk(bundle(permit, m1, *documents), request("good", tools=TOOLS))
    return found, seen


async def test_the_model_never_sees_it_and_the_caller_is_told() -> None:
    found, seen = await asked_of_models(route("r", "m1"))
    assert [json.loads(asked.raw)["tools"] for asked in seen] == [[TOOLS[1]]]
    assert found.outcome.headers["x-mandate-reason"] == (
        "first-choice; without the tools look, which the policy takes away"
    )


async def test_a_repair_asks_without_it_too() -> None:
    checked = route("r", "m1", validators=["v"], retry={"attempts": 2})
    _, seen = await asked_of_models(validator("v", "repair"), checked)
    assert [json.loads(asked.raw)["tools"] for asked in seen] == [[TOOLS[1]]] * 2
