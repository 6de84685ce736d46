"""What one may ask an evidence bundle about. A value: from the API's body, from the command line, and back from its row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

from controlplane.kernel.clock import from_text, to_text
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.ids import call_name
from policies.documents.kinds import KINDS

LOG: Final = "log"
SCOPES: Final = (LOG, "tenant", "call", "use-case", "policy")
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    LOG: (),
    "tenant": ("tenant",),
    "call": ("call",),
    "use-case": ("tenant", "name"),
    "policy": ("document", "name"),
}
_ALLOWS: Final[Mapping[str, tuple[str, ...]]] = {"policy": ("tenant",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question. `document` is the kind of the document of a `policy`; `kept_size` that of a checkpoint the auditor has.

    `opens` says why content is opened and laid in; empty: none is.
    """

    scope: str = LOG
    tenant: str = ""
    call: UUID | None = None
    document: str = ""
    name: str = ""
    since: datetime | None = None
    until: datetime | None = None
    kept_size: int = 0
    opens: str = ""

    def __post_init__(self) -> None:
        """Raise InvalidRequest for what is missing, or does not belong to the scope."""
        if self.scope not in SCOPES:
            raise InvalidRequest(f'"{self.scope[:40]}" is no scope; use {", ".join(SCOPES)}')
        needs = _NEEDS[self.scope]
        for field in ("tenant", "call", "document", "name"):
            given = bool(getattr(self, field))
            if field in needs and not given:
                raise InvalidRequest(f"a bundle of scope {self.scope} needs {field}")
            if given and field not in (*needs, *_ALLOWS.get(self.scope, ())):
                raise InvalidRequest(f"a bundle of scope {self.scope} takes no {field}")
        if self.document and self.document not in KINDS:
            raise InvalidRequest(f'"{self.document[:40]}" is no kind of document')
        if self.since and self.until and self.since >= self.until:
            raise InvalidRequest("the period ends before it begins")
        if self.kept_size < 0:
            raise InvalidRequest("keptSize is the size of a checkpoint: 0 or more")

    def told(self) -> dict[str, str]:
        """What the manifest and the entry say of it; no member that is empty."""
        said = {
            "kind": self.scope,
            "tenant": self.tenant,
            "call": self.call.hex if self.call else "",
            "document": self.document,
            "name": self.name,
            "from": to_text(self.since) if self.since else "",
            "until": to_text(self.until) if self.until else "",
        }
        return {name: value for name, value in said.items() if value}

    def stored(self) -> dict[str, Any]:
        """For its row."""
        return {**self.told(), "keptSize": self.kept_size, "opens": self.opens}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """The reverse of `stored`."""
        return cls(
            scope=stored["kind"],
            tenant=stored.get("tenant", ""),
            call=UUID(stored["call"]) if stored.get("call") else None,
            document=stored.get("document", ""),
            name=stored.get("name", ""),
            since=from_text(stored["from"]) if stored.get("from") else None,
            until=from_text(stored["until"]) if stored.get("until") else None,
            kept_size=stored.get("keptSize", 0),
            opens=stored.get("opens", ""),
        )

    def __str__(self) -> str:
        if self.call:
            return call_name(self.call)
        place = f"{self.tenant}/" if self.tenant and self.name else self.tenant
        return f"{self.scope} {self.document} {place}{self.name}".replace("  ", " ").strip()
