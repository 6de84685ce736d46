"""Whether a call's recorded decisions come out again, byte for byte, from their facts and the bundle's text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from controlplane.kernel.errors import NotFound, Unavailable
from controlplane.kernel.ids import call_name
from policies.bundles.snapshot import stored_at
from policies.decisions.again import Job, in_fresh_process
from policies.decisions.models import Decision
from policies.engine.weigh import decode_facts

_GONE = "what an answer said is gone: it cannot be weighed again"


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


def replay(call: UUID, said: Callable[[UUID, int], str | None] = lambda *_: None) -> Replay:
    """Decide every stage of a call again. Raises NotFound without a record, Unavailable when the process broke.

    `said` tells what the answer weighed under a number said; None where nobody can read it any more.
    """
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
        decided = [r for r in of_revision if r.stage == "request"]
        weighed = [(r, w) for r in of_revision if (w := _weighed(r, records, said)) is not None]
        facts = tuple(bytes(record.facts) for record in decided)
        answers = tuple(w for _, w in weighed)
        found = in_fresh_process(Job(revision, bundle.text, bundle.checked, facts, answers))
        engine, explanation = found.engine, found.error or explanation
        made = [*decided, *(r for r, _ in weighed)]
        digests = found.digests or ("",) * len(made)
        stages += [_stage(r, d) for r, d in zip(made, digests, strict=True)]
        gone = [r for r in of_revision if r not in made]
        stages += [_stage(record, "") for record in gone]
        explanation = explanation or (_GONE if gone else "")
    return Replay(engine, tuple(sorted(stages, key=lambda stage: stage.no)), explanation)


def _weighed(
    record: Decision, records: Sequence[Decision], said: Callable[[UUID, int], str | None]
) -> tuple[bytes, bytes, str] | None:
    """What weighing an answer again needs; None for a decision about the call, and where the answer is gone."""
    if record.stage == "request":
        return None
    facts = decode_facts(bytes(record.facts))
    call = next((r for r in records if bytes(r.digest).hex() == facts.of), None)
    text = "" if facts.error_class else said(record.call, record.no)
    if call is None or text is None:
        return None
    return bytes(call.facts), bytes(record.facts), text


def _stage(record: Decision, again: str) -> Stage:
    return Stage(record.no, record.stage, record.revision, bytes(record.digest).hex(), again)
