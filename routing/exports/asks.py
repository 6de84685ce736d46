"""What one may ask a file of: a value, from the API's body or the console's form, and back from its row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Self

from controlplane.kernel.errors import InvalidRequest
from routing.closing.months import following, span_of
from routing.exports.focus import VERSIONS
from routing.exports.writing import Form

CALLS, CAPACITY = "calls", "capacity"
WHATS: Final = (CALLS, CAPACITY, *VERSIONS)
MOST_MONTHS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Which figures, of which tenant ("" for every one that is the asker's to read), of which months, in which form."""

    what: str
    form: Form = Form.CSV
    tenant: str = ""
    first: str
    last: str = ""

    def __post_init__(self) -> None:
        """Raise InvalidRequest for what cannot be meant."""
        if self.what not in WHATS:
            raise InvalidRequest(f'"{self.what[:40]}" is no export; use {", ".join(WHATS)}')
        for month in filter(None, (self.first, self.last)):
            try:
                span_of(month, "UTC")
            except ValueError as error:
                raise InvalidRequest(str(error)) from None
        if not self.first:
            raise InvalidRequest("an export names its first month, like 2026-11")
        if self.last and self.last < self.first:
            raise InvalidRequest(f"the last month, {self.last}, is before the first, {self.first}")
        if len(self.months) > MOST_MONTHS:
            raise InvalidRequest(f"an export spans at most {MOST_MONTHS} months")

    @property
    def months(self) -> tuple[str, ...]:
        """Every month of it; at most one more than may be."""
        found, last = [self.first], self.last or self.first
        while found[-1] < last and len(found) <= MOST_MONTHS:
            found.append(following(found[-1]))
        return tuple(found)

    @property
    def name(self) -> str:
        """What the file is called."""
        of = f"-{self.tenant}" if self.tenant else ""
        to = f"-to-{self.last}" if self.last and self.last != self.first else ""
        return f"{self.what}{of}-{self.first}{to}.{self.form}"

    def stored(self) -> dict[str, str]:
        """For its row and its entry."""
        return {
            "what": self.what,
            "form": self.form.value,
            "tenant": self.tenant,
            "first": self.first,
            "last": self.last or self.first,
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """The reverse of `stored`; also from what a form says. Raises InvalidRequest."""
        text = str(stored.get("form") or Form.CSV)
        try:
            form = Form(text)
        except ValueError:
            raise InvalidRequest(f'"{text[:20]}" is no form; use {", ".join(Form)}') from None
        first, last = (str(stored.get(name) or "") for name in ("first", "last"))
        return cls(
            what=str(stored.get("what") or ""),
            form=form,
            tenant=str(stored.get("tenant") or "").replace("\x00", "")[:200],
            first=first,
            last=last,
        )


def months_before(today: date, number: int) -> tuple[str, ...]:
    """This month and so many before it, newest first: what a form offers."""
    count = today.year * 12 + today.month - 1
    return tuple(f"{at // 12:04d}-{at % 12 + 1:02d}" for at in range(count, count - number - 1, -1))
