"""Django's index of the tables that the rooms own; nothing else lives here."""

from policies.bundles.models import Bundle, Document
from policies.changes.models import Approval, ChangeRequest, Check, Edit, Glass, Shadow
from policies.decisions.models import Decision
from policies.identity.models import (
    ApiKey,
    Invitation,
    Membership,
    Session,
    Team,
    Tenant,
    Token,
    User,
)
from policies.order.models import Control
from policies.repeats.models import Repeat
from policies.replay.models import Replay, ReplaySample
from policies.stops.models import Stop

__all__ = [
    "ApiKey",
    "Approval",
    "Bundle",
    "ChangeRequest",
    "Check",
    "Control",
    "Decision",
    "Document",
    "Edit",
    "Glass",
    "Invitation",
    "Membership",
    "Repeat",
    "Replay",
    "ReplaySample",
    "Session",
    "Shadow",
    "Stop",
    "Team",
    "Tenant",
    "Token",
    "User",
]
