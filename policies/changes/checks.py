"""What is checked before people are asked. Nothing is written here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policies.bundles.publish import Candidate, Edits, compiled
from policies.bundles.read import Published
from policies.changes import analysed
from policies.changes.models import ChangeRequest, Edit
from policies.changes.read import conflict_words, conflicts
from policies.changes.texts import document_of, file_name
from policies.documents.problems import InvalidDocuments, Problem

_ELSEWHERE = (
    "something outside this tenant does not hold any more; ask an author of the organisation"
)
SCHEMA, BASE, WHOLE, EFFECT = "schema", "base", "whole", "effect"
TESTS, ANALYSIS = "tests", "analysis"
TITLES = {
    SCHEMA: "Every document can be read",
    BASE: "Nobody changed the same in between",
    WHOLE: "Types, references and conditions",
    EFFECT: "Something changes",
    TESTS: "Policy tests",
    ANALYSIS: "What is odd, and what changes at the boundaries",
}


@dataclass(frozen=True, slots=True)
class Result:
    """One check: whether it passed, what it says, each problem at its place, and what a page shows of it beyond that."""

    kind: str
    ok: bool
    told: str
    problems: tuple[Problem, ...] = ()
    found: Mapping[str, Any] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "kind": self.kind,
            "ok": self.ok,
            "told": self.told,
            "problems": [list(problem) for problem in self.problems],
            "found": dict(self.found),
        }


def run(base: Published, change: ChangeRequest, edits: Sequence[Edit]) -> list[Result]:
    """Every check that can be made; later ones need the earlier."""
    results = [_schema(edits), _base(base, change, edits)]
    if not all(result.ok for result in results):
        return results
    try:
        candidate = compiled(base, wanted(change, edits, change.author))
    except InvalidDocuments as error:
        problems = tuple(seen_in(change, error).problems)
        return [*results, Result(WHOLE, ok=False, told="", problems=problems)]
    count = len(candidate.documents)
    return [
        *results,
        Result(WHOLE, ok=True, told=f"{count} documents fit together"),
        _effect(candidate),
        *_of_the_bundle(base, change, candidate),
    ]


def wanted(change: ChangeRequest, edits: Iterable[Edit], actor: str) -> Edits:
    """What a change request would publish. Raises InvalidDocuments for a text that cannot be read."""
    found = list(edits)
    return Edits(
        actor=actor,
        origin=change.origin,
        change=change.id.hex,
        put=[document_of(e.identity, e.source) for e in found if not e.deletes],
        delete=[edit.identity for edit in found if edit.deletes],
        places={edit.identity: edit.place for edit in found if edit.place},
    )


def seen_in(change: ChangeRequest, error: InvalidDocuments) -> InvalidDocuments:
    """The problems as people of the tenant may read them: no document of another tenant is named, also where it fails."""
    if not change.tenant:
        return error
    # INVARIANT: nothing of another tenant, by any path
    own = (f"{change.tenant}/", f"published/{change.tenant}/")
    kept = [problem for problem in error.problems if problem.file.startswith(own)]
    if len(kept) < len(error.problems):
        kept.append(Problem("<bundle>", 1, 1, "", _ELSEWHERE))
    return InvalidDocuments(kept)


def problems_of(edit: Edit) -> tuple[Problem, ...]:
    """What is wrong with the text of an edit."""
    file = file_name(edit.identity)
    return tuple(
        Problem(file, line, column, path, told) for line, column, path, told in edit.problems
    )


def _schema(edits: Sequence[Edit]) -> Result:
    problems = [problem for edit in edits for problem in problems_of(edit)]
    if not edits:
        return Result(SCHEMA, ok=False, told="nothing is edited yet")
    told = f"{len(edits)} document{'s' if len(edits) != 1 else ''}"
    return Result(SCHEMA, ok=not problems, told=told, problems=tuple(problems))


def _base(base: Published, change: ChangeRequest, edits: Sequence[Edit]) -> Result:
    found = conflicts(base, change, edits)
    if found:
        told = f"changed since revision {change.base}: {conflict_words(found)}; rebase to see both"
        return Result(BASE, ok=False, told=told)
    return Result(BASE, ok=True, told=f"over revision {base.revision}")


def _of_the_bundle(base: Published, change: ChangeRequest, candidate: Candidate) -> list[Result]:
    """Its tests, which must pass, and its analysis, which only warns."""
    under = analysed.base_bundle(base.revision)
    run, dropped = analysed.tested(under, candidate)
    tests = analysed.found_of(run, dropped, change.tenant)
    wrong = InvalidDocuments(analysed.failures(run, candidate.documents))
    problems = tuple(seen_in(change, wrong).problems)
    found = analysed.of_draft(under, candidate.bundle, change.tenant)
    return [
        Result(
            TESTS,
            ok=not run.failed,
            told=analysed.said_of_tests(tests),
            problems=problems,
            found=tests,
        ),
        Result(ANALYSIS, ok=True, told=analysed.said_of(found), found=found),
    ]


def _effect(candidate: Candidate) -> Result:
    counts = candidate.difference.counts
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return Result(EFFECT, ok=bool(counts and told), told=told or "all of this is published already")
