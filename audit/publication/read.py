"""How the published log stands: for the page about the log, `/readyz` and `/metrics`. Who may see it is asked above."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from audit.publication.models import Publication

LOG = 1
SILENT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Witness:
    """What one witness said last: up to which size it signed and when, or what was wrong."""

    name: str
    url: str
    size: int
    at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The published log. `failure` says why nothing new is published; `lag` is how many signed entries are not yet."""

    size: int
    checkpoint: str
    published_at: datetime | None
    told_at: datetime
    age_seconds: float
    lag: int
    folder: str
    register: str
    register_size: int
    quorum: int
    cosigned_size: int
    cosigned_at: datetime | None
    failure: str
    failures: int
    witnesses: tuple[Witness, ...]

    @property
    def silent(self) -> bool:
        """Whether the publisher has not been heard of for a minute."""
        return self.age_seconds > SILENT_SECONDS

    @property
    def ok(self) -> bool:
        """Whether what is signed is shown, held and, where asked for, cosigned."""
        return not (self.failure or self.silent) and self.cosigned_size >= (
            self.size if self.quorum else 0
        )


def standing() -> Standing | None:
    """How publishing stands, in two queries; None before the publisher's first round."""
    row = Publication.objects.filter(log=LOG).first()
    if row is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT size, extract(epoch FROM clock_timestamp() - %s)::float8 FROM audit_tree_state WHERE log = %s",
            [row.told_at, LOG],
        )
        size, age = cursor.fetchone()
    return Standing(
        size=row.size,
        checkpoint=row.checkpoint,
        published_at=row.published_at,
        told_at=row.told_at,
        age_seconds=age,
        lag=size - row.size,
        folder=row.folder,
        register=row.register,
        register_size=row.register_size,
        quorum=row.quorum,
        cosigned_size=row.cosigned_size,
        cosigned_at=row.cosigned_at,
        failure=row.failure,
        failures=row.failures,
        witnesses=tuple(_witness(each) for each in row.witnesses),
    )


def _witness(said: dict[str, object]) -> Witness:
    at = said.get("at")
    return Witness(
        name=str(said["name"]),
        url=str(said["url"]),
        size=int(str(said["size"])),
        at=datetime.fromisoformat(at) if isinstance(at, str) else None,
        problem=str(said["problem"]),
    )
