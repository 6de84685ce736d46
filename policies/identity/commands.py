"""Keys, tokens, and the end of a team or tenant. Each command checks who asks, and writes with its entry in one transaction.

Revoking a key and archiving a team or tenant take the exclusive order lock: they bind at their commit, also for calls that a
process has already authenticated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import transaction

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.identity import access, credentials
from policies.identity.models import ApiKey, Team, Tenant, Token, User
from policies.order.entries import append_entry
from policies.order.lock import exclusively, mandate_now


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key to make: whose it is, what it is called, labels that become facts, and when it ends (None: never)."""

    tenant: str
    team: str
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None


def create_key(principal: Principal, wanted: NewKey) -> credentials.Credential:
    """Make an API key; the answer is the only place where it ever stands in full.

    Raises NotFound for an unknown or archived team, Forbidden, InvalidRequest for an end in the past.
    """
    access.require_keys(principal, wanted.tenant, wanted.team)
    _team(wanted.tenant, wanted.team)
    at = mandate_now()
    _check_end(wanted.expires_at, at)
    made = credentials.new_credential(credentials.KEY_PREFIX)
    row = ApiKey(
        id=made.id,
        hash=credentials.digest(_pepper(), made.shown),
        tenant=wanted.tenant,
        team=wanted.team,
        name=wanted.name,
        labels=dict(wanted.labels),
        expires_at=wanted.expires_at,
        created_at=at,
        created_by=principal.actor,
    )
    with transaction.atomic():
        row.save(force_insert=True, actor=principal.actor)
        append_entry(
            "key.created",
            actor=principal.actor,
            at=at,
            tenant=wanted.tenant,
            subject=f"key:{made.id}",
            data={"team": wanted.team, "name": wanted.name, "expiresAt": _text(wanted.expires_at)},
        )
    return made


def revoke_key(principal: Principal, key_id: str, reason: str) -> None:
    """End a key, from this commit on. Raises NotFound, Forbidden, InvalidRequest without a reason, Conflict when it has ended."""
    _check_reason(reason)
    key = ApiKey.objects.filter(pk=key_id).first()
    if key is None or not access.sees_tenant(principal, key.tenant):
        raise NotFound(f'there is no key "{key_id}"')
    access.require_keys(principal, key.tenant, key.team)
    at = mandate_now()

    def work() -> None:
        row = ApiKey.objects.select_for_update().get(pk=key_id)
        if row.revoked_at is not None:
            raise Conflict(f'key "{key_id}" was revoked on {to_text(row.revoked_at)}')
        row.revoked_at = at
        row.save(update_fields=["revoked_at"], actor=principal.actor)
        append_entry(
            "key.revoked",
            actor=principal.actor,
            at=at,
            tenant=row.tenant,
            subject=f"key:{key_id}",
            data={"team": row.team, "reason": reason},
        )

    exclusively(work)


def create_token(
    principal: Principal, user: User, *, name: str = "", expires_at: datetime | None = None
) -> credentials.Credential:
    """Make a personal token, shown once. Raises Forbidden for somebody else's, InvalidRequest for an end in the past."""
    access.require_own(principal, user.email)
    at = mandate_now()
    _check_end(expires_at, at)
    made = credentials.new_credential(credentials.TOKEN_PREFIX)
    row = Token(
        id=made.id,
        hash=credentials.digest(_pepper(), made.shown),
        user=user,
        name=name,
        expires_at=expires_at,
        created_at=at,
    )
    with transaction.atomic():
        row.save(force_insert=True, actor=principal.actor)
        append_entry(
            "token.created",
            actor=principal.actor,
            at=at,
            subject=f"member:{user.email}",
            data={"token": made.id, "name": name, "expiresAt": _text(expires_at)},
        )
    return made


def revoke_token(principal: Principal, token_id: str) -> None:
    """End a personal token. Raises NotFound for an unknown or another person's one, Conflict when it has ended."""
    at = mandate_now()
    with transaction.atomic():
        row = Token.objects.select_for_update().select_related("user").filter(pk=token_id).first()
        if row is None or not access.may_end_token(principal, row.user.email):
            raise NotFound(f'there is no token "{token_id}"')
        if row.revoked_at is not None:
            raise Conflict(f'token "{token_id}" was revoked on {to_text(row.revoked_at)}')
        row.revoked_at = at
        row.save(update_fields=["revoked_at"], actor=principal.actor)
        append_entry(
            "token.revoked",
            actor=principal.actor,
            at=at,
            subject=f"member:{row.user.email}",
            data={"token": token_id},
        )


def archive_team(principal: Principal, tenant: str, team: str, reason: str) -> None:
    """Put a team out of use, from this commit on: its keys stop working; its history stays.

    Raises NotFound, Forbidden, InvalidRequest without a reason, Conflict when it is archived.
    """
    _check_reason(reason)
    access.require_archive(principal, tenant)
    at = mandate_now()

    def work() -> None:
        row = _team(tenant, team)
        row.archived_at = at
        row.save(update_fields=["archived_at"], actor=principal.actor)
        append_entry(
            "team.archived",
            actor=principal.actor,
            at=at,
            tenant=tenant,
            subject=f"team:{tenant}/{team}",
            data={"reason": reason},
        )

    exclusively(work)


def archive_tenant(principal: Principal, tenant: str, reason: str) -> None:
    """Put a tenant with all its teams out of use, from this commit on. Raises as `archive_team`."""
    _check_reason(reason)
    access.require_archive(principal, ORGANISATION)
    at = mandate_now()

    def work() -> None:
        row = Tenant.objects.filter(slug=tenant, archived_at=None).first()
        if row is None:
            raise NotFound(f'there is no tenant "{tenant}" in use')
        row.archived_at = at
        row.save(update_fields=["archived_at"], actor=principal.actor)
        append_entry(
            "tenant.archived",
            actor=principal.actor,
            at=at,
            tenant=tenant,
            subject=f"tenant:{tenant}",
            data={"reason": reason},
        )

    exclusively(work)


def _team(tenant: str, team: str) -> Team:
    found = Team.objects.filter(
        tenant__slug=tenant, slug=team, archived_at=None, tenant__archived_at=None
    ).first()
    if found is None:
        raise NotFound(f'there is no team "{tenant}/{team}" in use; the Tenant document names them')
    return found


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidRequest("say why: the reason stands in the log")


def _check_end(expires_at: datetime | None, at: datetime) -> None:
    if expires_at is not None and expires_at <= at:
        raise InvalidRequest(f"it would have ended on {to_text(expires_at)}; name a later time")


def _text(moment: datetime | None) -> str:
    return "" if moment is None else to_text(moment)


def _pepper() -> bytes:
    return credentials.read_pepper(settings.MANDATE_KEYS_DIR)
