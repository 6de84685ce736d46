"""The log's tables, as Django reads them. Nothing is ever written through these: `append.py` and `sequence.py` write."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from audit.log.fields import TransactionId


class Entry(models.Model):
    """One thing that happened. `body` is its canonical JSON and is what the tree hashes; the other columns repeat it."""

    id = models.UUIDField(primary_key=True)
    call = models.UUIDField(null=True)
    xid = TransactionId()
    recorded_at = models.DateTimeField()
    log = models.SmallIntegerField()
    kind = models.TextField()
    tenant = models.TextField()
    body = models.BinaryField()

    class Meta:
        """Its table."""

        db_table = "audit_entry"
        indexes = [
            models.Index(fields=["xid", "id"], name="audit_entry_order"),
            models.Index(fields=["call"], name="audit_entry_call", condition=Q(call__isnull=False)),
            models.Index(fields=["tenant", "id"], name="audit_entry_tenant"),
            models.Index(fields=["id"], name="audit_entry_acts", condition=Q(call__isnull=True)),
            models.Index(
                fields=["kind", "id"], name="audit_entry_act_kinds", condition=Q(call__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Leaf(models.Model):
    """An entry's place in the tree, with the two columns of the entry that its hash does not cover."""

    pk = models.CompositePrimaryKey("log", "index")
    entry = models.UUIDField(unique=True)
    index = models.BigIntegerField()
    xid = TransactionId()
    recorded_at = models.DateTimeField()
    log = models.SmallIntegerField()
    hash = models.BinaryField()

    class Meta:
        """Its table."""

        db_table = "audit_leaf"

    def __str__(self) -> str:
        return f"{self.log}/{self.index}"


class Tile(models.Model):
    """256 hashes of one level of the tree (C2SP tlog-tiles)."""

    pk = models.CompositePrimaryKey("log", "level", "index")
    index = models.BigIntegerField()
    log = models.SmallIntegerField()
    level = models.SmallIntegerField()
    hashes = models.BinaryField()

    class Meta:
        """Its table."""

        db_table = "audit_tile"

    def __str__(self) -> str:
        return f"{self.log}/{self.level}/{self.index}"


class Checkpoint(models.Model):
    """A signed tree head: `note` is public; `seal` binds what the note does not say (see `audit.log.seal`)."""

    pk = models.CompositePrimaryKey("log", "seq")
    seq = models.BigIntegerField()
    size = models.BigIntegerField()
    horizon = TransactionId()
    signed_at = models.DateTimeField()
    log = models.SmallIntegerField()
    root = models.BinaryField()
    seal = models.BinaryField()
    note = models.TextField()

    class Meta:
        """Its table."""

        db_table = "audit_checkpoint"
        indexes = [
            models.Index(fields=["log", "size"], name="audit_checkpoint_size"),
            models.Index(fields=["signed_at"], name="audit_checkpoint_signed"),
        ]

    def __str__(self) -> str:
        return f"{self.log}/{self.seq} size {self.size}"


class TreeState(models.Model):
    """Where the sequencer is: the newest checkpoint and the tiles that are not yet full, level 0 first."""

    log = models.SmallIntegerField(primary_key=True)
    size = models.BigIntegerField()
    seq = models.BigIntegerField()
    horizon = TransactionId()
    open_tiles = models.BinaryField()

    class Meta:
        """Its table."""

        db_table = "audit_tree_state"

    def __str__(self) -> str:
        return f"{self.log} size {self.size}"


class Verified(models.Model):
    """What the log's own checks found last (`audit.watch`). A view of the log, never evidence."""

    pk = models.CompositePrimaryKey("log", "scope")
    checked_at = models.DateTimeField()
    held_at = models.DateTimeField(null=True)
    seq = models.BigIntegerField()
    size = models.BigIntegerField()
    revision = models.BigIntegerField(null=True)
    epoch = models.BigIntegerField(null=True)
    seconds = models.FloatField()
    horizon = TransactionId()
    log = models.SmallIntegerField()
    scope = models.TextField()
    findings = ArrayField(models.TextField())

    class Meta:
        """Its table."""

        db_table = "audit_verified"

    def __str__(self) -> str:
        return f"{self.log} {self.scope} up to {self.seq}"


class Acknowledged(models.Model):
    """A finding that somebody has looked at. No evidence: the entry is."""

    pk = models.CompositePrimaryKey("log", "finding")
    at = models.DateTimeField()
    log = models.SmallIntegerField()
    finding = models.TextField()
    actor = models.TextField()
    reason = models.TextField()

    class Meta:
        """Its table."""

        db_table = "audit_acknowledged"

    def __str__(self) -> str:
        return self.finding


class SequencerSeen(models.Model):
    """The sequencer's sign of life, with what it refuses to sign, if it does."""

    seen_at = models.DateTimeField()
    sequenced = models.BigIntegerField()
    stragglers = models.BigIntegerField()
    refusals = models.BigIntegerField()
    log = models.SmallIntegerField(primary_key=True)
    refusal = models.TextField()

    class Meta:
        """Its table."""

        db_table = "audit_sequencer"

    def __str__(self) -> str:
        return f"{self.log} {self.seen_at}"
