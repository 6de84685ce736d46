"""Which call is a shadow run of which, and what was found. No row is ever changed; they go with the month of their call."""

from typing import Final, Literal, get_args

from django.db import models

Word = Literal["agreed", "differed", "failed", "incomparable"]
WORDS: Final[tuple[Word, ...]] = get_args(Word)


class Beside(models.Model):
    """A shadow run: the call `call` asks `model` (as facts name it) what the caller asked in `of`."""

    call = models.UUIDField(primary_key=True)
    of = models.UUIDField()
    asked_at = models.DateTimeField()
    tenant = models.TextField()
    team = models.TextField()
    route = models.TextField()
    model = models.TextField()

    class Meta:
        """Its table."""

        db_table = "routing_beside"
        indexes = [
            models.Index(fields=["asked_at"], name="routing_beside_asked"),
            models.Index(fields=["of", "model"], name="routing_beside_of"),
        ]

    def __str__(self) -> str:
        return f"call_{self.call.hex} beside call_{self.of.hex}"


class BesideVerdict(models.Model):
    """What came of comparing both answers; `incomparable` counts as nothing."""

    call = models.UUIDField(primary_key=True)
    entry = models.UUIDField()
    compared_at = models.DateTimeField()
    verdict = models.TextField()

    class Meta:
        """Its table."""

        db_table = "routing_beside_verdict"

    def __str__(self) -> str:
        return f"call_{self.call.hex} {self.verdict}"
