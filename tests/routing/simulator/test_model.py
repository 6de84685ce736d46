"""The simulator is arithmetic: equal in, equal out; directives do what their table says."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest

from controlplane import env
from routing.simulator import model
from routing.simulator.model import (
    Ask,
    Failure,
    Simulated,
    Timing,
    ToolSpec,
    count_tokens,
    simulate,
)

TOOL = ToolSpec(
    "lookup", {"type": "object", "required": ["id"], "properties": {"id": {"const": 7}}}
)


def ask(text: str, **more: object) -> Ask:
    return replace(Ask(text=text, last=text, directives=text, model="gpt"), **more)  # type: ignore[arg-type]  # fields by name


def told(directives: str, **more: object) -> Simulated:
    return simulate(ask(f"question [[sandbox {directives}]]", **more))


def refusal(directives: str, **more: object) -> str:
    failure = told(directives, **more).failure
    assert failure is not None
    assert (failure.kind, failure.status) == ("refused_request", 400)
    return failure.message


def test_equal_asks_get_equal_answers() -> None:
    one = ask("Sort this claim: water in the cellar", logprobs=2)
    assert simulate(one) == simulate(one)
    assert simulate(one) != simulate(replace(one, last="Sort this claim: hail"))


def test_models_and_seeds_agree_unless_told_otherwise() -> None:
    texts = {
        simulate(ask("q", model=name, seed=seed)).choices[0].text
        for name in "ab"
        for seed in (0, 1)
    }
    assert len(texts) == 1
    varied = {
        told("vary=1", model=name, seed=seed).choices[0].text for name in "abcd" for seed in (0, 1)
    }
    assert len(varied) > 2


def test_another_process_says_the_same() -> None:
    code = (
        "from routing.simulator.model import Ask, simulate;"
        "print(simulate(Ask(text='q', last='q', model='m', logprobs=0)))"
    )
    outs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=env.ROOT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outs == {f"{simulate(Ask(text='q', last='q', model='m', logprobs=0))}\n".encode()}


def test_tokens_are_counted() -> None:
    assert [count_tokens(text) for text in ("", "a", "abcd", "abcde", "☂☂")] == [1, 1, 1, 2, 2]
    done = told("tokens=40", images=2)
    assert done.output_tokens == 40
    assert len(done.choices[0].tokens) == 40
    assert done.input_tokens == count_tokens("question [[sandbox tokens=40]]") + 2 * 85
    assert told("tokens=40", n=3).output_tokens == 120


def test_usage_can_be_told() -> None:
    done = told("usage=1000:20")
    assert (done.input_tokens, done.output_tokens, done.usage_reported) == (1000, 20, True)
    assert told("usage=none").usage_reported is False


def test_say_and_finish() -> None:
    choice = told('say="Yes, of course."').choices[0]
    assert (choice.text, choice.finish) == ("Yes, of course.", "stop")
    assert told("say='{\"a\": [1]}'").choices[0].text == '{"a": [1]}'
    assert told("finish=content_filter").choices[0].finish == "content_filter"


def test_deltas_cover_every_token_once() -> None:
    choice = told("tokens=10").choices[0]
    assert list(choice.deltas(3)) == [(0, 3), (3, 6), (6, 10)]
    assert list(choice.deltas(99)) == [(no, no + 1) for no in range(10)]
    assert len(list(choice.deltas(None))) == 10


def test_timing() -> None:
    done = told("latency=50ms delay=20ms stall=2s stall_after=3 chunks=5")
    assert done.timing == Timing(first=0.05, between=0.02, stall=2.0, stall_after=3)
    assert done.chunks == 5


@pytest.mark.parametrize("kind", model.FAILURES)
def test_failures(kind: str) -> None:
    failure = told(f"fail={kind} retry_after=1.5").failure
    assert failure == Failure(kind, model.FAILURES[kind], 1.5)


def test_a_bare_status_and_one_with_a_class() -> None:
    assert told("status=418").failure == Failure("", 418)
    assert told("fail=overloaded status=529").failure == Failure("overloaded", 529)


def test_failures_end_after_so_many_tries() -> None:
    block = "fail=overloaded cut=after:1 error=2 stall=1s times=2"
    for tries in (0, 1):
        done = told(block, tries=tries)
        assert done.failure is not None
        assert (done.cut_after, done.error_after, done.timing.stall) == (1, 2, 1.0)
    done = told(block, tries=2)
    assert (done.failure, done.cut_after, done.error_after, done.timing.stall) == (
        None,
        None,
        None,
        0,
    )


def test_a_block_for_another_model_is_not_for_this_one() -> None:
    block = "[[sandbox model=gpt fail=overloaded]] [[sandbox model=llama tokens=3]]"
    assert simulate(ask(block)).failure is not None
    other = simulate(ask(block, model="llama"))
    assert (other.failure, other.output_tokens) == (None, 3)


def test_directives_are_not_part_of_the_question() -> None:
    assert "[[sandbox" not in simulate(ask("hello [[sandbox tokens=60]]")).choices[0].text


@pytest.mark.parametrize(
    ("directives", "why"),
    [
        ("flail=1", 'there is no sandbox directive "flail"'),
        ("fail=never", 'fail="never"; use one of timeout, rate_limited'),
        ("status=200", "status=200; use 300 to 599"),
        ("latency=soon", 'latency="soon"; use 50ms or 2s'),
        ("latency=2h", 'latency="2h"; use 50ms or 2s'),
        ("latency=9999s", "use at most one hour"),
        ("latency=nan", "use at most one hour"),
        ("tokens=-1", "use a whole number"),
        ("tokens=999999", "use a whole number up to 200000"),
        ("cut=after:x", 'cut="x"; use a whole number'),
        ("confidence=2 logprobs=1", "use 0.0 to 1.0"),
        ("confidence=x logprobs=1", "use a number"),
        ("usage=5", "use none or input:output"),
    ],
)
def test_a_bad_directive_is_a_refused_request(directives: str, why: str) -> None:
    assert why in refusal(directives)


def test_tools_are_called_when_told_or_when_they_must_be() -> None:
    assert told("tokens=3", tools=(TOOL,)).choices[0].calls == ()
    for done in (
        told("tool=lookup", tools=(TOOL,)),
        told("tokens=3", tools=(TOOL,), must_call=""),
        told("tokens=3", tools=(TOOL,), must_call="lookup"),
    ):
        [call] = done.choices[0].calls
        assert (call.name, call.arguments) == ("lookup", '{"id":7}')
        assert done.choices[0].finish == "tool_calls"
        assert done.output_tokens == count_tokens('lookup{"id":7}')
    two = told("tool=lookup,lookup args='{\"id\":1}'", tools=(TOOL,)).choices[0].calls
    assert [call.arguments for call in two] == ['{"id":1}', '{"id":1}']
    assert two[0].id != two[1].id
    assert refusal("tool=other", tools=(TOOL,)) == 'the request has no tool "other"'


def test_a_tool_result_is_answered() -> None:
    choice = told("tool=lookup", tools=(TOOL,), tool_result="42 euros").choices[0]
    assert choice.calls == ()
    assert "42 euros" in choice.text


def test_stop_and_length() -> None:
    stopped = told('say="one two three"', stop=("zzz", "three", "two")).choices[0]
    assert (stopped.text, stopped.finish, stopped.stopped_by) == ("one ", "stop", "two")
    cut = told("tokens=9", max_tokens=4).choices[0]
    assert (len(cut.tokens), cut.finish) == (4, "length")


def test_logprobs_have_the_told_mean() -> None:
    choice = told("tokens=200 confidence=0.6", logprobs=0).choices[0]
    shares = [math.exp(value) for value in choice.logprobs]
    assert len(shares) == 200
    assert abs(sum(shares) / 200 - 0.6) < 0.01
    assert told("tokens=5").choices[0].logprobs == ()
    assert len(told("tokens=5 logprobs=1").choices[0].logprobs) == 5


def test_structured_output_is_json() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"enum": ["x", "question"]}}}
    assert json.loads(told("tokens=1", schema=schema).choices[0].text) == {"a": "question"}
    assert told("tokens=1", json_object=True).choices[0].text == "{}"
