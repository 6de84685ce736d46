"""The same answer by the comparison that samples of one call are compared with; tools by name and arguments."""

import pytest

from routing.comparing.verdicts import Whole, verdict
from routing.dialects.tool_calls import Wanted
from routing.validation.registry import Result
from routing.validation.said import said

PASSED, FAILED = Result("a", ""), Result("b", "too long")


def whole(text: str, *tools: Wanted) -> Whole:
    return Whole(said(text, calls_tools=bool(tools)), tools)


@pytest.mark.parametrize(
    ("given", "beside", "word"),
    [
        ("Motor.", " motor ", "agreed"),
        ("motor", "liability", "differed"),
        ('{"label": "motor", "score": 1}', '{"score":1.0,"label":"motor"}', "agreed"),
        ('{"label": "motor"}', '{"label": "Motor"}', "differed"),
        ('"1"', "1", "differed"),
        ("", "", "agreed"),
    ],
)
def test_words_and_values(given: str, beside: str, word: str) -> None:
    assert verdict(whole(given), whole(beside), [PASSED]) == word


@pytest.mark.parametrize(
    ("name", "arguments", "word"),
    [
        ("pay", '{"to":"x","amount":5.0}', "agreed"),
        ("pay", '{"amount": 6, "to": "x"}', "differed"),
        ("refund", '{"amount": 5, "to": "x"}', "differed"),
    ],
)
def test_tools_by_name_and_arguments(name: str, arguments: str, word: str) -> None:
    given = whole("", Wanted("pay", '{"amount": 5, "to": "x"}'))
    assert verdict(given, whole("", Wanted(name, arguments)), []) == word


def test_more_tools_or_none_are_another_answer() -> None:
    pay = Wanted("pay", "{}")
    assert verdict(whole("", pay), whole("", pay, pay), []) == "differed"
    assert verdict(whole("", pay), whole(""), []) == "differed"


def test_an_answer_that_a_validator_turns_down_failed_also_where_it_is_the_same() -> None:
    assert verdict(whole("motor"), whole("motor"), [PASSED, FAILED]) == "failed"
