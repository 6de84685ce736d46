"""Replays and their samples."""

from django.db import models
from django.db.models.functions import Now

from policies.order.ids import new_id

QUEUED, RUNNING, DONE, CANCELLED, BROKEN = "queued", "running", "done", "cancelled", "broken"
OPEN = (QUEUED, RUNNING)
STATES = (*OPEN, DONE, CANCELLED, BROKEN)
CHANGE, DRILL, PLAN = "change", "drill", "plan"


class Replay(models.Model):
    """Recorded decisions of a window made again: of one tenant, or (tenant "") of all.

    `what` is change (the draft of a change request, `content` its digest), plan (a folder that is not handed in) or drill (the
    bundle in force with models taken `away`). `base` is the revision both are compared with. `cursor` and `partial` are how far
    it is, of whose working process `worker` `beat_at` is the last sign of life. `result` is canonical JSON, `digest` its SHA-256
    (hex).
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    what = models.TextField()
    change = models.UUIDField(null=True)
    tenant = models.TextField(default="", blank=True)
    title = models.TextField(default="", blank=True)
    away = models.JSONField(default=dict)
    base = models.BigIntegerField()
    base_digest = models.TextField()
    content = models.TextField(default="", blank=True)
    draft = models.BinaryField(null=True)
    draft_checked = models.BinaryField(null=True)
    days = models.IntegerField()
    since = models.DateTimeField()
    until = models.DateTimeField()
    actor = models.TextField()
    state = models.TextField(default=QUEUED)
    worker = models.UUIDField(null=True)
    tries = models.IntegerField(default=0)
    beat_at = models.DateTimeField(null=True)
    cursor = models.UUIDField(null=True)
    partial = models.BinaryField(null=True)
    done = models.BigIntegerField(default=0)
    result = models.TextField(default="", blank=True)
    digest = models.TextField(default="", blank=True)
    told = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "policies_replay"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=STATES),
                name="policies_replay_state",
            ),
            models.CheckConstraint(
                condition=models.Q(what__in=(CHANGE, DRILL, PLAN)), name="policies_replay_what"
            ),
        ]
        indexes = [
            models.Index(fields=["change", "id"], name="policies_replay_change"),
            models.Index(
                fields=["id"],
                name="policies_replay_open",
                condition=models.Q(state__in=OPEN),
            ),
        ]

    def __str__(self) -> str:
        return self.title or f"replay {self.id}"

    @property
    def open(self) -> bool:
        """Whether it is still to end."""
        return self.state in OPEN

    @property
    def subject(self) -> str:
        """What its entries are about: the change request, or the drill or plan itself."""
        return f"change:{self.change.hex}" if self.change else f"{self.what}:{self.id.hex}"

    @property
    def percent(self) -> int:
        """How much of its window is done: ids grow with time."""
        if self.state == DONE:
            return 100
        if self.cursor is None:
            return 0
        at = (self.cursor.int >> 80) / 1000 - self.since.timestamp()
        whole = (self.until - self.since).total_seconds()
        return max(0, min(99, int(100 * at / whole))) if whole else 0


class ReplaySample(models.Model):
    """One call that would be different, in words without content. `cost_nano` is null where it cannot be said."""

    id = models.UUIDField(primary_key=True, default=new_id)
    replay = models.ForeignKey(Replay, models.PROTECT, related_name="samples")
    tenant = models.TextField()
    team = models.TextField()
    kind = models.TextField()
    call = models.UUIDField()
    route = models.TextField()
    before = models.TextField()
    after = models.TextField()
    rule = models.TextField()
    cost_nano = models.BigIntegerField(null=True)

    class Meta:
        db_table = "policies_replay_sample"
        indexes = [
            models.Index(fields=["replay", "kind", "id"], name="policies_replay_sample_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind} call_{self.call.hex}"
