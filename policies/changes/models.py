"""Change requests, their edits, what was checked, and who approved."""

from django.db import models
from django.db.models.functions import Now

from policies.order.ids import new_id

DRAFT, CHECKS, APPROVAL, SCHEDULED = "draft", "checks", "approval", "scheduled"
PUBLISHED, WITHDRAWN = "published", "withdrawn"
OPEN = (DRAFT, CHECKS, APPROVAL, SCHEDULED)
STATES = (*OPEN, PUBLISHED, WITHDRAWN)


class ChangeRequest(models.Model):
    """One change request: of one tenant, or (tenant "") of the organisation.

    `draft`: being written. `checks`: handed in, and something is wrong. `approval`: waits for people. `scheduled`: approved,
    waits for `publish_at`. `published` and `withdrawn` are the end. `base` is the revision it was written against, `digest` the
    SHA-256 of its edits (hex): an approval binds both. Neither `author` nor `last_editor` approves it in four-eyes.

    `binds_from` is the oldest base whose approvals still count: a rebase that changed nothing leaves it. `held_back` says why it
    was not published when its time came. `source` is the digest of the folder that it came from, without values.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    tenant = models.TextField(default="", blank=True)
    title = models.TextField()
    reason = models.TextField(default="", blank=True)
    state = models.TextField(default=DRAFT)
    origin = models.TextField()
    base = models.BigIntegerField()
    digest = models.TextField()
    author = models.TextField()
    last_editor = models.TextField()
    note = models.TextField(default="", blank=True)
    binds_from = models.BigIntegerField(default=0)
    publish_at = models.DateTimeField(null=True)
    held_back = models.TextField(default="", blank=True)
    source = models.TextField(default="", blank=True)
    rollback_of = models.BigIntegerField(null=True)
    published_revision = models.BigIntegerField(null=True)
    flagged = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "policies_change"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=STATES), name="policies_change_state"
            ),
            models.CheckConstraint(
                condition=models.Q(origin__in=("git", "console")), name="policies_change_origin"
            ),
            models.UniqueConstraint(
                fields=["published_revision"], name="policies_change_published_once"
            ),
        ]
        indexes = [models.Index(fields=["tenant", "state"], name="policies_change_place")]

    def __str__(self) -> str:
        return self.title

    @property
    def open(self) -> bool:
        """Whether anything may still happen to it."""
        return self.state in OPEN

    @property
    def subject(self) -> str:
        """What its entries are about."""
        return f"change:{self.id.hex}"


class Edit(models.Model):
    """What a change request does to one document: its new YAML, or (`deletes`) nothing left of it.

    `before` is the YAML in the base revision, null where it did not exist. `source` is kept as it was typed, also where it cannot
    be read; `problems` says why: a list of [line, column, path, message]. `place` is where its folder has it, for `git`.
    """

    id = models.BigAutoField(primary_key=True)
    change = models.ForeignKey(ChangeRequest, models.PROTECT, related_name="edits")
    kind = models.TextField()
    tenant = models.TextField(default="", blank=True)
    name = models.TextField()
    deletes = models.BooleanField(default=False)
    source = models.TextField(default="", blank=True)
    before = models.TextField(null=True)
    problems = models.JSONField(default=list)
    written_by = models.TextField()
    edited_by = models.TextField()
    place = models.TextField(default="", blank=True)
    edited_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "policies_change_edit"
        constraints = [
            models.UniqueConstraint(
                fields=["change", "kind", "tenant", "name"], name="policies_change_edit_identity"
            )
        ]

    @property
    def identity(self) -> tuple[str, str, str]:
        """(kind, tenant, name)."""
        return self.kind, self.tenant, self.name


class Check(models.Model):
    """The newest result of one check of a change request. A problem is [file, line, column, path, message].

    `found` is what tests and analysis say beyond that (`policies.changes.analysed`); empty for the others.
    """

    id = models.BigAutoField(primary_key=True)
    change = models.ForeignKey(ChangeRequest, models.PROTECT, related_name="checks")
    kind = models.TextField()
    ok = models.BooleanField()
    told = models.TextField(default="", blank=True)
    problems = models.JSONField(default=list)
    found = models.JSONField(default=dict)
    base = models.BigIntegerField()
    digest = models.TextField()
    checked_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "policies_change_check"
        constraints = [
            models.UniqueConstraint(fields=["change", "kind"], name="policies_change_check_kind")
        ]


class Approval(models.Model):
    """One person's yes to exactly these edits over that base on that replay ("": none), with the roles that were held.

    Every edit dismisses it, and every rebase that changes anything. `flagged`: given in single-operator mode.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    change = models.ForeignKey(ChangeRequest, models.PROTECT, related_name="approvals")
    actor = models.TextField()
    roles = models.JSONField(default=list)
    base = models.BigIntegerField()
    digest = models.TextField()
    replay = models.TextField(default="", blank=True)
    reason = models.TextField(default="", blank=True)
    attestation = models.TextField(default="", blank=True)
    flagged = models.BooleanField(default=False)
    given_at = models.DateTimeField(db_default=Now())
    dismissed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "policies_change_approval"
        constraints = [
            models.UniqueConstraint(
                fields=["change", "actor"],
                condition=models.Q(dismissed_at__isnull=True),
                name="policies_change_approval_once",
            ),
            models.UniqueConstraint(
                fields=["attestation", "actor"],
                condition=~models.Q(attestation=""),
                name="policies_change_attested_once",
            ),
        ]


