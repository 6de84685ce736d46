"""What tests and analysis found, as pages show it; and the page of the tests of what is published."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit.ui.request import principal_of
from controlplane.kernel.principal import Principal
from policies.analysis.finding import Finding
from policies.bundles import access
from policies.bundles.published import published
from policies.changes import access as changes
from policies.changes.analysed import finding_of, published_analysis, published_tests
from policies.changes.texts import named
from policies.documents.document import Identity

_KINDS: Final[Mapping[str, str]] = {
    "never-matches": "never matches",
    "always-matches": "always matches",
    "shadowed": "adds nothing",
    "contradicted": "contradicted",
    "unpriced": "no price",
    "unreachable-model": "unreachable",
    "sunset": "sunset",
    "uncallable-route": "nobody may call it",
    "unreachable-budget": "unreachable",
    "use-case-review": "review",
    "exception-expires": "expires",
}
_CHANGES: Final[Mapping[str, tuple[str, str]]] = {
    "newly permitted": ("warn", "check"),
    "newly denied": ("bad", "cross-circle"),
    "newly held": ("info", "hand"),
    "no longer held": ("warn", "hand"),
    "other models": ("info", "model"),
    "other checks": ("info", "refresh"),
    "other obligations": ("info", "document"),
}


@dataclass(frozen=True, slots=True)
class FindingShown:
    """One line of what is odd."""

    name: str
    url: str
    told: str
    message: str


@dataclass(frozen=True, slots=True)
class ExampleShown:
    """The smallest call of its sort: what it is, and what each side decides."""

    change: str
    tone: str
    icon: str
    who: str
    facts: Sequence[Sequence[str]]
    before: str
    after: str
    count: int


@dataclass(frozen=True, slots=True)
class AnalysisShown:
    """The card after the checks."""

    findings: Sequence[FindingShown]
    earlier: int
    undecided: Sequence[str]
    examples: Sequence[ExampleShown]
    examined: int
    decided: int
    whole: bool


@dataclass(frozen=True, slots=True)
class TestShown:
    """One PolicyTest as it ran."""

    name: str
    url: str
    passed: bool
    effect: str
    models: str
    rules: Sequence[tuple[str, str]]
    misses: Sequence[str]


@dataclass(frozen=True, slots=True)
class TestsShown:
    """What a check says of tests beyond its line."""

    uncovered: Sequence[str]
    rules: int
    dropped: Sequence[TestShown]


@require_safe
def policy_tests(request: HttpRequest) -> HttpResponse:
    """`/policy-tests/`: the tests of what is published, what each decided, and which rules no test decides."""
    principal = principal_of(request)
    found = published()
    seen = readable(principal)
    run = published_tests(seen) if found.revision else None
    context = {
        "revision": found.revision,
        "tests": [test_of(msgspec.to_builtins(r)) for r in run.results] if run else [],
        "failed": len(run.failed) if run else 0,
        "rules": len(run.coverage) if run else 0,
        "uncovered": _by_tenant(run.uncovered) if run else [],
        "beyond": [(named(i), document_url(i)) for i in run.beyond] if run else [],
        "may_draft": changes.drafts_somewhere(principal),
    }
    return render(request, "policies/tests.html", context)


def readable(principal: Principal) -> frozenset[Identity]:
    """The published documents that somebody may read."""
    return frozenset((d.kind, d.tenant, d.name) for d in access.documents(principal, published()))


def published_findings(principal: Principal) -> list[FindingShown]:
    """What is odd in the documents in force, of those that one may read."""
    if not published().revision:
        return []
    return [finding_shown(f) for f in published_analysis(readable(principal)).findings]


def finding_shown(found: Finding) -> FindingShown:
    """One finding as a line."""
    line = f"#L{found.line}" if found.line else ""
    return FindingShown(
        named(found.document),
        document_url(found.document) + line,
        _KINDS[found.kind],
        found.message,
    )


def analysis_shown(found: Mapping[str, Any]) -> AnalysisShown | None:
    """The analysis of a draft from what was stored; None where it was not made."""
    if not found:
        return None
    return AnalysisShown(
        findings=[finding_shown(finding_of(f)) for f in found["findings"]],
        earlier=found["earlier"],
        undecided=[named(identity_of(i)) for i in found["undecided"]],
        examples=[_example(e) for e in found["examples"]],
        examined=found["examined"],
        decided=found["decided"],
        whole=found["whole"],
    )


def tests_shown(found: Mapping[str, Any]) -> TestsShown | None:
    """What a check says of tests, from what was stored."""
    if not found:
        return None
    return TestsShown(
        uncovered=[named(identity_of(i)) for i in found["uncovered"]],
        rules=found["rules"],
        dropped=[test_of(result) for result in found["dropped"]],
    )


def test_of(result: Mapping[str, Any]) -> TestShown:
    """One result as a line."""
    identity = identity_of(result["test"])
    return TestShown(
        name=named(identity).removeprefix("PolicyTest "),
        url=document_url(identity),
        passed=result["passed"],
        effect=result["effect"],
        models=", ".join(result["models"]),
        rules=[(r[2], document_url(identity_of(r))) for r in result["rules"]],
        misses=result["misses"],
    )


def identity_of(stored: Sequence[str]) -> Identity:
    """An identity from what was stored."""
    kind, tenant, name = stored
    return kind, tenant, name


def document_url(identity: Identity) -> str:
    """The page of a document."""
    kind, tenant, name = identity
    return reverse("document", args=[kind, tenant or "-", name])


def _example(stored: Mapping[str, Any]) -> ExampleShown:
    tone, icon = _CHANGES[stored["change"]]
    return ExampleShown(
        change=stored["change"],
        tone=tone,
        icon=icon,
        who=f"{stored['tenant']}/{stored['team']} calls {stored['route']}",
        facts=stored["facts"],
        before=_side(stored["before"]),
        after=_side(stored["after"]),
        count=stored["count"],
    )


def _side(side: Mapping[str, Any]) -> str:
    parts = [side["effect"]]
    if side["models"]:
        parts.append(f"by {', '.join(side['models'])}")
    said = " ".join(parts)
    return f"{said}: {side['why']}" if side["why"] else said


def _by_tenant(rules: Iterable[Identity]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Rules with their pages, under the tenant they belong to."""
    found: dict[str, list[tuple[str, str]]] = {}
    for identity in sorted(rules, key=lambda i: (i[1], i[0], i[2])):
        line = (f"{identity[0]} {identity[2]}", document_url(identity))
        found.setdefault(identity[1] or "The organisation", []).append(line)
    return list(found.items())
