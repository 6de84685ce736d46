"""What an hour of people cost when they worked: the rate of a queue, else the organisation's, as published at that moment.

A moment before a document's first version is under its first: nothing else was ever said.
"""

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from controlplane.kernel.money import parse_nano
from policies.bundles.models import Document
from policies.bundles.published import Published
from routing.reports.handling import cost_nano

_KINDS = ("Organisation", "ReviewQueue")


@dataclass(slots=True)
class Versions:
    """The rates that one document named, oldest first; empty where it named none, or was deleted."""

    since: list[datetime] = field(default_factory=list)
    rates: list[str] = field(default_factory=list)

    def at(self, moment: datetime) -> str:
        """What it named then."""
        return self.rates[max(0, bisect_right(self.since, moment) - 1)]


@dataclass(frozen=True, slots=True)
class HourlyRates:
    """The rates of queues by tenant and name, and the organisation's; what has no versions is read as published now."""

    found: Published
    queues: Mapping[tuple[str, str], Versions]
    organisation: Versions | None = None

    def nano(self, tenant: str, queue: str, at: datetime) -> int:
        """What an hour of a reviewer of this queue cost then; 0 where nobody said."""
        known = self.queues.get((tenant, queue))
        own = known.at(at) if known else _rate(self._queue(tenant, queue))
        ours = self.organisation.at(at) if self.organisation else _rate(self.found.organisation)
        return parse_nano(own or ours or "0")

    def cost_nano(
        self, tenant: str, queue: str, worked: Iterable[tuple[datetime, timedelta]]
    ) -> int:
        """What the stretches of somebody's time cost, each at the rate of its beginning; rounded up once for each rate."""
        times: Counter[int] = Counter()
        for since, time in worked:
            times[self.nano(tenant, queue, since)] += time // timedelta(microseconds=1)
        return sum(cost_nano(timedelta(microseconds=n), rate) for rate, n in times.items())

    def _queue(self, tenant: str, queue: str) -> Mapping[str, Any]:
        document = self.found.find("ReviewQueue", tenant, queue)
        return document.spec if document else {}


def hourly_rates(found: Published) -> HourlyRates:
    """Read every version of the queues and the organisation, in one query."""
    past: Any = Document.history
    rows = (
        past.filter(kind__in=_KINDS)
        .order_by("history_id")
        .values_list("kind", "tenant", "name", "history_date", "history_type", "body")
    )
    queues: dict[tuple[str, str], Versions] = defaultdict(Versions)
    organisation = Versions()
    for kind, tenant, name, at, what, body in rows:
        line = queues[tenant, name] if kind == "ReviewQueue" else organisation
        line.since.append(at)
        line.rates.append("" if what == "-" else _rate(json.loads(body)["spec"]))
    return HourlyRates(found, dict(queues), organisation if organisation.since else None)


def _rate(spec: Mapping[str, Any]) -> str:
    return str(spec.get("reviewerHourlyRate") or "")
