"""A team's `console` key: it stands behind calls from the playground, and nobody knows its secret."""

from django.conf import settings
from django.db import connection, transaction

from controlplane.kernel.principal import Principal
from policies.identity import credentials
from policies.identity.access import require_console_key
from policies.identity.authentication import Caller
from policies.identity.models import ApiKey
from policies.order.entries import append_entry
from policies.order.lock import mandate_now

NAME = "console"
_MAKER = "job:console"
# two members of a team may come at once, and one key is enough
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(7002, hashtext(%s))"


def console_caller(principal: Principal, tenant: str, team: str) -> Caller:
    """The caller that stands for the team's console; its key is made at the first use. Raises Forbidden."""
    require_console_key(principal, tenant, team)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_ONE_AT_A_TIME, [f"{tenant}/{team}"])
        standing = ApiKey.objects.filter(
            tenant=tenant, team=team, name=NAME, created_by=_MAKER, revoked_at=None
        )
        key = standing.first() or _make(principal, tenant, team)
    return Caller(
        key_id=key.id,
        key_hash=bytes(key.hash),
        tenant=tenant,
        team=team,
        labels=dict(key.labels),
    )


def _make(principal: Principal, tenant: str, team: str) -> ApiKey:
    at = mandate_now()
    made = credentials.new_credential(credentials.KEY_PREFIX)
    pepper = credentials.read_pepper(settings.MANDATE_KEYS_DIR)
    row = ApiKey(
        id=made.id,
        hash=credentials.digest(pepper, made.shown),
        tenant=tenant,
        team=team,
        name=NAME,
        labels={"from": "console"},
        created_at=at,
        created_by=_MAKER,
    )
    row.save(force_insert=True, actor=principal.actor)
    append_entry(
        "key.created",
        actor=principal.actor,
        at=at,
        tenant=tenant,
        subject=f"key:{made.id}",
        data={"team": team, "name": NAME, "expiresAt": ""},
    )
    return row
