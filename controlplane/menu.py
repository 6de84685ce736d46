"""What stands around every page: the menu for a member's roles, the organisation, the revision, how the log stands."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.urls import reverse

from audit.ui.standing import Standing
from controlplane.kernel.principal import Principal
from policies.changes.models import ChangeRequest
from policies.identity.access import TRY_ROLES
from policies.replay.access import DRILLERS
from policies.stops.models import Stop

LOG_ROLES = ("auditor", "approver", "admin")
MONEY_ROLES = ("finance", "admin", "auditor", "developer")
CLOSING_ROLES = ("finance", "admin", "auditor")
KEY_ROLES = ("admin", "developer", "auditor")
STOP_ROLES = ("admin", "approver", "auditor")
REVIEW_ROLES = ("reviewer", "admin", "auditor")


@dataclass(frozen=True, slots=True)
class Work:
    """What waits for this member, and whether any of it is late: the numbers of the menu, by page."""

    number: int = 0
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the menu. A number always means work."""

    name: str
    icon: str
    url: str
    here: bool
    number: int = 0
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Lines under one heading; the first group has none."""

    name: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Shell:
    """`request.console`, for `templates/base.html`."""

    organisation: str
    roles: str = ""
    menu: tuple[Group, ...] = ()
    revision: int = 0
    log: Standing | None = None
    query: str = ""
    waiting: tuple[ChangeRequest, ...] = ()
    """The change requests that wait for this member."""
    tampering: str = ""
    """What a demo's pages of the log offer to do to it (`controlplane.tampering`)."""
    stops: tuple[Stop, ...] = ()
    """The stops that are on and that this member may know of."""

    @property
    def all_stopped(self) -> Stop | None:
        """The stop of every call, while it is on: every page says so."""
        return next((stop for stop in self.stops if stop.scope["kind"] == "everything"), None)


_MENU: tuple[tuple[str, tuple[tuple[str, str, str, tuple[str, ...]], ...]], ...] = (
    (
        "",
        (
            ("Overview", "overview", "overview", ()),
            ("Review queue", "hand", "reviews", REVIEW_ROLES),
            ("Calls", "calls", "calls", ()),
            ("Playground", "play", "playground", TRY_ROLES),
        ),
    ),
    (
        "Policy",
        (
            ("Change requests", "change", "changes", ()),
            ("Documents", "document", "documents", ()),
            ("Models", "model", "models", ()),
            ("Stops", "hand", "stops", STOP_ROLES),
            ("Exit drills", "shield", "exit-drills", DRILLERS),
        ),
    ),
    (
        "Money",
        (
            ("Budgets", "budget", "budgets", MONEY_ROLES),
            ("Spend", "chart", "report-spend", MONEY_ROLES),
            ("Statements", "document", "statements", CLOSING_ROLES),
            ("Exports", "download", "exports", MONEY_ROLES),
        ),
    ),
    (
        "Proof",
        (
            ("Audit log", "log", "log", LOG_ROLES),
            ("Use cases", "rule", "use-cases", LOG_ROLES),
            ("Holds and erasures", "lock", "keeping", LOG_ROLES),
        ),
    ),
    (
        "Access",
        (
            ("API keys", "key", "keys", KEY_ROLES),
            ("Members", "person", "members", ()),
            ("Tenants", "tenant", "tenants", ()),
            ("Settings", "settings", "settings", ()),
        ),
    ),
)


def held_anywhere(principal: Principal, roles: tuple[str, ...]) -> bool:
    """Whether any of the roles is held in any place; no roles named means everybody."""
    return not roles or principal.tenants_with(*roles) != frozenset()


def menu_for(principal: Principal, path: str, work: Mapping[str, Work]) -> tuple[Group, ...]:
    """The groups with at least one line; the line whose address begins the path is marked.

    Where something waits the line stands there for whoever it waits for: a reviewer by address may hold no role.
    """
    groups = []
    for name, lines in _MENU:
        items = tuple(
            Item(
                name=title,
                icon=icon,
                url=reverse(page),
                here=_is_here(reverse(page), path),
                number=work.get(page, Work()).number,
                urgent=work.get(page, Work()).urgent,
            )
            for title, icon, page, roles in lines
            if held_anywhere(principal, roles) or work.get(page, Work()).number
        )
        if items:
            groups.append(Group(name, items))
    return tuple(groups)


def _is_here(url: str, path: str) -> bool:
    return path == url if url.count("/") < 2 else path.startswith(url)


def roles_in_words(principal: Principal) -> str:
    """`admin, author`, `developer in insurance`, or `no role yet`."""
    parts = [
        ", ".join(sorted(held)) + (f" in {tenant}" if tenant else "")
        for tenant, held in sorted(principal.roles.items())
        if held
    ]
    return "; ".join(parts) or "no role yet"
