"""`json_schema`: the answer is JSON that follows a schema."""

import json
from functools import lru_cache

import jsonschema_rs

from policies.documents.schemas import validator_of
from policies.engine.bundle import ValidatorView
from policies.engine.rules import Environment
from routing.validation.said import Said

_MOST_TOLD = 5


def problem(view: ValidatorView, answer: Said, _call: Environment) -> str:
    """What is wrong with the answer, in words for the model that wrote it; empty where it follows the schema."""
    if not answer.is_json:
        return "the answer is not JSON; answer with one JSON value and nothing else"
    checker = _compiled(json.dumps(view.schema, sort_keys=True))
    found = [
        f"{_place(error.instance_path)}: {error.message}"
        for error in checker.iter_errors(answer.json)
    ]
    return "; ".join(found[:_MOST_TOLD])


@lru_cache(maxsize=256)
def _compiled(schema: str) -> jsonschema_rs.Validator:
    return validator_of(json.loads(schema))


def _place(path: list[str | int]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path) or "the answer"
