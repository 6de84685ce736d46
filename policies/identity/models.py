"""People, tenants, teams, keys and tokens."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from policies.identity.history import ActorMissing, Recorded, versions
from policies.order.ids import new_id

CREDENTIALS = frozenset({"password", "last_login", "session_epoch"})
"""Columns of a person that are no part of the history."""


class UserManager(BaseUserManager["User"]):
    """Finds people by their e-mail address, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """The person with this address. Raises User.DoesNotExist."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, Recorded):
    """A member: signs in with the e-mail address (stored lower-case). What they may do is in RoleGrant documents."""

    id = models.UUIDField(primary_key=True, default=new_id)
    email = models.EmailField(unique=True)
    name = models.TextField(default="", blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())
    session_epoch = models.BigIntegerField(default=0)
    """Raising it ends every session of the person at once."""
    history: ClassVar[Any] = versions("policies_user_history", excluded=CREDENTIALS)

    objects = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        db_table = "policies_user"

    def __str__(self) -> str:
        return self.name or self.email

    def save(self, *args: Any, actor: str = "", revision: int | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - Django's own signature
        """Write the person. Only a new password or sign-in time may come without an actor (Django's own sign-in writes them)."""
        if actor:
            super().save(*args, actor=actor, revision=revision, **kwargs)
            return
        changed = kwargs.pop("update_fields", None)
        if not (CREDENTIALS.issuperset(changed) if changed else self._unchanged()):
            raise ActorMissing("a member needs `actor`: say who writes it")
        self.skip_history_when_saving = True
        models.Model.save(self, *args, update_fields=changed or CREDENTIALS, **kwargs)

    def get_session_auth_hash(self) -> str:
        """What a session must carry: another password or epoch ends it."""
        return salted_hmac(
            "policies.identity.session", f"{self.session_epoch}:{self.password}", algorithm="sha256"
        ).hexdigest()

    def _unchanged(self) -> bool:
        """Whether everything but the credentials is as stored."""
        stored = User.objects.filter(pk=self.pk).first()
        names = (f.attname for f in User._meta.concrete_fields if f.attname not in CREDENTIALS)
        return stored is not None and all(getattr(stored, n) == getattr(self, n) for n in names)


class Session(AbstractBaseSession):
    """One browser's session; a member's from its sign-in on. `public` names it to people, who never see the key.

    While Django gives a session another key, two rows share its name for a moment.
    """

    public = models.UUIDField(db_index=True, default=new_id)
    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="sessions")
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(db_default=Now())
    agent = models.TextField(default="", blank=True)
    address = models.TextField(default="", blank=True)

    class Meta:
        db_table = "policies_session"


class Tenant(Recorded):
    """The identity row of a Tenant document; every attribute but these is read from the bundle."""

    id = models.BigAutoField(primary_key=True)
    slug = models.TextField(unique=True)
    archived_at = models.DateTimeField(null=True)
    history: ClassVar[Any] = versions("policies_tenant_history")

    class Meta:
        db_table = "policies_tenant"

    def __str__(self) -> str:
        return self.slug


class Team(Recorded):
    """The identity row of a team that its Tenant document names."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="teams")
    slug = models.TextField()
    archived_at = models.DateTimeField(null=True)
    history: ClassVar[Any] = versions("policies_team_history")

    class Meta:
        db_table = "policies_team"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "slug"], name="policies_team_identity")
        ]

    def __str__(self) -> str:
        return self.slug


class Membership(Recorded):
    """A person belongs to a team. `tenant` is the team's, kept here so that a tenant's members are one look-up."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, models.PROTECT, related_name="memberships")
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="memberships")
    team = models.ForeignKey(Team, models.PROTECT, related_name="memberships")
    created_at = models.DateTimeField(db_default=Now())
    history: ClassVar[Any] = versions("policies_membership_history")

    class Meta:
        db_table = "policies_membership"
        constraints = [
            models.UniqueConstraint(fields=["user", "team"], name="policies_membership_identity")
        ]


class ApiKey(Recorded):
    """What a caller shows. Found by its id (8 characters), kept as HMAC-SHA256 under the pepper, shown once.

    `tenant` and `team` are names, as calls and entries record them; `labels` are facts; `scopes` lists the routes it may call
    (empty: every route of its tenant); `replaces` is the key that it was made for by rotation.
    """

    id = models.CharField(primary_key=True, max_length=8)
    hash = models.BinaryField()
    tenant = models.TextField()
    team = models.TextField()
    name = models.TextField(default="", blank=True)
    labels = models.JSONField(default=dict)
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.TextField()
    last_used_at = models.DateTimeField(null=True)
    replaces = models.CharField(max_length=8, default="", blank=True)
    history: ClassVar[Any] = versions("policies_api_key_history", excluded=["hash", "last_used_at"])

    class Meta:
        db_table = "policies_api_key"
        indexes = [models.Index(fields=["tenant", "team"], name="policies_api_key_team")]


class Token(Recorded):
    """A member's personal token for the API: the member's own roles, nothing more. Hashed like a key, shown once."""

    id = models.CharField(primary_key=True, max_length=8)
    hash = models.BinaryField()
    user = models.ForeignKey(User, models.PROTECT, related_name="tokens")
    name = models.TextField(default="", blank=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True)
    history: ClassVar[Any] = versions("policies_token_history", excluded=["hash", "last_used_at"])

    class Meta:
        db_table = "policies_token"


class Invitation(models.Model):
    """A person who is asked to become a member, by a link that works once. `teams` are written `tenant/team`.

    Like a key it is found by its id and kept as a hash. It ends accepted, withdrawn, or by time.
    """

    id = models.CharField(primary_key=True, max_length=8)
    hash = models.BinaryField()
    email = models.EmailField()
    name = models.TextField(default="", blank=True)
    teams = models.JSONField(default=list)
    actor = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "policies_invitation"
        constraints = [
            models.UniqueConstraint(
                fields=["email"],
                condition=models.Q(accepted_at=None, withdrawn_at=None),
                name="policies_invitation_open",
            )
        ]
