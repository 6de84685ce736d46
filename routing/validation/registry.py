"""Every validator by its type: a new one is one file and one line here."""

from collections.abc import Callable
from typing import Final, NamedTuple

from policies.engine.bundle import Bundle, ValidatorView, key_of
from policies.engine.decide import deliberate
from policies.engine.facts import Facts
from policies.engine.rules import Environment
from routing.validation import cel, json_schema
from routing.validation.said import Said, said

Validate = Callable[[ValidatorView, Said, Environment], str]
VALIDATORS: Final[dict[str, Validate]] = {"json_schema": json_schema.problem, "cel": cel.problem}


class Result(NamedTuple):
    """What one validator said: `problem` is empty where the answer passes; it may quote the answer."""

    validator: str
    problem: str


def results(
    bundle: Bundle, names: tuple[str, ...], answer: Said, call: Environment
) -> list[Result]:
    """Each validator's word on an answer. One that only calls tools is not yet the answer: it passes."""
    if answer.calls_tools and not answer.text:
        return [Result(name, "") for name in names]
    views = [(name, bundle.validators[key_of(name)]) for name in names]
    return [
        Result(name, (view.message or found) if found else "")
        for name, view in views
        if (found := VALIDATORS[view.type](view, answer, call)) is not None
    ]


def failures(bundle: Bundle, facts: Facts, text: str) -> list[Result]:
    """The validators of a call's route that its edited answer fails; escalation rules are not asked again."""
    to = deliberate(bundle, facts)
    if to.view is None or to.checks is None:
        return []
    found = results(bundle, to.checks.validators, said(text), to.view.environment)
    return [one for one in found if one.problem]
