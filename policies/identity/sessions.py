"""Django's sessions, in a table of our own that says whose each is: a person sees where they are signed in, and can end it.

The row is the session: without it there is none, from the same moment on. No query is asked for it that Django does not ask.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import QuerySet
from django.http import HttpRequest

from controlplane.kernel.clock import from_text, to_text
from policies.identity.models import Session, User
from policies.order.ids import new_id
from policies.order.lock import mandate_now

MADE = "made"
USED_EVERY = timedelta(minutes=5)
"""How exact the last use is: a page asks for nothing more than it must."""
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


class SessionStore(DatabaseStore):
    """The engine that `SESSION_ENGINE` names."""

    used_at: datetime | None = None
    """When it was last used, as the row said when it was read."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Our table."""
        return Session

    def _get_session_from_db(self) -> Session | None:
        row: Session | None = super()._get_session_from_db()  # type: ignore[misc] # the stubs leave out what Django's own guide overrides
        self.used_at = row.last_used_at if row else None
        return row

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """The row that stands for these data, with what the list of sessions shows."""
        row: Session = super().create_model_instance(data)  # type: ignore[assignment] # ours, by get_model_class
        made = data.get(MADE, {})
        row.user_id = data.get("_auth_user_id")
        row.public = UUID(made["id"]) if made else new_id()
        row.last_used_at = mandate_now()
        row.created_at = from_text(made["at"]) if made else row.last_used_at
        row.agent, row.address = made.get("agent", ""), made.get("address", "")
        return row


def begin(request: HttpRequest) -> None:
    """Note where somebody signed in; rows of sessions that are over go."""
    at = mandate_now()
    Session.objects.filter(expire_date__lt=at).delete()
    request.session[MADE] = {
        "id": str(new_id()),
        "at": to_text(at),
        "agent": request.headers.get("user-agent", "")[:300],
        "address": request.META.get("REMOTE_ADDR", ""),
    }


def touch(request: HttpRequest, now: datetime) -> None:
    """Note that the session is in use, every few minutes."""
    used_at = getattr(request.session, "used_at", None)
    if used_at is not None and now - used_at >= USED_EVERY:
        rows = Session.objects.filter(session_key=request.session.session_key)
        rows.update(last_used_at=now)


def of(user: User, now: datetime) -> QuerySet[Session]:
    """A person's sessions that stand, latest used first."""
    return Session.objects.filter(user=user, expire_date__gt=now).order_by("-last_used_at", "pk")


def forget(user: User, keep: str | None = None) -> int:
    """End all of a person's sessions but the one of this key; how many. In the transaction of the entry that says so."""
    rows = Session.objects.filter(user=user)
    return (rows.exclude(session_key=keep) if keep else rows).delete()[0]


def device(agent: str) -> str:
    """`Firefox on Linux`, as far as a browser says what it is."""
    browser = next((name for sign, name in _BROWSERS if sign in agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in agent), "")
    return " on ".join(part for part in (browser, system) if part) or "an unknown browser"
