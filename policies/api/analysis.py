"""`/api/v1/findings/`, `/policy-tests/`, and what tests and analysis say of a change request."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, get_args
from uuid import UUID

import msgspec
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import ApiView
from controlplane.kernel.clock import to_text
from policies.analysis.finding import Kind
from policies.bundles import access as documents
from policies.bundles.published import published
from policies.bundles.read import require_published
from policies.changes import access
from policies.changes.analysed import published_analysis, published_tests
from policies.changes.checks import ANALYSIS, TESTS
from policies.documents.document import Identity


class NamedDocument(serializers.Serializer[Any]):
    """A document by what tells it from others."""

    kind = serializers.CharField()
    tenant = serializers.CharField(allow_blank=True)
    name = serializers.CharField()


class FindingShape(serializers.Serializer[Any]):
    """One odd thing. `line` counts in the document's own text; 0 is the whole of it."""

    kind = serializers.ChoiceField(choices=list(get_args(Kind)))
    document = NamedDocument()
    line = serializers.IntegerField()
    message = serializers.CharField()
    others = NamedDocument(many=True)


class FindingList(serializers.Serializer[Any]):
    """What is odd in the documents in force; warnings, none of which blocks anything."""

    items = FindingShape(many=True)
    examined = serializers.IntegerField(help_text="situations that rules were held against")
    undecided = NamedDocument(many=True, help_text="rules of which it cannot be told")


class TestShape(serializers.Serializer[Any]):
    """One PolicyTest as it ran. `rules` are the documents that its decision was made by."""

    test = NamedDocument()
    passed = serializers.BooleanField()
    misses = serializers.ListField(child=serializers.CharField())
    effect = serializers.ChoiceField(choices=["permit", "deny", "escalate"])
    models = serializers.ListField(child=serializers.CharField())
    rules = NamedDocument(many=True)


class TestList(serializers.Serializer[Any]):
    """Every test of what is in force, the rules no test decides, and those that look at an answer, which no test has."""

    items = TestShape(many=True)
    rules = serializers.IntegerField()
    uncovered = NamedDocument(many=True)
    beyond = NamedDocument(many=True)


class SideShape(serializers.Serializer[Any]):
    """What one bundle decides."""

    effect = serializers.ChoiceField(choices=["permit", "deny", "escalate"])
    models = serializers.ListField(child=serializers.CharField())
    why = serializers.CharField(allow_blank=True)


class FactShape(serializers.Serializer[Any]):
    """One thing that the call has beyond the plainest one."""

    name = serializers.CharField()
    value = serializers.CharField()


class ExampleShape(serializers.Serializer[Any]):
    """The smallest call of its sort that the draft decides otherwise; `count` of them were found."""

    change = serializers.CharField()
    tenant = serializers.CharField()
    team = serializers.CharField()
    route = serializers.CharField()
    facts = FactShape(many=True)
    before = SideShape()
    after = SideShape()
    count = serializers.IntegerField()


class ChangeAnalysis(serializers.Serializer[Any]):
    """What the last check found. `whole`: the calls tried are all that the conditions' constants tell apart."""

    over = serializers.IntegerField(allow_null=True, help_text="the revision it was checked over")
    digest = serializers.CharField(allow_blank=True, help_text="of the edits that were checked")
    checkedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    findings = FindingShape(many=True, help_text="those that the change brings")
    earlier = serializers.IntegerField()
    examined = serializers.IntegerField()
    undecided = NamedDocument(many=True)
    examples = ExampleShape(many=True)
    decided = serializers.IntegerField()
    whole = serializers.BooleanField()
    tests = TestShape(many=True)
    dropped = TestShape(many=True, help_text="taken away or rewritten, and would fail")
    rules = serializers.IntegerField()
    uncovered = NamedDocument(many=True)
    beyond = NamedDocument(many=True)


class Findings(ApiView):
    """What is odd in the documents in force."""

    @extend_schema(operation_id="findings_list", responses=FindingList)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """List it, of the documents that one may read."""
        require_published()
        found = published_analysis(self.readable())
        return Response({
            "items": [_finding(f) for f in msgspec.to_builtins(found.findings)],
            "examined": found.examined,
            "undecided": _named(found.undecided),
        })  # fmt: skip

    def readable(self) -> frozenset[Identity]:
        """The documents that the asker may read."""
        seen = documents.documents(self.principal, published())
        return frozenset((d.kind, d.tenant, d.name) for d in seen)


class PolicyTests(Findings):
    """The tests of what is in force."""

    @extend_schema(operation_id="policy_tests_list", responses=TestList)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Run them, and say which rules none of them decides."""
        require_published()
        run = published_tests(self.readable())
        return Response({
            "items": [_test(r) for r in msgspec.to_builtins(run.results)],
            "rules": len(run.coverage),
            "uncovered": _named(run.uncovered),
            "beyond": _named(run.beyond),
        })  # fmt: skip


_EMPTY: Final[Mapping[str, Any]] = {
    "findings": [], "earlier": 0, "examined": 0, "undecided": [], "examples": [], "decided": 0, "whole": False,
    "results": [], "dropped": [], "uncovered": [], "rules": 0, "beyond": [],
}  # fmt: skip


class OfChange(ApiView):
    """What tests and analysis say of a change request."""

    @extend_schema(operation_id="change_requests_analysis", responses=ChangeAnalysis)
    def get(self, request: Request, change: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """As its last check found it; nothing before it was checked, or where its documents do not fit together."""
        row = access.get(self.principal, change)
        checks = list(row.checks.filter(kind__in=(ANALYSIS, TESTS)))
        found: dict[str, Any] = dict(_EMPTY)
        for check in checks:
            found |= check.found
        last = checks[0] if checks else None
        return Response({
            "over": last.base if last else None,
            "digest": last.digest if last else "",
            "checkedAt": to_text(last.checked_at) if last else None,
            "findings": [_finding(f) for f in found["findings"]],
            **{name: found[name] for name in ("earlier", "examined", "decided", "whole", "rules")},
            "examples": [_example(e) for e in found["examples"]],
            "tests": [_test(r) for r in found["results"]],
            "dropped": [_test(r) for r in found["dropped"]],
            **{name: _named(found[name]) for name in ("undecided", "uncovered", "beyond")},
        })  # fmt: skip


def _one(identity: Sequence[str]) -> dict[str, str]:
    return dict(zip(("kind", "tenant", "name"), identity, strict=True))


def _named(identities: Iterable[Sequence[str]]) -> list[dict[str, str]]:
    return [_one(identity) for identity in identities]


def _finding(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**found, "document": _one(found["document"]), "others": _named(found["others"])}


def _test(result: Mapping[str, Any]) -> dict[str, Any]:
    return {**result, "test": _one(result["test"]), "rules": _named(result["rules"])}


def _example(found: Mapping[str, Any]) -> dict[str, Any]:
    facts = [{"name": name, "value": value} for name, value in found["facts"]]
    return {**found, "facts": facts}
