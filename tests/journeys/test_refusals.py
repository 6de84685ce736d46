"""Who is not let in at all: no key, no such route, no such path. Nothing is recorded of it."""

import json
from typing import Any

import anthropic
import openai
import pytest

from tests.journeys.installation import Installation, exchange

KEY, REVOKED = "j-keys/desk", "j-keys/desk#revoked"
ASK: Any = [{"role": "user", "content": "May I?"}]


@pytest.fixture
def bad_keys(mandate: Installation) -> dict[str, str]:
    known = mandate.keys[KEY]
    ok, _, errors = mandate.operator.run(
        "keys", "revoke", mandate.key_id(REVOKED), "--reason", "a journey"
    )
    assert ok or "revoked" in errors
    return {
        "garbled": known[:-1] + ("a" if known[-1] != "a" else "b"),
        "unknown": "mdt_zzzzzzzz_" + known[13:],
        "not ours": "sk-something",
        "empty": " ",
        "revoked": mandate.keys[REVOKED],
    }


def test_every_bad_key_gets_the_same_401_in_both_shapes(
    mandate: Installation, bad_keys: dict[str, str]
) -> None:
    before = mandate.rows("SELECT count(*) AS entries FROM audit_entry WHERE tenant = 'j-keys'")
    messages = set()
    body = json.dumps({"model": "one", "messages": ASK, "max_tokens": 9}).encode()
    for key in bad_keys.values():
        answer = mandate.send("/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
        assert answer.status == 401
        assert answer.headers["x-should-retry"] == "false"
        error = answer.json()["error"]
        assert (error["type"], error["code"]) == ("authentication_error", "invalid_api_key")
        messages.add(error["message"])
        answer = mandate.send("/v1/messages", body, {"x-api-key": key})
        assert answer.status == 401
        assert answer.json()["type"] == "error"
        assert answer.json()["error"]["type"] == "authentication_error"
        messages.add(answer.json()["error"]["message"])
    answer = mandate.send("/v1/chat/completions", body, {})
    assert answer.status == 401
    # the answer never says which it was
    assert len(messages) == 1
    after = mandate.rows("SELECT count(*) AS entries FROM audit_entry WHERE tenant = 'j-keys'")
    assert after == before
    assert mandate.calls_of("j-keys") == []


def test_the_sdks_raise_their_own_error(mandate: Installation, bad_keys: dict[str, str]) -> None:
    mandate.keys["bad"] = bad_keys["garbled"]
    with pytest.raises(openai.AuthenticationError):
        mandate.openai("bad").chat.completions.create(model="one", messages=ASK)
    with pytest.raises(anthropic.AuthenticationError):
        mandate.anthropic("bad").messages.create(model="one", messages=ASK, max_tokens=9)
    with pytest.raises(openai.AuthenticationError):
        mandate.openai("bad").models.list()


def test_an_unknown_route_lists_the_routes_of_this_key(mandate: Installation) -> None:
    routes = [model.id for model in mandate.openai(KEY).models.list()]
    with pytest.raises(openai.NotFoundError) as raised:
        mandate.openai(KEY).chat.completions.create(model="gpt-5", messages=ASK)
    assert raised.value.code == "model_not_found"
    assert 'there is no route "gpt-5"' in raised.value.message
    assert all(route in raised.value.message for route in routes)
    assert raised.value.response.headers["x-should-retry"] == "false"
    with pytest.raises(anthropic.NotFoundError) as other:
        mandate.anthropic(KEY).messages.create(model="gpt-5", messages=ASK, max_tokens=9)
    body: Any = other.value.body
    assert body["error"]["type"] == "not_found_error"
    assert mandate.calls_of("j-keys") == []


def test_models_in_both_shapes(mandate: Installation) -> None:
    shown = {"authorization": f"Bearer {mandate.keys[KEY]}"}
    port = mandate.running.machine.port
    chat = exchange(port, "GET", "/v1/models", b"", shown).json()
    assert chat["object"] == "list"
    assert {model["object"] for model in chat["data"]} == {"model"}
    named = {"x-api-key": mandate.keys[KEY], "anthropic-version": "2023-06-01"}
    messages = exchange(port, "GET", "/v1/models", b"", named).json()
    assert {model["type"] for model in messages["data"]} == {"model"}
    assert [m["id"] for m in messages["data"]] == [m["id"] for m in chat["data"]]
    assert messages["has_more"] is False


def test_one_model_in_both_shapes(mandate: Installation) -> None:
    assert mandate.openai(KEY).models.retrieve("one").id == "one"
    assert mandate.anthropic(KEY).models.retrieve("one").id == "one"
    with pytest.raises(openai.NotFoundError) as raised:
        mandate.openai(KEY).models.retrieve("own-both")
    assert 'there is no route "own-both"; this key may call: ' in raised.value.message


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/nothing"), ("GET", "/v1/chat/completions"), ("DELETE", "/v1/models")],
)
def test_what_is_not_served_says_so(mandate: Installation, method: str, path: str) -> None:
    shown = {"authorization": f"Bearer {mandate.keys[KEY]}"}
    answer = exchange(mandate.running.machine.port, method, path, b"{}", shown)
    assert answer.status in {404, 405}
    assert path in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"model": "one"', b'{"model":"one","model":"claude"}']
)
def test_a_body_that_is_no_request(mandate: Installation, body: bytes) -> None:
    shown = {"authorization": f"Bearer {mandate.keys[KEY]}"}
    for path in ("/v1/chat/completions", "/v1/messages"):
        answer = mandate.send(path, body, shown)
        assert answer.status == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert answer.headers["x-should-retry"] == "false"
