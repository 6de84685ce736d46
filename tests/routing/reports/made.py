"""Calls and attempts as rows, for tests of figures: no walk, no money windows; one transaction that is rolled back."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from controlplane.kernel.ids import IdSource
from policies.decisions.models import Decision
from routing.calls.models import Attempt, Call

ZONE = UTC


def base() -> datetime:
    """Noon of the tenth of next month: its partitions are there, whatever day it is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT mandate_now()")
        ((found,),) = cursor.fetchall()
    now: datetime = found
    month = (now.astimezone(UTC).replace(day=1) + timedelta(days=32)).replace(day=10)
    return month.replace(hour=12, minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Tried:
    """One attempt."""

    nano: int
    model: str = "gpt-mini"
    provider: str = "openai"
    overrun: int = 0
    state: str = "succeeded"
    service_tier: str = ""


@dataclass
class Ledger:
    """Rows to be written at once."""

    calls: list[Call] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    records: list[Decision] = field(default_factory=list)
    at: datetime = field(default_factory=base)

    def call(self, *tried: Tried, after: timedelta = timedelta(), **more: Any) -> Call:
        """A call `after` the base; `labels` are those recorded, `committed` says that there were others."""
        at = self.at + after
        labels: Mapping[str, str] = more.pop("labels", {})
        committed = "ab" * 32 if more.pop("committed", False) else ""
        asked = {"labels": dict(labels), "labelsCommitted": committed}
        over = more.get("state", "completed") not in ("admitted", "running", "held")
        told = {
            "state": "completed",
            "tenant": "insurance",
            "team": "claims",
            "key": "ab12cd34",
            "route": "triage",
            "revision": 1,
            "user_ref": "subject/insurance/team/claims",
            **more,
        }
        call = Call(
            id=IdSource(lambda: at).new(),
            stop_epoch=0,
            cost_nano=sum(one.nano + one.overrun for one in tried),
            admitted_at=at,
            deadline_at=at,
            moved_at=at,
            finished_at=at if over else None,
            attempt_count=len(tried),
            lost_retries=0,
            stream=False,
            relayed=False,
            released=False,
            code="",
            dialect="openai.chat",
            **told,
        )
        self.calls.append(call)
        self.attempts += list(_attempts(call, tried))
        facts = json.dumps({"request": asked}, separators=(",", ":")).encode()
        self.records.append(
            Decision(
                call=call.id, no=1, revision=1, stage="request", tenant=call.tenant,
                effect="permit", digest=bytes(32), facts=facts,
            )
        )  # fmt: skip
        return call

    def write(self) -> None:
        """Into the tables."""
        Call.objects.bulk_create(self.calls, batch_size=1000)
        Attempt.objects.bulk_create(self.attempts, batch_size=1000)
        Decision.objects.bulk_create(self.records, batch_size=1000)


def _attempts(call: Call, tried: tuple[Tried, ...]) -> Iterator[Attempt]:
    for no, one in enumerate(tried, 1):
        yield Attempt(
            call_id=call.id, no=no, revision=1, reserved_nano=one.nano, posted_nano=one.nano,
            overrun_nano=one.overrun, state=one.state, model=one.model, model_tenant="",
            provider=one.provider, basis="reported", error_class="", windows=[], service_tier=one.service_tier,
            started_at=call.admitted_at,
            unknown_at=call.admitted_at if one.state == "unknown" else None,
        )  # fmt: skip