class Glass(models.Model):
    """A change that one person published alone in four-eyes, because it could not wait: why, and what another said of it.

    `verdict` is "" until somebody else reviewed it, then `confirmed` or `taken back` (with the change request that does).
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    change = models.OneToOneField(ChangeRequest, models.PROTECT, related_name="glass")
    tenant = models.TextField(default="", blank=True)
    actor = models.TextField()
    roles = models.JSONField(default=list)
    reason = models.TextField()
    revision = models.BigIntegerField()
    broken_at = models.DateTimeField(db_default=Now())
    verdict = models.TextField(default="", blank=True)
    note = models.TextField(default="", blank=True)
    reviewed_by = models.TextField(default="", blank=True)
    reviewed_at = models.DateTimeField(null=True)
    undone_by = models.UUIDField(null=True)

    class Meta:
        db_table = "policies_change_glass"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(verdict__in=("", "confirmed", "taken back")),
                name="policies_change_glass_verdict",
            ),
            models.CheckConstraint(
                condition=~models.Q(reason="") & ~models.Q(reviewed_by=models.F("actor")),
                name="policies_change_glass_other",
            ),
        ]


class Shadow(models.Model):
    """A draft that decides beside the bundle in force, for a while, what comes in; callers never notice.

    `base` is the revision it is laid over now, `content` the digest of the draft's texts, `draft` and `draft_checked` its
    bundle. `cursor` is the last call that was looked at, `tally` (msgpack) what was found so far; `told` says why it ended.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    change = models.ForeignKey(ChangeRequest, models.PROTECT, related_name="shadows")
    tenant = models.TextField(default="", blank=True)
    base = models.BigIntegerField()
    content = models.TextField()
    draft = models.BinaryField()
    draft_checked = models.BinaryField()
    actor = models.TextField()
    started_at = models.DateTimeField()
    until = models.DateTimeField()
    cursor = models.UUIDField(null=True)
    steps = models.BigIntegerField(default=0)
    tally = models.BinaryField()
    told = models.TextField(default="", blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "policies_change_shadow"
        constraints = [
            models.UniqueConstraint(
                fields=["change"],
                condition=models.Q(ended_at=None),
                name="policies_change_shadow_one",
            )
        ]

    def __str__(self) -> str:
        return f"shadow {self.id}"

    @property
    def running(self) -> bool:
        """Whether it still looks."""
        return self.ended_at is None
