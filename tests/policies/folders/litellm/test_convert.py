"""A LiteLLM configuration as documents: what carries over, what does not, and never a secret."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.documents.parse import document_from_body
from policies.documents.problems import InvalidDocuments
from policies.folders.litellm.convert import Converted, converted, listing, money

FILE = Path(__file__).with_name("config.yaml")


def example() -> Converted:
    return converted(FILE.read_text(encoding="utf-8"), "config.yaml", "platform", "2026-11-28")


def spec(found: Converted, kind: str, name: str) -> Any:
    (body,) = (d for d in found.documents if (d["kind"], d["metadata"]["name"]) == (kind, name))
    return body["spec"]


def why(found: Converted) -> dict[str, str]:
    return {one.path: one.why for one in found.left}


def test_providers_have_credentials_by_name() -> None:
    found = example()
    assert spec(found, "Provider", "openai") == {
        "type": "openai",
        "credential": "secret:openai",
        "timeouts": {"totalSeconds": "120", "firstTokenSeconds": "20"},
    }
    assert spec(found, "Provider", "anthropic")["credential"] == "secret:anthropic"
    assert spec(found, "Provider", "azure") == {
        "type": "azure-openai",
        "baseUrl": "https://acme-eu.openai.azure.com",
        "credential": "secret:azure_eu",
    }
    assert spec(found, "Provider", "hosted-vllm-2")["baseUrl"] == "http://llama-b.internal:8000/v1"


def test_models_have_the_prices_that_are_stated() -> None:
    found = example()
    assert spec(found, "Model", "gpt-mini") == {
        "provider": "openai",
        "upstreamName": "gpt-5-mini",
        "capabilities": ["chat", "tools", "vision"],
        "contextWindow": 400000,
        "maxOutputTokens": 32000,
        "prices": [
            {
                "from": "2026-11-28",
                "currency": "USD",
                "inputPerMillion": "0.25",
                "outputPerMillion": "2.00",
                "cachedInputPerMillion": "0.025",
            }
        ],
    }
    assert "prices" not in spec(found, "Model", "llama_1")


def test_groups_become_routes_with_their_fallbacks_and_weights() -> None:
    found = example()
    assert spec(found, "Route", "gpt-mini") == {
        "useCase": "litellm",
        "strategy": {
            "type": "fallback",
            "models": ["gpt-mini", "claude-large", "llama_1", "llama_2"],
        },
        "retry": {"attempts": 3},
    }
    assert spec(found, "Route", "llama")["strategy"] == {
        "type": "weighted",
        "models": [{"model": "llama_1", "weight": 60}, {"model": "llama_2", "weight": 20}],
    }
    assert spec(found, "Route", "gpt-4") == spec(found, "Route", "gpt-mini")


def test_budgets_rates_and_teams() -> None:
    found = example()
    assert spec(found, "Tenant", "litellm") == {"teams": ["Claims-Desk"]}
    budgets = {
        d["metadata"]["name"]: (d["spec"]["limit"], d["spec"]["period"], d["spec"].get("each"))
        for d in found.documents
        if d["kind"] == "Budget"
    }
    assert budgets == {
        "all": ("10000.00", "month", None),
        "each-user": ("12.5", "day", ["user"]),
        "provider-openai": ("500.00", "month", None),
        "Claims-Desk": ("200.00", "week", None),
    }
    assert spec(found, "RateLimit", "all") == {"scope": {}, "concurrent": 100}
    assert spec(found, "RateLimit", "Claims-Desk") == {
        "scope": {"tenant": "litellm", "team": "Claims-Desk"},
        "requestsPerMinute": 60,
        "tokensPerMinute": 40000,
    }


def test_every_document_is_right() -> None:
    for body in example().documents:
        assert document_from_body(body).body["spec"] == body["spec"], body


def test_what_did_not_carry_over_is_named_with_its_line() -> None:
    found = example()
    reasons = why(found)
    assert reasons["model_list[5]"] == 'mode "embedding" is not served'
    assert reasons["model_list[6]"].startswith("a wildcard")
    assert reasons["model_list[7]"] == 'there is no provider of type "bedrock"'
    assert reasons["router_settings.fallbacks[1].gpt-mini"].endswith("that carried over")
    assert reasons["router_settings.allowed_fails"] == "a breaker guards each model by itself"
    assert reasons["litellm_settings.success_callback"].startswith("calls are in the audit log")
    assert reasons["teams[0].models"] == "write a Permission for what a team may call"
    assert reasons["model_list[2].litellm_params.temperature"].startswith("no field of a Model")
    text = FILE.read_text(encoding="utf-8").splitlines()
    for one in found.left:
        if one.path and not one.path.endswith("]"):
            assert one.path.rsplit(".", 1)[-1].split("[")[0] in text[one.line - 1], one
    assert "config.yaml:51 router_settings.allowed_fails: a breaker" in listing(
        found.left, "config.yaml"
    )


def test_no_key_is_dropped_in_silence() -> None:
    """Take each leaf away in turn: something of the result changes, or it was named."""
    content = "model_list: []\nlitellm_settings: {a: 1, b: {c: [1, 2], d: [{e: 1}]}}\nf: x\n"
    found = converted(content, "c.yaml", "platform", "2026-11-28")
    assert found.documents == []
    assert sorted(why(found)) == [
        "f",
        "litellm_settings.a",
        "litellm_settings.b.c",
        "litellm_settings.b.d[0].e",
        "model_list",
    ]


def test_no_secret_is_copied() -> None:
    found = example()
    said = f"{found.documents}{listing(found.left, 'config.yaml')}"
    assert FILE.read_text(encoding="utf-8").count("LITERAL") == 6
    assert "LITERAL" not in said
    assert why(found)["model_list[1].litellm_params.api_key"].startswith(
        "a literal key, not copied"
    )
    assert why(found)["general_settings.master_key"].startswith("a secret: its value was not")
    with pytest.raises(InvalidDocuments) as raised:
        converted("a: [sk-LITERAL\nb: 'x", "c.yaml", "platform", "2026-11-28")
    assert "LITERAL" not in str(raised.value)
    address = (
        "model_list:\n- litellm_params: {model: vllm/x, api_base: 'https://u:sk-LITERAL@h/v1'}\n"
    )
    found = converted(address, "c.yaml", "platform", "2026-11-28")
    assert (found.documents, "LITERAL" in str(found.left)) == ([], False)


def test_names_that_meet_get_a_number() -> None:
    content = (
        "model_list:\n"
        "- {model_name: a/b, litellm_params: {model: openai/x}}\n"
        "- {model_name: a-b, litellm_params: {model: openai/y}}\n"
    )
    found = converted(content, "c.yaml", "platform", "2026-11-28")
    names = [d["metadata"]["name"] for d in found.documents if d["kind"] in ("Model", "Route")]
    assert names == ["a-b", "a-b-2", "a-b", "a-b-2"]


@pytest.mark.parametrize(
    ("value", "meant"), [(500, "500.00"), (12.5, "12.5"), ("x", None), (-1, None), (True, None)]
)
def test_amounts(value: object, meant: str | None) -> None:
    assert money(value) == meant


_KEYS = st.sampled_from(
    [
        "model_list", "litellm_params", "model", "model_name", "model_info", "router_settings", "fallbacks",
        "litellm_settings", "teams", "team_alias", "max_budget", "api_key", "api_base", "model_group_alias",
        "provider_budget_config", "general_settings", "timeout", "max_tokens", "default_team_params", "mode",
    ]
)  # fmt: skip
_VALUES = st.recursive(
    st.sampled_from(
        ["null", "1", "-3", "openai/x", "'*'", "claude", "true", "1e400", "os.environ/K"]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda found: f"[{', '.join(found)}]"),
        st.dictionaries(_KEYS, inner, max_size=4).map(
            lambda found: "{" + ", ".join(f"{k}: {v}" for k, v in found.items()) + "}"
        ),
    ),
    max_leaves=15,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=5))
@settings(max_examples=200, deadline=None)
def test_no_configuration_raises_anything_but_the_drawn_errors(found: dict[str, str]) -> None:
    content = "".join(f"{key}: {value}\n" for key, value in found.items()) or "{}"
    for body in converted(content, "c.yaml", "platform", "2026-11-28").documents:
        document_from_body(body)
