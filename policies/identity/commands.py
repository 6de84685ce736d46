"""Keys, tokens, and the end of a team or tenant. Each command checks who asks, and writes with its entry in one transaction.

Rotating and revoking a key and archiving a team or tenant take the exclusive order lock: they bind at their commit, also for
calls that a process has already authenticated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.identity import access, credentials
from policies.identity.checks import (
    check_end,
    check_labels,
    check_name,
    check_reason,
    check_scopes,
    pepper,
    team_in_use,
    text_of,
)
from policies.identity.models import ApiKey, Tenant, Token, User
from policies.order.entries import append_entry
from policies.order.lock import exclusively, mandate_now

LONGEST_OVERLAP = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key to make: whose it is, what it is called, labels that become facts, routes it may call (none: all), its end.

    `routes` are the names that scopes may have: those of its tenant, as published; None where the caller has none to check by.
    """

    tenant: str
    team: str
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None
    routes: frozenset[str] | None = None


def create_key(principal: Principal, wanted: NewKey) -> credentials.Credential:
    """Make an API key; the answer is the only place where it ever stands in full.

    Raises NotFound for an unknown or archived team, Forbidden, InvalidRequest for what cannot be, an end in the past too.
    """
    access.require_keys(principal, wanted.tenant, wanted.team)
    team_in_use(wanted.tenant, wanted.team)
    at = mandate_now()
    check_end(wanted.expires_at, at)
    made = credentials.new_credential(credentials.KEY_PREFIX)
    row = ApiKey(
        id=made.id,
        hash=credentials.digest(pepper(), made.shown),
        tenant=wanted.tenant,
        team=wanted.team,
        name=check_name(wanted.name),
        labels=check_labels(wanted.labels),
        scopes=check_scopes(wanted.scopes, wanted.routes),
        expires_at=wanted.expires_at,
        created_at=at,
        created_by=principal.actor,
    )
    with transaction.atomic():
        _insert(row, principal, at)
    return made


def rotate_key(
    principal: Principal, key_id: str, overlap: timedelta, expires_at: datetime | None = None
) -> credentials.Credential:
    """Make a key with the same settings; the old one ends after the overlap, or at its own end if that is sooner.

    Without `expires_at` the new one lasts as long as the old one was made to. Raises NotFound, Forbidden, InvalidRequest for an
    overlap that is negative or above 90 days, Conflict when the old one has ended.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidRequest(f"the overlap is from 0 to {LONGEST_OVERLAP.days} days")
    old = find_key(principal, key_id)
    access.require_keys(principal, old.tenant, old.team)
    team_in_use(old.tenant, old.team)
    at = mandate_now()
    check_end(expires_at, at)
    made = credentials.new_credential(credentials.KEY_PREFIX)
    kept = credentials.digest(pepper(), made.shown)

    def work() -> None:
        row = ApiKey.objects.select_for_update().get(pk=key_id)
        _check_stands(row, at)
        lasts = row.expires_at - row.created_at if row.expires_at else None
        new = ApiKey(
            id=made.id,
            hash=kept,
            tenant=row.tenant,
            team=row.team,
            name=row.name,
            labels=row.labels,
            scopes=row.scopes,
            expires_at=expires_at or (at + lasts if lasts else None),
            created_at=at,
            created_by=principal.actor,
            replaces=row.id,
        )
        row.expires_at = min(at + overlap, row.expires_at or at + overlap)
        row.save(update_fields=["expires_at"], actor=principal.actor)
        _insert(new, principal, at)
        append_entry(
            "key.rotated",
            actor=principal.actor,
            at=at,
            tenant=row.tenant,
            subject=f"key:{row.id}",
            data={"team": row.team, "by": made.id, "endsAt": to_text(row.expires_at)},
        )

    exclusively(work)
    return made


def revoke_key(principal: Principal, key_id: str, reason: str) -> None:
    """End a key, from this commit on. Raises NotFound, Forbidden, InvalidRequest without a reason, Conflict when it has ended."""
    key = find_key(principal, key_id)
    access.require_keys(principal, key.tenant, key.team)
    said = check_reason(reason)
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
            data={"team": row.team, "reason": said},
        )

    exclusively(work)


def find_key(principal: Principal, key_id: str) -> ApiKey:
    """A key that exists for this principal. Raises NotFound, also for one of another tenant."""
    key = ApiKey.objects.filter(pk=key_id).first()
    if key is None or not access.sees_tenant(principal, key.tenant):
        raise NotFound(f'there is no key "{key_id}"')
    return key


def create_token(
    principal: Principal, user: User, *, name: str = "", expires_at: datetime | None = None
) -> credentials.Credential:
    """Make a personal token, shown once. Raises Forbidden for somebody else's, InvalidRequest for an end in the past."""
    access.require_own(principal, user.email)
    at = mandate_now()
    check_end(expires_at, at)
    made = credentials.new_credential(credentials.TOKEN_PREFIX)
    row = Token(
        id=made.id,
        hash=credentials.digest(pepper(), made.shown),
        user=user,
        name=check_name(name),
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
            data={"token": made.id, "name": name, "expiresAt": text_of(expires_at)},
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
    access.require_archive(principal, tenant)
    said = check_reason(reason)
    at = mandate_now()

    def work() -> None:
        row = team_in_use(tenant, team)
        row.archived_at = at
        row.save(update_fields=["archived_at"], actor=principal.actor)
        append_entry(
            "team.archived",
            actor=principal.actor,
            at=at,
            tenant=tenant,
            subject=f"team:{tenant}/{team}",
            data={"reason": said},
        )

    exclusively(work)


def archive_tenant(principal: Principal, tenant: str, reason: str) -> None:
    """Put a tenant with all its teams out of use, from this commit on. Raises as `archive_team`."""
    access.require_archive(principal, ORGANISATION)
    said = check_reason(reason)
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
            data={"reason": said},
        )

    exclusively(work)


def _check_stands(row: ApiKey, at: datetime) -> None:
    if row.created_by.startswith("job:"):
        raise Conflict(
            f'key "{row.id}" stands behind the console, and nobody is shown the next one'
        )
    if row.revoked_at is not None:
        raise Conflict(f'key "{row.id}" was revoked on {to_text(row.revoked_at)}; make a new one')
    if row.expires_at is not None and row.expires_at <= at:
        raise Conflict(f'key "{row.id}" ended on {to_text(row.expires_at)}; make a new one')


def _insert(row: ApiKey, principal: Principal, at: datetime) -> None:
    row.save(force_insert=True, actor=principal.actor)
    data: dict[str, object] = {"team": row.team, "name": row.name}
    data["expiresAt"] = text_of(row.expires_at)
    if row.scopes:
        data["routes"] = list(row.scopes)
    if row.replaces:
        data["replaces"] = row.replaces
    append_entry(
        "key.created",
        actor=principal.actor,
        at=at,
        tenant=row.tenant,
        subject=f"key:{row.id}",
        data=data,
    )
