"""Required labels: each client learns how to send one, and what is given by default stands in the facts and the report."""

import json
from base64 import b64decode
from typing import Any
from uuid import UUID

import anthropic
import openai
import pytest

from tests.journeys.installation import Installation, call_of

KEY = "j-labels/desk"
ASK: Any = [{"role": "user", "content": "Hello. [[sandbox tokens=3]]"}]
SENT = {"x-mandate-labels": "case=47%2C11"}
WORDS = 'the label "case" is required: send it as metadata.case or in x-mandate-labels'


def asked_of(mandate: Installation, call: UUID) -> Any:
    (row,) = mandate.rows("SELECT facts FROM policies_decision WHERE call = %s AND no = 1", call)
    return json.loads(bytes(row["facts"]))["request"]


def test_each_dialect_says_which_label_is_missing_and_takes_it_in_the_header(
    mandate: Installation,
) -> None:
    client, claude = mandate.openai(KEY), mandate.anthropic(KEY)
    ways: list[Any] = [
        lambda **more: client.chat.completions.with_raw_response.create(
            model="one", messages=ASK, max_tokens=9, **more
        ),
        lambda **more: client.responses.with_raw_response.create(
            model="one", input=ASK, max_output_tokens=16, **more
        ),
        lambda **more: claude.messages.with_raw_response.create(
            model="one", messages=ASK, max_tokens=9, **more
        ),
    ]
    for way in ways:
        with pytest.raises((openai.PermissionDeniedError, anthropic.PermissionDeniedError)) as told:
            way()
        assert WORDS in told.value.message
        denied = call_of(told.value.response.headers)
        assert mandate.call(denied)["code"] == "required-label"
        assert mandate.entries(denied) == ["call.denied"]
        assert mandate.upstream.arrivals(denied) == []
        call = call_of(way(extra_headers=SENT).headers)
        found = asked_of(mandate, call)
        assert found["labels"] == {"case": "47,11", "kind": "home"}
        assert found["labelsGiven"] == ["kind"]
        (arrived,) = mandate.upstream.arrivals(call)
        assert b"47" not in b64decode(arrived["body"])
