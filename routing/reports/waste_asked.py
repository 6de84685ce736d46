"""What an address asks of savings and waste: page, draft and API begin here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from policies.bundles.snapshot import published as in_force
from routing.reports.asking import question
from routing.reports.spans import Span
from routing.reports.waste import Waste, waste


@dataclass(frozen=True, slots=True)
class Asked:
    """The figures, the span they are of, and in words what of the address could not be used."""

    told: Waste
    span: Span
    trouble: str


def asked_waste(
    address: Mapping[str, str], principal: Principal, found: Published, now: datetime
) -> Asked:
    """Of the calls whose money is this reader's to see."""
    spend, trouble = question({**address, "by": "team", "then": "-"}, principal, found, now)
    only = {name: spend.only[name] for name in ("tenant", "route") if name in spend.only}
    today = now.astimezone(found.zone).date().isoformat()
    told = waste(spend.condition & Q(**only), spend.span, in_force().bundle, today)
    return Asked(told, spend.span, trouble)
