"""`python -m tests.browser.lost`: a lost attempt, one that was served at priority, and a file that explains the first."""

import json
import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
django.setup()

from django.db.models import Sum  # noqa: E402 - after the apps are ready

from policies.bundles.published import published  # noqa: E402
from policies.identity.models import ApiKey  # noqa: E402
from routing.calls.models import Attempt  # noqa: E402
from routing.reconcile import tiers  # noqa: E402
from routing.reconcile.figures import Account  # noqa: E402
from tests.browser.calls import Wanted, make_calls  # noqa: E402

LEFT = (500, 50)
HEAD = "date,model,input_tokens,output_tokens,service_tier"


def main() -> dict[str, Any]:
    """What a test needs to know of them."""
    key = ApiKey.objects.get(tenant="group", team="data-science").id
    call, _ = make_calls(
        [
            Wanted(key=key, route="coding", ends="unknown"),
            Wanted(key=key, route="coding", service_tier="priority"),
        ]
    )
    lost = Attempt.objects.select_related("call").get(call=call)
    found = published()
    provider = found.find("Provider", "", lost.provider)
    assert provider is not None
    name = Account.of(found, provider).upstream[lost.model_tenant, lost.model]
    same = Attempt.objects.filter(
        model_tenant=lost.model_tenant, model=lost.model, provider=lost.provider, basis="reported"
    )
    plain = same.exclude(service_tier="priority")
    day = lost.call.admitted_at.date().isoformat()
    lines = [HEAD]
    for rows, tier in ((plain, "standard"), (same.filter(service_tier="priority"), "priority")):
        used = rows.aggregate(given=Sum("tokens_input"), output=Sum("tokens_output"))
        lines.append(f"{day},{name},{used['given']},{used['output']},{tier}")
    lines.append(f"{day},{name},{LEFT[0]},{LEFT[1]},flex")
    tiers.look()
    told = {"provider": lost.provider, "model": name, "tokens": LEFT, "file": "\n".join(lines)}
    return {**told, "call": call.hex}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
