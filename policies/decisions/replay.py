"""Whether a call's recorded decisions come out again, byte for byte, from their facts and the bundle's text."""

from dataclasses import dataclass
from uuid import UUID

from controlplane.kernel.errors import NotFound, Unavailable
from controlplane.kernel.ids import call_name
from policies.bundles.snapshot import stored_at
from policies.decisions.again import Job, in_fresh_process
from policies.decisions.models import Decision


@dataclass(frozen=True, slots=True)
class Stage:
    """One decision record and what it came to now; `again` is empty when nothing came out."""

    no: int
    stage: str
    revision: int
    recorded: str
    again: str

    @property
    def identical(self) -> bool:
        """Whether the digests are equal: SHA-256 of the canonical decision, so every byte is."""
        return self.recorded == self.again


@dataclass(frozen=True, slots=True)
class Replay:
    """All stages of a call, decided again in fresh processes; `explanation` says what went wrong where something did."""

    engine: int
    stages: tuple[Stage, ...]
    explanation: str = ""

    @property
    def identical(self) -> bool:
        """Whether every stage came out the same."""
        return bool(self.stages) and all(stage.identical for stage in self.stages)


def replay(call: UUID) -> Replay:
    """Decide every stage of a call again. Raises NotFound without a record, Unavailable when the process broke."""
    records = list(Decision.objects.filter(call=call).order_by("no"))
    if not records:
        raise NotFound(f"{call_name(call)} has no decision record")
    stages: list[Stage] = []
    engine, explanation = 0, ""
    for revision in sorted({record.revision for record in records}):
        of_revision = [record for record in records if record.revision == revision]
        try:
            bundle = stored_at(revision)
        except Unavailable as error:
            explanation = error.message
            stages += [_stage(record, "") for record in of_revision]
            continue
        facts = tuple(bytes(record.facts) for record in of_revision)
        job = Job(revision, bundle.text, bundle.checked, facts)
        found = in_fresh_process(job)
        engine, explanation = found.engine, found.error or explanation
        digests = found.digests or ("",) * len(of_revision)
        stages += [_stage(r, d) for r, d in zip(of_revision, digests, strict=True)]
    return Replay(engine, tuple(sorted(stages, key=lambda stage: stage.no)), explanation)


def _stage(record: Decision, again: str) -> Stage:
    return Stage(record.no, record.stage, record.revision, bytes(record.digest).hex(), again)
