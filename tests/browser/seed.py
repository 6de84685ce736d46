"""`python -m tests.browser.seed`: the demo's documents and people, and calls in every state, as one line of JSON."""

import json
import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
django.setup()

from controlplane.kernel.ids import call_name  # noqa: E402 - after the apps are ready
from policies.management.cli import operator  # noqa: E402
from routing.demo.seed import seed  # noqa: E402
from tests.browser.calls import Wanted, make_calls  # noqa: E402

NO_PORT = 9


def main() -> dict[str, Any]:
    """What tests need to know."""
    told = seed(operator(), NO_PORT).facts()
    ids = {name: key.split("_")[1] for name, key in told["keys"].items()}  # type: ignore[attr-defined]
    claims, support, science = (
        ids["insurance/claims"],
        ids["retail/support"],
        ids["group/data-science"],
    )
    wanted = {
        "completed": Wanted(key=claims, route="claims-triage", run="run-7"),
        "fallback": Wanted(key=claims, route="claims-triage", failures=("overloaded",)),
        "failed": Wanted(
            key=claims, route="claims-triage", failures=("timeout", "timeout"), ends="failed"
        ),
        "streamed": Wanted(key=ids["insurance/underwriting"], route="summaries", stream=True),
        "retail": Wanted(key=support, route="replies"),
        "denied": Wanted(key=support, route="replies", data_classes=("health",)),
        "secret": Wanted(key=science, route="summaries", data_classes=("secret",)),
        "running": Wanted(key=science, route="coding", ends="running"),
        "admitted": Wanted(key=science, route="coding", ends="admitted"),
    }
    many = [Wanted(key=science, route="coding")] * 52
    made = make_calls([*wanted.values(), *many])
    calls = {name: call_name(call) for name, call in zip(wanted, made, strict=False)}
    return {**told, "calls": calls}


if __name__ == "__main__":
    print(json.dumps(main()))  # noqa: T201 - its answer
