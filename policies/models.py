"""Django's index of the tables that the rooms own; nothing else lives here."""

from policies.bundles.models import Bundle, Document
from policies.decisions.models import Decision
from policies.identity.models import ApiKey, Membership, Team, Tenant, Token, User
from policies.order.models import Control
from policies.stops.models import Stop

__all__ = [
    "ApiKey",
    "Bundle",
    "Control",
    "Decision",
    "Document",
    "Membership",
    "Stop",
    "Team",
    "Tenant",
    "Token",
    "User",
]
