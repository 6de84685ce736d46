"""Members and the teams they belong to. Each command checks who asks, and writes with its entry in one transaction."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.identity import access
from policies.identity.checks import LONGEST_REASON, check_name, team_in_use
from policies.identity.models import Membership, Session, Token, User
from policies.identity.sessions import forget
from policies.order.entries import append_entry
from policies.order.lock import mandate_now


def create_member(principal: Principal, email: str, name: str, password: str | None = None) -> User:
    """Add a person who may sign in, once a password is set. Raises Forbidden, InvalidRequest, Conflict for a known address."""
    access.require_members(principal)
    address = email.strip().lower()
    check_address(address)
    user = User(email=address, name=check_name(name))
    put_password(user, password)
    at = mandate_now()
    with transaction.atomic():
        if User.objects.filter(email=address).exists():
            raise Conflict(f"{address} is a member already")
        user.save(force_insert=True, actor=principal.actor)
        append_entry("member.added", actor=principal.actor, at=at, subject=f"member:{address}")
    return user


def set_password(principal: Principal, user: User, password: str) -> None:
    """Give a person a new password; sessions under the old one end. Raises Forbidden, InvalidRequest for a weak one."""
    access.require_self_or_members(principal, user.email)
    put_password(user, password)
    at = mandate_now()
    with transaction.atomic():
        user.save(update_fields=["password"], actor=principal.actor)
        forget(user)
        append_entry(
            "member.changed",
            actor=principal.actor,
            at=at,
            subject=f"member:{user.email}",
            data={"what": "password"},
        )


def remove_member(principal: Principal, user: User, reason: str = "") -> None:
    """Let a person in no more, from this commit on: sessions and tokens end for good, history stays.

    Raises Forbidden, Conflict for one who is gone, or who is oneself.
    """
    access.require_members(principal)
    if principal.id == user.email:
        raise Conflict("nobody deactivates themselves; another admin does")
    at = mandate_now()
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        if not row.is_active:
            raise Conflict(f"{user.email} is no member any more")
        row.is_active = False
        row.session_epoch += 1
        row.save(update_fields=["is_active", "session_epoch"], actor=principal.actor)
        ended = _end_tokens(row, principal.actor, at)
        forget(row)
        append_entry(
            "member.removed",
            actor=principal.actor,
            at=at,
            subject=f"member:{user.email}",
            data={"tokens": ended, "reason": reason.strip()[:LONGEST_REASON]},
        )
    user.is_active, user.session_epoch = row.is_active, row.session_epoch


def restore_member(principal: Principal, user: User) -> None:
    """Let a person sign in again; ended tokens stay so. Raises Forbidden, Conflict for one who is a member."""
    access.require_members(principal)
    at = mandate_now()
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        if row.is_active:
            raise Conflict(f"{user.email} is a member")
        row.is_active = True
        row.save(update_fields=["is_active"], actor=principal.actor)
        append_entry(
            "member.changed",
            actor=principal.actor,
            at=at,
            subject=f"member:{user.email}",
            data={"what": "restored"},
        )
    user.is_active = True


def end_session(principal: Principal, user: User, session: UUID) -> None:
    """End one session: one's own, or by an admin. Raises Forbidden, NotFound."""
    access.require_self_or_members(principal, user.email)
    at = mandate_now()
    with transaction.atomic():
        gone, _ = Session.objects.filter(user=user, public=session).delete()
        if not gone:
            raise NotFound(f'there is no session "{session}"')
        append_entry(
            "member.changed",
            actor=principal.actor,
            at=at,
            subject=f"member:{user.email}",
            data={"what": "session ended", "session": str(session)},
        )


def end_sessions(principal: Principal, user: User, keep: str | None = None) -> None:
    """Sign a person out everywhere (but in the session of this key): oneself, or by an admin. Raises Forbidden."""
    access.require_self_or_members(principal, user.email)
    at = mandate_now()
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        row.session_epoch += 1
        row.save(update_fields=["session_epoch"], actor=principal.actor)
        forget(row, keep)
        append_entry(
            "member.changed",
            actor=principal.actor,
            at=at,
            subject=f"member:{user.email}",
            data={"what": "signed out everywhere"},
        )
    user.session_epoch = row.session_epoch


def add_membership(principal: Principal, user: User, tenant: str, team: str) -> Membership:
    """Put a person into a team. Raises Forbidden, NotFound for a team not in use, Conflict when it is so already."""
    access.require_members(principal)
    found = team_in_use(tenant, team)
    if Membership.objects.filter(user=user, team=found).exists():
        raise Conflict(f'{user.email} belongs to "{tenant}/{team}" already')
    row = Membership(user=user, tenant_id=found.tenant_id, team=found)
    with transaction.atomic():
        row.save(actor=principal.actor)
        _membership_entry(principal, row, "joined")
    return row


def end_membership(principal: Principal, user: User, tenant: str, team: str) -> None:
    """Take a person out of a team. Raises Forbidden, NotFound."""
    access.require_members(principal)
    row = Membership.objects.filter(user=user, tenant__slug=tenant, team__slug=team).first()
    if row is None:
        raise NotFound(f'{user.email} does not belong to "{tenant}/{team}"')
    with transaction.atomic():
        _membership_entry(principal, row, "left")
        row.delete(actor=principal.actor)


def _end_tokens(user: User, actor: str, at: datetime) -> int:
    """Revoke what still stands; how many."""
    tokens = list(Token.objects.select_for_update().filter(user=user, revoked_at=None))
    for token in tokens:
        token.revoked_at = at
        token.save(update_fields=["revoked_at"], actor=actor)
    return len(tokens)


def _membership_entry(principal: Principal, row: Membership, what: str) -> None:
    append_entry(
        "member.changed",
        actor=principal.actor,
        at=mandate_now(),
        tenant=row.tenant.slug,
        subject=f"member:{row.user.email}",
        data={"what": what, "team": row.team.slug},
    )


def check_address(address: str) -> None:
    """Raises InvalidRequest for what is no e-mail address."""
    try:
        validate_email(address)
    except ValidationError:
        raise InvalidRequest(f'"{address}" is not an e-mail address') from None


def put_password(user: User, password: str | None) -> None:
    """Set it on the row, not yet saved; none is a person who cannot sign in. Raises InvalidRequest for a weak one."""
    if password is None:
        user.set_unusable_password()
        return
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidRequest(" ".join(error.messages)) from None
    user.set_password(password)
