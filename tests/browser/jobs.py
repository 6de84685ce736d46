"""`python -m tests.browser.jobs`: the jobs of a console, each done when its name comes in on standard input, one line for each.

`replay` works at what waits, `shadow` looks at what came in, `publish` publishes what is due, `calls` lets three calls of the
claims team come in. The answer is a line too, so who waits for it knows that it is done.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
django.setup()

from controlplane.kernel.ids import call_name  # noqa: E402 - after the apps are ready
from policies import tasks as policy_tasks  # noqa: E402
from policies.changes import shadows  # noqa: E402
from policies.identity.models import ApiKey  # noqa: E402
from routing import tasks  # noqa: E402
from tests.browser.calls import Wanted, make_calls  # noqa: E402

# a shadow looks at what is a minute old; a test does not wait for that
shadows.LAG = timedelta(0)  # type: ignore[misc] # final for everybody else


def calls() -> list[str]:
    """Three calls on `claims-triage`, decided by what is in force."""
    key = ApiKey.objects.filter(tenant="insurance", team="claims").order_by("created_at").first()
    assert key is not None
    made = make_calls([Wanted(key=key.id, route="claims-triage")] * 3)
    return [call_name(call) for call in made]


JOBS: Mapping[str, Callable[[], object]] = {
    "calls": calls,
    "publish": policy_tasks.publish_due_changes,
    "replay": tasks.replay,
    "shadow": tasks.shadow,
}


def main() -> None:
    """One job for each line, until there is no more."""
    for line in sys.stdin:
        print(json.dumps(JOBS[line.strip()]()), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
