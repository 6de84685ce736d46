"""`python -m tests.browser.seed`: the demo's documents and people, and calls in every state, as one line of JSON."""

import json
import os
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
django.setup()

from django.conf import settings  # noqa: E402 - after the apps are ready

from controlplane.kernel.ids import call_name  # noqa: E402
from policies.identity.models import ApiKey  # noqa: E402
from policies.management.cli import operator  # noqa: E402
from routing.demo.seed import seed  # noqa: E402
from routing.reviews import commands  # noqa: E402
from tests.browser.calls import Wanted, make_calls  # noqa: E402
from tests.policies.people import member  # noqa: E402
from tests.routing.reviews.held import Desk  # noqa: E402

NO_PORT = 9
PROMPT = "Claim 2026-118-4471. Petra Brandt, policy H-5520-1873: burst pipe in the kitchen. Propose a payout."
ANSWER = '{"label": "water_damage", "payout": 14200.0, "currency": "EUR"}'


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
    calls |= _held(claims)
    return {**told, "calls": calls}


def _held(key: str) -> dict[str, str]:
    """Cases at the claims desk: one to edit, one that is overdue, one before any model; and one of another tenant."""
    desk = Desk(
        settings.DATABASE_URL,
        settings.MANDATE_KEYS_DIR,
        "insurance",
        key,
        bytes(ApiKey.objects.get(pk=key).hash),
    )
    of = {"queue": "claims-desk", "queue_tenant": "insurance", "prompt": PROMPT}
    cases = {
        "held": desk.hold(ANSWER, **of, due=timedelta(minutes=16), message="payout above €10,000"),
        "held-late": desk.hold(
            ANSWER, **of, due=timedelta(minutes=-19), message="confidence 0.58, needs 0.85"
        ),
        "held-first": desk.hold(stage="request", **of, message="a person must look first"),
        "held-twice": desk.hold(ANSWER, **of, approvals=2, message="two people decide"),
    }
    mine = desk.hold(ANSWER, **of, message="answer promises a refund")
    cases["held-mine"] = mine
    commands.claim(member("rui", "reviewer", tenant="insurance"), mine.id)
    found = {f"review-{name}": str(case.id) for name, case in cases.items()}
    return found | {name: call_name(case.call) for name, case in cases.items()}


if __name__ == "__main__":
    print(json.dumps(main()))  # noqa: T201 - its answer
