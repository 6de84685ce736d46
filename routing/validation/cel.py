"""`cel`: a condition holds for the answer."""

from policies.engine.bundle import ValidatorView
from policies.engine.checking import UNKNOWN, Answered
from policies.engine.rules import Environment
from routing.validation.said import Said


def problem(view: ValidatorView, answer: Said, call: Environment) -> str:
    """What is wrong with the answer; a condition that errs does not hold."""
    if view.when is None:
        return "the validator has no condition"
    output = answer.output()
    # the order of schema.ANSWER: what a validator may not read is not known
    item = Answered(
        (UNKNOWN, UNKNOWN, output.json, output.text, answer.finish, UNKNOWN, UNKNOWN, "")
    )
    if view.when.evaluate(call, item) is True:
        return ""
    return view.message or f'the answer does not pass "{view.key[1]}": {view.when.form.text}'
