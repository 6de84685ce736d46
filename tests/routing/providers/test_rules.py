"""Deterministic logic as a model: in every dialect, plain and streamed, for nothing; and what applies to nothing is no answer."""

import json

import pytest

from routing.dialects import dialect
from routing.exchange import Usage
from routing.providers.base import ProviderError
from routing.providers.registry import Providers
from routing.providers.rules import answer_of, found_in
from routing.validation.said import read
from tests.policies.engine.test_rules_models import view
from tests.routing.providers.asking import answer, request, streamed, target

RULES = view(
    [
        {"when": 'lookups.country[found.country] == "eu" && int(found.amount) > 1000', "answer": '"large"'},
        {"when": 'input.text.contains("hail")', "answer": '{"label": "household", "parts": [1, 2.5, true]}'},
        {"when": "input.json.kind == 'sum'", "answer": "string(input.json.a * 2.0 + 1.0)"},
        {"when": 'input.text.startsWith("broken")', "answer": "found.missing"},
    ],
    extract=[{"name": "amount", "after": "EUR ", "pattern": "^[0-9]+"},
             {"name": "country", "after": "country: ", "pattern": "^[a-z]{2}"}],
    lookups={"country": {"de": "eu", "fr": "eu", "us": "us"}},
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("country: de, EUR 4200 for the roof", "large"),
        ("country: us, EUR 4200 for the roof", None),
        ("country: de, EUR 42", None),
        ("hail on the roof", '{"label": "household", "parts": [1, 2.5, true]}'),
        ('{"kind": "sum", "a": 2}', None),
        ('{"kind": "sum", "a": 2.5}', "6"),
        ("broken", None),
        ("", None),
    ],
)
def test_the_first_row_that_applies_answers(text: str, said: str | None) -> None:
    assert answer_of(RULES, text) == said


def test_extracts_find_what_follows_their_literal() -> None:
    assert found_in(RULES, "EUR 12, then EUR 99; country: fr") == {"amount": "12", "country": "fr"}
    assert found_in(RULES, "EUR none") == {}
    bare = view([{"answer": "1"}], extract=[{"name": "number", "pattern": "P-[0-9][0-9]"}])
    assert found_in(bare, "see P-42") == {"number": "P-42"}


@pytest.mark.parametrize("name", ["openai.chat", "anthropic.messages"])
async def test_it_answers_in_the_callers_dialect(providers: Providers, name: str) -> None:
    at = target("rules", "", rules=RULES)
    found = await answer(providers, request(name, "hail"), at)
    assert json.loads(read(dialect(name), found.body, stream=False).text)["label"] == "household"
    assert (found.usage, found.finish_reason) == (Usage(), "stop")
    assert json.loads(found.body)["model"] == "claims-triage"
    flow = await streamed(providers, request(name, "hail", stream=True), at)
    assert (
        read(dialect(name), flow.data, stream=True).text
        == read(dialect(name), found.body, stream=False).text
    )
    assert flow.usage == Usage()


async def test_a_caller_of_responses_is_answered_too(providers: Providers) -> None:
    speaks = dialect("openai.responses")
    asked = speaks.parse_request(b'{"model":"r","input":"hail"}', {}, "")
    at = target("rules", "", rules=RULES)
    found = await providers.provider(at).answer(asked, at)
    assert "household" in read(speaks, found.body, stream=False).text


@pytest.mark.parametrize("stream", [False, True])
async def test_where_no_row_applies_the_next_model_is_asked(
    providers: Providers, *, stream: bool
) -> None:
    at = target("rules", "", rules=RULES)
    asked = request("openai.chat", "nothing of it", stream=stream)
    with pytest.raises(ProviderError) as caught:
        await (streamed(providers, asked, at) if stream else answer(providers, asked, at))
    assert (caught.value.error_class, caught.value.maybe_processed) == ("refused_account", False)
    assert "nothing of it" not in str(caught.value)


async def test_what_is_computed_is_certain(providers: Providers) -> None:
    at = target("rules", "", rules=RULES, logprobs=True)
    assert (await answer(providers, request("openai.chat", "hail"), at)).logprobs == (0.0,)
