"""How sure an answer is: exact decimals, the same for the same answers, and nothing where nothing can be measured."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.validation.confidence import by_agreement, by_logprob, by_validators, normal
from routing.validation.registry import Result
from routing.validation.said import said


def test_the_mean_probability_of_the_tokens() -> None:
    assert by_logprob([math.log(0.9), math.log(0.8)]) == "0.85"
    assert by_logprob([0.0]) == "1"
    assert by_logprob([math.log(1 / 3)]) == "0.333333"
    assert by_logprob([]) == ""
    assert by_logprob([0.1]) == "1"


def test_the_share_of_validators() -> None:
    passed, failed = Result("a", ""), Result("b", "no")
    assert by_validators([passed, failed]) == "0.5"
    assert by_validators([passed, passed]) == "1"
    assert by_validators([]) == ""


@pytest.mark.parametrize(
    ("texts", "chosen", "share"),
    [
        (["a", "b", "a"], 0, "0.666667"),
        (["x", "a", "a"], 1, "0.666667"),
        (["a", "b", "c"], 0, "0.333333"),
        (["a"], 0, "0.333333"),
        (['{"a":1,"b":[1,2]}', '{"b": [1.0, 2], "a": 1}', "no"], 0, "0.666667"),
        (["Yes.", "yes", " YES! "], 0, "1"),
        (["[1,2]", "[2,1]", "[1, 2]"], 0, "0.666667"),
        (['"1"', "1", "1.0"], 1, "0.666667"),
    ],
)
def test_what_most_agree_with(texts: list[str], chosen: int, share: str) -> None:
    assert by_agreement([said(text) for text in texts], 3) == (chosen, share)


@given(st.lists(st.sampled_from(["a", "b", '{"x": 1}', '{ "x":1.0 }']), min_size=1, max_size=9))
def test_the_chosen_one_is_among_the_commonest_and_the_share_is_its_own(texts: list[str]) -> None:
    answers = [said(text) for text in texts]
    chosen, share = by_agreement(answers, len(texts))
    forms = [normal(one) for one in answers]
    times = forms.count(forms[chosen])
    assert times == max(forms.count(form) for form in forms)
    assert float(share) == pytest.approx(times / len(texts), abs=1e-6)
