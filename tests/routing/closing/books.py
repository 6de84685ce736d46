"""Books of one tenant in two months that lie ahead, whose partitions every database has, and a clock that is after them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from controlplane.kernel.errors import Conflict, Forbidden, NotFound
from controlplane.kernel.ids import IdSource, uuid7_floor
from policies.bundles.published import Governed, Published
from routing.calls.models import Attempt, Call
from routing.closing.months import following, month_of, span_of
from routing.ledger.models import Posting

ENDED = {"succeeded", "failed", "reconciled", "voided"}


def month_ahead(number: int) -> str:
    """A month from now on, in UTC: tests say no date of their own."""
    month = month_of(datetime.now(UTC), "UTC")
    for _ in range(number):
        month = following(month)
    return month


def refusal(work: Callable[[], object]) -> str:
    """The name of the error that it raised; "" for none."""
    try:
        work()
    except (Conflict, Forbidden, NotFound) as error:
        return type(error).__name__
    return ""


def policy(*tenants: str, zone: str = "Europe/Berlin", mode: str = "four-eyes") -> Published:
    """A bundle with an organisation and these tenants."""
    spec = {
        "currency": "EUR",
        "timeZone": "UTC",
        "mode": mode,
        "exchangeRates": [{"from": "2026-01-01", "USD": "0.92"}],
    }
    price = {"from": "2026-01-01", "currency": "USD", "inputPerMillion": "0.25"}
    documents = [
        Governed("Organisation", "", "acme", {"name": "acme"}, spec),
        Governed("Model", "", "gpt-mini", {"name": "gpt-mini"}, {"prices": [price]}),
        *(
            Governed("Tenant", "", name, {"name": name}, {"timeZone": zone, "costCentre": "4410"})
            for name in tenants
        ),
    ]
    return Published(
        7, "ab" * 32, 1, "cli:test", flagged=False, published_at=None, documents=tuple(documents)
    )


@dataclass
class Books:
    """Rows as the walk leaves them, written at once: only what money is read from."""

    tenant: str = field(default_factory=lambda: f"t{uuid4().hex[:12]}")
    month: str = field(default_factory=lambda: month_ahead(1))
    zone: str = "Europe/Berlin"
    ids: IdSource = field(default_factory=IdSource)
    made: int = 0

    def at(self, days: float = 3, month: str = "") -> datetime:
        """A moment in a month."""
        return span_of(month or self.month, self.zone)[0] + timedelta(days=days)

    def call(self, *, at: datetime | None = None, team: str = "claims", **more: object) -> Call:
        """One call, admitted then. It has ended unless `state` says otherwise."""
        moment = at or self.at()
        self.made += 1
        state = str(more.pop("state", "completed"))
        row = Call(
            id=UUID(int=uuid7_floor(moment).int | (7 << 76) | (2 << 62) | self.made),
            revision=7,
            stop_epoch=0,
            cost_nano=0,
            admitted_at=moment,
            deadline_at=moment,
            moved_at=moment,
            finished_at=None if state in {"admitted", "running", "held"} else moment,
            attempt_count=0,
            lost_retries=0,
            stream=False,
            relayed=False,
            released=False,
            state=state,
            code="",
            tenant=self.tenant,
            team=team,
            key="k1",
            route=str(more.get("route", "triage")),
            dialect="openai.chat",
            user_ref="",
        )
        row.save(force_insert=True)
        return row

    def attempt(self, call: Call, posted: int, state: str = "succeeded", **more: int) -> Attempt:
        """One attempt; `reserved`, `overrun`, `no` and tokens by name."""
        row = Attempt(
            call=call,
            no=more.get("no", 1),
            revision=7,
            reserved_nano=more.get("reserved", posted),
            posted_nano=posted,
            overrun_nano=more.get("overrun", 0),
            started_at=call.admitted_at,
            settled_at=call.admitted_at if state in ENDED else None,
            unknown_at=call.admitted_at if state == "unknown" else None,
            tokens_input=more.get("tokens_input"),
            tokens_cached=more.get("tokens_cached"),
            tokens_output=more.get("tokens_output"),
            state=state,
            model="gpt-mini",
            model_tenant="",
            provider="openai",
            basis="reported" if state in ENDED else "",
            error_class="",
            windows=[],
        )
        row.save(force_insert=True)
        if state in ENDED:
            self.post(row)
        return row

    def post(self, attempt: Attempt) -> None:
        """Its posting, which the ledger writes in the same transaction."""
        Posting(
            call=attempt.call_id,
            attempt=attempt.no,
            posted_at=self.at(),
            posted_nano=attempt.posted_nano,
            overrun_nano=attempt.overrun_nano,
            kind=attempt.state,
            basis="reported",
        ).save(force_insert=True)

    def settle(
        self, attempt: Attempt, posted: int, overrun: int = 0, at: datetime | None = None
    ) -> None:
        """What was unknown is known."""
        Attempt.objects.filter(call=attempt.call_id, no=attempt.no).update(
            state="reconciled",
            posted_nano=posted,
            overrun_nano=overrun,
            unknown_at=None,
            settled_at=at or self.at(50),
            basis="reported",
        )
        self.post(Attempt.objects.get(call=attempt.call_id, no=attempt.no))
