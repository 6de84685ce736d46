"""Configuration to copy: every client's names the address, the route and the key, each once and in its own way."""

import ast
import json
import shlex
import tomllib

from policies.ui.snippets import PLACEHOLDER, Snippet, snippets

ORIGIN, ROUTE = "https://ai.acme.example", "claims-triage"
KEY = "mdt_q7k2m9xd_" + "s" * 43


def _all() -> dict[str, Snippet]:
    return {snippet.name: snippet for snippet in snippets(ORIGIN, ROUTE, KEY)}


def test_every_client_is_there_and_named_once() -> None:
    assert list(_all()) == [
        "openai",
        "openai-js",
        "anthropic",
        "langchain",
        "curl",
        "claude-code",
        "codex",
        "environment",
    ]


def test_each_holds_the_address_the_route_and_the_key() -> None:
    for name, snippet in _all().items():
        assert snippet.text.count(KEY) == 1, name
        assert f'{ROUTE}"' in snippet.text, name
        assert ORIGIN in snippet.text, name
        assert f"{ORIGIN}/v1/v1" not in snippet.text


def test_without_a_key_there_is_a_placeholder_and_no_secret() -> None:
    for snippet in snippets(ORIGIN, ROUTE):
        assert snippet.text.count(PLACEHOLDER) == 1


def test_python_is_python() -> None:
    python = [snippet for snippet in _all().values() if snippet.python]
    assert [snippet.name for snippet in python] == ["openai", "anthropic", "langchain"]
    for snippet in python:
        ast.parse(snippet.text)


def test_the_base_is_what_each_client_expects() -> None:
    found = _all()
    assert f'base_url="{ORIGIN}/v1"' in found["openai"].text
    assert f'baseURL: "{ORIGIN}/v1"' in found["openai-js"].text
    assert f'base_url="{ORIGIN}",' in found["anthropic"].text
    assert f'ANTHROPIC_BASE_URL="{ORIGIN}"\n' in found["claude-code"].text
    assert f'OPENAI_BASE_URL="{ORIGIN}/v1"\n' in found["environment"].text


def test_codex_reads_toml() -> None:
    found = tomllib.loads(_all()["codex"].text)
    assert found["model"] == ROUTE
    assert found["model_providers"][found["model_provider"]] == {
        "name": "Mandate",
        "base_url": f"{ORIGIN}/v1",
        "env_key": "MANDATE_KEY",
        "wire_api": "responses",
    }


def test_curl_is_one_command_with_a_body() -> None:
    words = shlex.split(_all()["curl"].text.replace("\\\n", " "))
    assert words[:2] == ["curl", f"{ORIGIN}/v1/chat/completions"]
    body = json.loads(words[words.index("-d") + 1])
    assert (body["model"], body["messages"][0]["role"]) == (ROUTE, "user")
