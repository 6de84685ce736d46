"""`python -m tests.access.fuzz`: schemathesis over every operation of the schema, as a member with every role.

It prints what broke, as JSON. It runs in a process and a database of its own: what it does there is really done.
"""

import json
import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
django.setup()

import schemathesis  # noqa: E402 - after the apps are ready
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from schemathesis.core.result import Ok  # noqa: E402

from audit.api.base import Often, Rarely  # noqa: E402
from policies.identity import commands  # noqa: E402
from policies.identity.models import User  # noqa: E402
from policies.management.cli import operator  # noqa: E402
from tests.access import world  # noqa: E402
from tests.access.walk import decide_at_once  # noqa: E402

EXAMPLES = 12
_HOST = {"host": "localhost"}


def main() -> dict[str, Any]:
    """How many cases were sent to how many operations, and those that got an answer of 500 or more."""
    Often.rate = Rarely.rate = "1000000/min"
    decide_at_once()
    world.make()
    call_command("sequencer", "--once", stdout=sys.stderr)
    first_admin = User.objects.get(email="ada@acme.example")
    token = commands.create_token(operator(), first_admin, name="fuzz").shown
    headers = {**_HOST, "authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_wsgi(
        "/api/v1/schema/", get_wsgi_application(), headers=_HOST
    )
    told: dict[str, Any] = {"operations": 0, "cases": 0, "broken": []}
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        told["operations"] += 1

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            answer = case.call(headers=headers)
            told["cases"] += 1
            if answer.status_code >= 500:
                told["broken"].append(f"{answer.status_code} {case.as_curl_command()[:600]}")

        ask()
    return told


if __name__ == "__main__":
    print(json.dumps(main()))  # noqa: T201 - its answer
