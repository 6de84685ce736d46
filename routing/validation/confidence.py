"""How sure an answer is, as an exact decimal from 0 to 1; empty where it cannot be measured."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from routing.validation.registry import Result
from routing.validation.said import Said

_STEP = Decimal("0.000001")


def by_logprob(logprobs: Sequence[float]) -> str:
    """The mean probability of the answer's tokens."""
    if not logprobs:
        return ""
    return _decimal(Decimal(math.fsum(map(math.exp, logprobs)) / len(logprobs)))


def by_validators(results: Sequence[Result]) -> str:
    """The share of validators that the answer passes."""
    if not results:
        return ""
    return _share(sum(not one.problem for one in results), len(results))


def by_agreement(answers: Sequence[Said], samples: int) -> tuple[int, str]:
    """Which answer most others agree with (the first of those), and the share of the wanted samples that do.

    A sample that never came counts as one that disagrees.
    """
    forms = [normal(answer) for answer in answers]
    commonest, times = Counter(forms).most_common(1)[0]
    return forms.index(commonest), _share(times, max(samples, len(answers)))


def normal(answer: Said) -> str:
    """What is compared: JSON in one form whatever its order and spaces; other words without case, spaces and final stops."""
    if answer.is_json:
        return "json:" + json.dumps(_plain(answer.json), sort_keys=True, ensure_ascii=False)
    return "text:" + " ".join(answer.text.casefold().split()).rstrip(".!")


def _plain(value: object) -> object:
    """One and 1.0 are the same number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value


def _share(part: int, whole: int) -> str:
    return _decimal(Decimal(part) / Decimal(whole))


def _decimal(value: Decimal) -> str:
    bounded = min(max(value, Decimal(0)), Decimal(1))
    return format(bounded.quantize(_STEP, ROUND_HALF_EVEN).normalize(), "f")
