"""Members and the teams they belong to. Each command checks who asks, and writes with its entry in one transaction."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.identity import access
from policies.identity.models import Membership, Team, User
from policies.order.entries import append_entry
from policies.order.lock import mandate_now


def create_member(principal: Principal, email: str, name: str, password: str | None = None) -> User:
    """Add a person who may sign in, once a password is set. Raises Forbidden, InvalidRequest, Conflict for a known address."""
    access.require_members(principal)
    address = email.strip().lower()
    _check_address(address)
    user = User(email=address, name=name.strip())
    _put_password(user, password)
    at = mandate_now()
    with transaction.atomic():
        if User.objects.filter(email=address).exists():
            raise Conflict(f"{address} is a member already")
        user.save(force_insert=True, actor=principal.actor)
        append_entry("member.added", actor=principal.actor, at=at, subject=f"member:{address}")
    return user


def set_password(principal: Principal, user: User, password: str) -> None:
    """Give a person a new password; sessions under the old one end. Raises Forbidden, InvalidRequest for a weak one."""
    if principal.id != user.email:
        access.require_members(principal)
    _put_password(user, password)
    at = mandate_now()
    with transaction.atomic():
        user.save(update_fields=["password"], actor=principal.actor)
        append_entry(
            "member.changed",
            actor=principal.actor,
            at=at,
            subject=f"member:{user.email}",
            data={"what": "password"},
        )


def remove_member(principal: Principal, user: User) -> None:
    """Let a person sign in no more; tokens stop working, history stays. Raises Forbidden, Conflict for one who is gone."""
    access.require_members(principal)
    if not user.is_active:
        raise Conflict(f"{user.email} is no member any more")
    at = mandate_now()
    user.is_active = False
    with transaction.atomic():
        user.save(update_fields=["is_active"], actor=principal.actor)
        append_entry("member.removed", actor=principal.actor, at=at, subject=f"member:{user.email}")


def add_membership(principal: Principal, user: User, tenant: str, team: str) -> Membership:
    """Put a person into a team. Raises Forbidden, NotFound for a team not in use, Conflict when it is so already."""
    access.require_members(principal)
    found = Team.objects.filter(
        tenant__slug=tenant, slug=team, archived_at=None, tenant__archived_at=None
    ).first()
    if found is None:
        raise NotFound(f'there is no team "{tenant}/{team}" in use')
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


def _membership_entry(principal: Principal, row: Membership, what: str) -> None:
    append_entry(
        "member.changed",
        actor=principal.actor,
        at=mandate_now(),
        tenant=row.tenant.slug,
        subject=f"member:{row.user.email}",
        data={"what": what, "team": row.team.slug},
    )


def _check_address(address: str) -> None:
    try:
        validate_email(address)
    except ValidationError:
        raise InvalidRequest(f'"{address}" is not an e-mail address') from None


def _put_password(user: User, password: str | None) -> None:
    if password is None:
        user.set_unusable_password()
        return
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidRequest(" ".join(error.messages)) from None
    user.set_password(password)
