"""PURE: which entries are events of Notification documents, and the words in which somebody is told.

What an event says is ids, words of documents and where to look: no reason that a person wrote, nothing of a call's content.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from controlplane.kernel.clock import from_text
from controlplane.kernel.ids import call_name

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell of. `tenant` is whose it is ("" the organisation's); `path` where the console shows it."""

    name: str
    tenant: str
    occurrence: str
    at: datetime
    title: str
    path: str
    facts: Mapping[str, str] = field(default_factory=dict)


class Unreadable(ValueError):
    """An entry without what its kind has: it can be told to nobody."""


def of_entry(entry: Entry) -> Event | None:
    """The event that an entry is, if it is one. A handed-in change request is one by its state (`waiting`).

    Raises Unreadable.
    """
    tell = _TOLD.get(entry["kind"])
    if tell is None:
        return None
    try:
        told = tell(entry)
    except (KeyError, TypeError, ValueError) as wrong:
        raise Unreadable(
            f"entry {entry['id']} ({entry['kind']}) lacks what its kind has: {wrong!r}"
        ) from wrong
    if told is None:
        return None
    name, title, path, facts = told
    at, occurrence = from_text(entry["at"]), str(entry["id"])
    if name == "change.waiting":
        # checked again, it waits for the same
        occurrence = f"{facts['change']}:{facts['digest']}"
    facts = {"entry": str(entry["id"]), **facts}
    return Event(name, entry["tenant"], occurrence, at, title, path, facts)


Told = tuple[str, str, str, dict[str, str]]


def _held(entry: Entry) -> Told:
    call, queue = _call(entry), str(entry["data"].get("queue", ""))
    title = f"A call waits for a person in the queue {queue}"
    return "review.opened", title, f"/calls/{call}/", {"call": call, "queue": queue}


def _overdue(entry: Entry) -> Told:
    call, data = _call(entry), entry["data"]
    facts = {"call": call, "queue": str(data.get("queue", "")), "to": str(data.get("to", ""))}
    title = f"Nobody decided in time in the queue {facts['queue']}"
    title += f"; it moved to {facts['to']}" if facts["to"] else ""
    return "review.overdue", title, f"/calls/{call}/", facts


def _change(name: str, title: str) -> Callable[[Entry], Told]:
    def told(entry: Entry) -> Told:
        change = _subject(entry)
        return name, title, f"/change-requests/{UUID(change)}/", {"change": change}

    return told


def _waiting(entry: Entry) -> Told | None:
    data = entry["data"]
    if not data["ok"]:
        return None
    name, title, path, facts = _change("change.waiting", "A change request waits for approval")(
        entry
    )
    return name, title, path, {**facts, "digest": str(data["digest"])}


def _stop(name: str, title: str) -> Callable[[Entry], Told]:
    def told(entry: Entry) -> Told:
        scope = entry["data"]["scope"]
        what = f"{scope['kind']} {scope['name']}".strip()
        facts = {"stop": _subject(entry), "scope": what}
        return name, f"{title}: {what}", "/stops/", facts

    return told


def _revoked(entry: Entry) -> Told:
    key, team = _subject(entry), str(entry["data"].get("team", ""))
    facts = {"key": key, "team": team}
    return "key.revoked", f"The API key {key} of the team {team} was revoked", "/keys/", facts


def _verified(entry: Entry) -> Told | None:
    data = entry["data"]
    if data["ok"]:
        return None
    facts = {"size": str(data.get("size", "")), "findings": str(data.get("findings", ""))}
    return "log.failed", "The audit log does not verify", "/log/", facts


def _ledger(entry: Entry) -> Told | None:
    data = entry["data"]
    if data["ok"]:
        return None
    title = "The ledger is not what its attempts and entries say"
    return "ledger.failed", title, "/reports/reconcile/", {"findings": str(data["findings"])}


def _unpriced(entry: Entry) -> Told:
    data = entry["data"]
    names = ("model", "provider", "service_tier", "attempts", "spent", "currency")
    facts = {name: str(data[name]) for name in names}
    title = f"{facts['provider']} serves {facts['model']} at {facts['service_tier']}, which has no price"
    return "price.missing", title, "/reports/reconcile/", facts


def _budget(entry: Entry) -> Told:
    data = entry["data"]
    facts = {name: str(data[name]) for name in ("budget", "percent", "spent", "limit", "currency")}
    more = ("owner", "forecast", "low", "high", "method")
    facts |= {name: str(data[name]) for name in more if name in data}
    uses = "is forecast to use" if "forecast" in data else "has used"
    title = f"The budget {facts['budget']} {uses} {facts['percent']} % of its limit"
    return "budget.alert", title, "/budgets/", facts


def _overrun(entry: Entry) -> Told:
    data = entry["data"]
    facts = {name: str(data[name]) for name in ("budget", "overrun", "spent", "limit", "currency")}
    facts |= {name: str(data[name]) for name in ("owner",) if name in data}
    more = f"{facts['overrun']} {facts['currency']} more than was reserved"
    return "budget.alert", f"The budget {facts['budget']} was billed {more}", "/budgets/", facts


def _anomaly(entry: Entry) -> Told:
    data = entry["data"]
    names = ("key", "route", "team", "firstCall", "spent", "usual", "currency", "owner")
    facts = {name: str(data[name]) for name in names}
    what = f"{facts['spent']} {facts['currency']} in ten minutes, {facts['usual']} as a rule"
    title = f"The key {facts['key']} spends out of pattern at {facts['route']}: {what}"
    return "anomaly", title, "/budgets/anomalies/", facts


def _call(entry: Entry) -> str:
    return call_name(UUID(hex=entry["call"]))


def _subject(entry: Entry) -> str:
    return str(entry["subject"]).partition(":")[2]


_TOLD: Mapping[str, Callable[[Entry], Told | None]] = {
    "call.held": _held,
    "review.overdue": _overdue,
    "review.escalated": _overdue,
    "change.checked": _waiting,
    "change.published": _change("change.published", "A change request was published"),
    "change.returned": _change("change.refused", "A change request was sent back"),
    "stop.set": _stop("stop.set", "A stop was set"),
    "stop.lifted": _stop("stop.lifted", "A stop was lifted"),
    "key.revoked": _revoked,
    "log.verified": _verified,
    "ledger.checked": _ledger,
    "price.missing": _unpriced,
    "budget.alert": _budget,
    "budget.overrun": _overrun,
    "anomaly.found": _anomaly,
}
KINDS = tuple(_TOLD)
"""The kinds of entries that are read."""
OWNED = frozenset({"budget.alert", "anomaly"})
"""The events that go to the owner whom they name, also where no Notification asks for it."""
OWNED_KINDS = ("budget.alert", "budget.overrun", "anomaly.found")
