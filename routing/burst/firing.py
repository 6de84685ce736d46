"""Fire: two hundred real calls through the real admission, all at once, on a budget that has room for fifty."""

import secrets

from audit.log.demonstration import is_demo
from controlplane.kernel.errors import Conflict, NotFound
from controlplane.kernel.principal import Principal
from policies.identity.authentication import Caller
from policies.identity.models import ApiKey
from routing import playground
from routing.burst import access
from routing.playground import Try

CALLS = 200
TENANT, TEAM, ROUTE, BUDGET = "group", "burst", "burst", "burst"
_TOKENS = 100
_ASKED = f"Say something. [[sandbox latency=1500ms tokens={_TOKENS}]]"
"""As many tokens as it asks for: what a call reserves is what it costs, but for the rounding of its bill's lines."""


def offered(principal: Principal) -> bool:
    """Whether there is a button for this person: in a demo that was seeded with its team."""
    return access.may_fire(principal) and is_demo() and _key() is not None


def require_offered(principal: Principal) -> ApiKey:
    """The key behind the calls. Raises Forbidden, NotFound where this is no demo."""
    access.require_fire(principal)
    key = _key() if is_demo() else None
    if key is None:
        raise NotFound("only a demo fires calls by itself")
    return key


def fire(principal: Principal) -> None:
    """Begin; who wants to know how it goes reads `burst.read`. Raises Forbidden, NotFound, Conflict."""
    key = require_offered(principal)
    if not playground.can_send():
        raise Conflict("this process makes no calls; open the console of the web process")
    caller = Caller(
        key_id=key.id,
        key_hash=bytes(key.hash),
        tenant=key.tenant,
        team=key.team,
        labels=dict(key.labels),
    )
    wanted = Try(ROUTE, _ASKED, max_tokens=_TOKENS)
    playground.send_many(caller, wanted, CALLS, run=f"burst-{secrets.token_hex(8)}")


def _key() -> ApiKey | None:
    return ApiKey.objects.filter(tenant=TENANT, team=TEAM, revoked_at=None).order_by("id").first()
