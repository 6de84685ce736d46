"""What analysis and PolicyTests say of a draft, and of what is published. Warnings never block; a failing test does."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from controlplane.kernel.clock import to_text
from policies.analysis.analyse import analyse
from policies.analysis.differences import compare
from policies.analysis.finding import Analysis, Finding
from policies.analysis.testing import TestResult, TestRun, run_tests
from policies.bundles.publish import Candidate
from policies.bundles.snapshot import bundle_at, published
from policies.documents.document import Document, Identity
from policies.documents.problems import Problem
from policies.engine.bundle import Bundle
from policies.engine.expectations import policy_tests
from policies.order.lock import mandate_now

Found = Mapping[str, Any]
"""Plain values, as they are stored with a check."""


def base_bundle(revision: int) -> Bundle | None:
    """The compiled bundle that a draft lies over; None before anything was published."""
    if not revision:
        return None
    found = published().bundle
    return found if found.revision == revision else bundle_at(revision)


def of_draft(base: Bundle | None, draft: Bundle, tenant: str) -> Found:
    """Findings that the draft brings, how many were there before, and the smallest calls that it decides otherwise.

    For a tenant's draft only what is of that tenant is told, and only its calls are tried.
    """
    now = to_text(mandate_now())
    after = analyse(draft, now)
    before = set(analyse(base, now).findings) if base else set()
    ours = [f for f in after.findings if not tenant or f.document[1] == tenant]
    compared = compare(base, draft, now, tenant) if base else None
    return {
        "findings": msgspec.to_builtins([f for f in ours if f not in before]),
        "earlier": sum(f in before for f in ours),
        "examined": after.examined,
        "undecided": [list(i) for i in after.undecided if not tenant or i[1] == tenant],
        "examples": msgspec.to_builtins(compared.examples) if compared else [],
        "decided": compared.examined if compared else 0,
        "whole": compared.whole if compared else True,
    }


def said_of(found: Found) -> str:
    """The same in a line."""
    new, examples = len(found["findings"]), len(found["examples"])
    warned = f"{new} new warning{'s' if new != 1 else ''}" if new else "no new warning"
    otherwise = f"{examples} sort{'s' if examples != 1 else ''} of call decided otherwise"
    return f"{warned}; {otherwise if examples else 'no call decided otherwise'} among {found['decided']:,} tried"


def tested(base: Bundle | None, candidate: Candidate) -> tuple[TestRun, tuple[TestResult, ...]]:
    """The draft's own tests; and those of the base that it takes away or rewrites, where they would fail over it."""
    now = to_text(mandate_now())
    run = run_tests(candidate.bundle, now)
    kept = candidate.bundle.documents
    gone = (
        [t for t in policy_tests(base) if kept.get((t.kind, t.tenant, t.name)) != t] if base else []
    )
    return run, run_tests(candidate.bundle, now, gone).failed


def found_of(run: TestRun, dropped: Sequence[TestResult], tenant: str) -> Found:
    """A run as it is stored: for a tenant's draft only its own tests and rules."""

    def ours(identity: Identity) -> bool:
        return not tenant or identity[1] == tenant

    return {
        "results": msgspec.to_builtins([r for r in run.results if ours(r.test)]),
        "dropped": msgspec.to_builtins([r for r in dropped if ours(r.test)]),
        "uncovered": [list(i) for i in run.uncovered if ours(i)],
        "rules": sum(ours(one.rule) for one in run.coverage),
        "beyond": [list(i) for i in run.beyond if ours(i)],
    }


def said_of_tests(found: Found) -> str:
    """The same in a line."""
    count, rules = len(found["results"]), found["rules"]
    failed = sum(not result["passed"] for result in found["results"])
    ran = f"{count} test{'s' if count != 1 else ''}" if count else "no tests"
    said = f"{ran}, {failed} failing" if failed else ran
    parts = [said, f"{rules - len(found['uncovered'])} of {rules} rules decided by one"]
    if found["dropped"]:
        parts.append(f"{len(found['dropped'])} that would fail taken away or rewritten")
    return "; ".join(parts)


def failures(run: TestRun, documents: Iterable[Document]) -> tuple[Problem, ...]:
    """Each miss of each failing test at its place."""
    by_identity = {document.identity: document for document in documents}
    return tuple(
        by_identity[result.test].problem("spec.expect", f"the test fails: {miss}")
        for result in run.failed
        for miss in result.misses
    )


def published_analysis(seen: frozenset[Identity]) -> Analysis:
    """What analysis says of the bundle in force, to somebody who may read these documents."""
    found = _analysis(published().bundle, _hour())
    findings = tuple(f for f in found.findings if f.about <= seen)
    undecided = tuple(i for i in found.undecided if i in seen)
    return Analysis(findings=findings, examined=found.examined, undecided=undecided)


def published_tests(seen: frozenset[Identity]) -> TestRun:
    """The tests of the bundle in force, to somebody who may read these documents."""
    run = _tests(published().bundle, _hour())
    return TestRun(
        results=tuple(r for r in run.results if r.test in seen),
        coverage=tuple(
            msgspec.structs.replace(c, tests=tuple(t for t in c.tests if t in seen))
            for c in run.coverage
            if c.rule in seen
        ),
        beyond=tuple(i for i in run.beyond if i in seen),
    )


def finding_of(stored: Mapping[str, Any]) -> Finding:
    """A finding from what was stored."""
    return msgspec.convert(stored, Finding)


@lru_cache(maxsize=2)
def _analysis(bundle: Bundle, hour: str) -> Analysis:
    return analyse(bundle, hour)


@lru_cache(maxsize=2)
def _tests(bundle: Bundle, hour: str) -> TestRun:
    return run_tests(bundle, hour)


def _hour() -> str:
    """The moment to the hour: an analysis is made once for so long."""
    return f"{to_text(mandate_now())[:13]}:00:00.000Z"
