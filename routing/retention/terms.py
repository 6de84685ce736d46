"""How long content and entries are kept, as the documents in force say. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

CONTENT_DAYS, ENTRIES_MONTHS = 365, 24
"""Where a bundle was published before there was a field for it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Days of content for each tenant that says so and for all others; months of entries and calls, which tenants share."""

    days: int
    months: int
    days_of: Mapping[str, int]

    def content_days(self, tenant: str) -> int:
        """How many days a tenant's content is kept at least."""
        return self.days_of.get(tenant, self.days)

    @property
    def longest_days(self) -> int:
        """How many days any content is kept."""
        return max(self.days, *self.days_of.values(), 0)

    def content_is_over(self, tenant: str, month: date, now: datetime) -> bool:
        """Whether all of a tenant's month was kept long enough: a month's key goes whole."""
        return after(month) + timedelta(days=self.content_days(tenant)) <= now

    def vault_is_over(self, month: date, now: datetime) -> bool:
        """Whether that is so for every tenant."""
        return after(month) + timedelta(days=self.longest_days) <= now

    def entries_are_over(self, month: date, now: datetime) -> bool:
        """Whether a month of entries and calls was kept long enough."""
        count = now.year * 12 + now.month - 1 - self.months
        return after(month) <= datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)


def terms(
    organisation: Mapping[str, Any], tenants: Iterable[tuple[str, Mapping[str, Any]]]
) -> Terms:
    """Of an Organisation's spec and those of Tenants, which may shorten or lengthen; of entries the longest counts."""
    ours = organisation.get("retention") or {}
    said = {name: spec.get("retention") or {} for name, spec in tenants}
    months = [one["entriesMonths"] for one in said.values() if one.get("entriesMonths")]
    days = {name: one["contentDays"] for name, one in said.items() if one.get("contentDays")}
    return Terms(
        days=ours.get("contentDays", CONTENT_DAYS),
        months=max([ours.get("entriesMonths", ENTRIES_MONTHS), *months]),
        days_of=days,
    )


def after(month: date) -> datetime:
    """The first moment (UTC) after a month."""
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
