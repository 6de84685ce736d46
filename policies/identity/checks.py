"""What commands of identity check before they write, and how they write it down."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest, NotFound
from policies.identity import credentials
from policies.identity.models import Team

LONGEST_NAME, LONGEST_REASON = 60, 200
MOST_LABELS, MOST_SCOPES = 16, 100
_LABEL = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_VALUE = re.compile(r"[A-Za-z0-9]?([A-Za-z0-9._ -]{0,61}[A-Za-z0-9])?")


def team_in_use(tenant: str, team: str) -> Team:
    """The team's row. Raises NotFound where there is none, or it or its tenant is archived."""
    found = Team.objects.filter(
        tenant__slug=tenant, slug=team, archived_at=None, tenant__archived_at=None
    ).first()
    if found is None:
        raise NotFound(f'there is no team "{tenant}/{team}" in use; the Tenant document names them')
    return found


def check_reason(reason: str) -> str:
    """A reason without blanks around it. Raises InvalidRequest for none, or one that is too long."""
    text = reason.strip()
    if not text:
        raise InvalidRequest("say why: the reason stands in the log")
    if len(text) > LONGEST_REASON:
        raise InvalidRequest(f"a reason has at most {LONGEST_REASON} characters")
    return text


def check_name(name: str) -> str:
    """A name without blanks around it. Raises InvalidRequest."""
    text = name.strip()
    if len(text) > LONGEST_NAME or not (text.isprintable() or not text):
        raise InvalidRequest(f"a name has at most {LONGEST_NAME} printable characters")
    return text


def check_end(expires_at: datetime | None, at: datetime) -> None:
    """Raises InvalidRequest for an end that has passed."""
    if expires_at is not None and expires_at <= at:
        raise InvalidRequest(f"it would have ended on {to_text(expires_at)}; name a later time")


def check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels as the facts have them. Raises InvalidRequest, quoting the one that is wrong."""
    if len(labels) > MOST_LABELS:
        raise InvalidRequest(f"a key has at most {MOST_LABELS} labels")
    for name, value in labels.items():
        if not _LABEL.fullmatch(name):
            raise InvalidRequest(f'"{name[:60]}" is no label; use a-z, 0-9, ".", "_" and "-"')
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise InvalidRequest(f'the value of label "{name}" is not plain text of 63 characters')
    return dict(labels)


def check_scopes(scopes: Sequence[str], routes: frozenset[str] | None) -> list[str]:
    """The routes that a key may call, sorted. Raises InvalidRequest for one that is not among those of its tenant."""
    chosen = sorted(set(scopes))
    if len(chosen) > MOST_SCOPES:
        raise InvalidRequest(f"a key names at most {MOST_SCOPES} routes; none means every route")
    unknown = [name for name in chosen if routes is not None and name not in routes]
    if unknown:
        offered = ", ".join(sorted(routes or ())) or "none"
        raise InvalidRequest(f'there is no route "{unknown[0][:60]}" there; routes are {offered}')
    return chosen


def text_of(moment: datetime | None) -> str:
    """A moment as entries have it; empty for none."""
    return "" if moment is None else to_text(moment)


def pepper() -> bytes:
    """The pepper of this installation. Raises FileNotFoundError before `init` has made it."""
    return credentials.read_pepper(settings.MANDATE_KEYS_DIR)
