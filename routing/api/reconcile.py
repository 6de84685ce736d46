"""`/api/v1/invoices/` and `/api/v1/ledger/`: what providers billed beside the ledger, and whether that holds."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, Making, given, page
from controlplane.kernel.clock import to_text
from controlplane.kernel.ids import call_name
from controlplane.kernel.money import format_nano
from controlplane.kernel.principal import Principal
from routing.reconcile import access, read, settling
from routing.reconcile.classing import CLASSES
from routing.reconcile.commands import (
    File,
    import_invoice,
    propose_differences,
    settle_explained,
)
from routing.reconcile.models import Invoice
from routing.reconcile.reading import MOST_BYTES, Form

# ruff: noqa: N815 - the API spells its names in camelCase, as documents do


class InvoiceAskSerializer(serializers.Serializer[Any]):
    """A provider's file as text; `tenant` is whose provider it is, empty: the organisation's."""

    provider = serializers.CharField(max_length=200)
    tenant = serializers.CharField(default="", allow_blank=True, max_length=200)
    form = serializers.ChoiceField(choices=[form.value for form in Form], default="csv")
    name = serializers.CharField(default="", allow_blank=True, max_length=200)
    content = serializers.CharField(max_length=MOST_BYTES, trim_whitespace=False)


class ClassSerializer(serializers.Serializer[Any]):
    """A part of a difference."""

    name = serializers.ChoiceField(choices=CLASSES)
    amount = serializers.CharField()


class TokensSerializer(serializers.Serializer[Any]):
    """Tokens of a day; the inputs do not overlap."""

    input = serializers.IntegerField()
    cachedInput = serializers.IntegerField()
    cacheWrite = serializers.IntegerField()
    output = serializers.IntegerField()


class InvoiceLineSerializer(serializers.Serializer[Any]):
    """One day and model; `classes` add up to `difference`. A file of amounts alone has no `billedTokens`."""

    day = serializers.DateField()
    model = serializers.CharField(allow_blank=True)
    billed = serializers.CharField()
    ledger = serializers.CharField()
    difference = serializers.CharField()
    attempts = serializers.IntegerField()
    billedTokens = TokensSerializer(allow_null=True)
    ledgerTokens = TokensSerializer()
    classes = ClassSerializer(many=True)
    serviceTiers = serializers.ListField(
        child=serializers.CharField(), help_text="those that the class `price` has to do with"
    )


class InvoiceSerializer(serializers.Serializer[Any]):
    """One import; amounts are exact decimals in the organisation's currency."""

    id = serializers.UUIDField()
    tenant = serializers.CharField(allow_blank=True)
    provider = serializers.CharField()
    form = serializers.CharField()
    name = serializers.CharField()
    digest = serializers.CharField()
    first = serializers.DateField()
    last = serializers.DateField()
    billed = serializers.CharField()
    ledger = serializers.CharField()
    difference = serializers.CharField()
    importedBy = serializers.CharField()
    importedAt = serializers.DateTimeField()
    entry = serializers.CharField()


class ExplainedSerializer(serializers.Serializer[Any]):
    """Unknown attempts of a day and model that the file exactly explains, and what each of them used."""

    day = serializers.DateField()
    model = serializers.CharField()
    attempts = serializers.ListField(child=serializers.CharField())
    tokens = TokensSerializer()
    serviceTier = serializers.CharField(allow_blank=True)


class OneInvoiceSerializer(InvoiceSerializer):
    """With its lines, and what of it one may settle."""

    classes = ClassSerializer(many=True)
    lines = InvoiceLineSerializer(many=True)
    explained = ExplainedSerializer(many=True)


class ProposedSerializer(serializers.Serializer[Any]):
    """How many adjustments are new."""

    proposed = serializers.IntegerField()


class InvoiceSettleSerializer(serializers.Serializer[Any]):
    """Which day and model of `explained`."""

    day = serializers.DateField()
    model = serializers.CharField(max_length=200)


class InvoiceSettledSerializer(serializers.Serializer[Any]):
    """How many attempts were settled."""

    settled = serializers.IntegerField()


class InvoiceList(serializers.Serializer[Any]):
    """Imports, newest first."""

    items = InvoiceSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class LedgerStandingSerializer(serializers.Serializer[Any]):
    """What the last check of the ledger said; null before the first, and for who reads single tenants only."""

    ok = serializers.BooleanField(allow_null=True)
    checkedAt = serializers.DateTimeField(allow_null=True)
    heldAt = serializers.DateTimeField(allow_null=True)
    findings = serializers.ListField(child=serializers.CharField())
    unpriced = serializers.ListField(
        child=serializers.CharField(),
        help_text="what was served at a dearer service tier than any document prices",
    )


class Invoices(Making):
    """What was imported."""

    @extend_schema(operation_id="invoices_list", responses=InvoiceList, parameters=[*CURSOR])
    def get(self, request: Request) -> Response:
        """List the imports of the tenants that one may read."""
        rows = access.invoices(self.principal).defer("lines")
        return Response(page(request, rows, lambda found: [_shown(row) for row in found]))

    @extend_schema(
        operation_id="invoices_import",
        request=InvoiceAskSerializer,
        responses={201: OneInvoiceSerializer},
    )
    def post(self, request: Request) -> Response:
        """Compare a file with the ledger. 400 says where it is wrong; the same file again is 409."""
        said = given(request, InvoiceAskSerializer)
        wanted = File(
            tenant=said["tenant"],
            provider=said["provider"],
            form=said["form"],
            name=said["name"],
            data=said["content"].encode(),
        )
        return Response(_whole(self.principal, import_invoice(self.principal, wanted)), status=201)


class OneInvoice(ApiView):
    """One import."""

    @extend_schema(operation_id="invoices_read", responses=OneInvoiceSerializer)
    def get(self, request: Request, invoice: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Line by line."""
        row = read.one_invoice(access.invoices(self.principal), invoice)
        return Response(_whole(self.principal, row))


class ProposeDifferences(ApiView):
    """Differences as adjustments."""

    @extend_schema(operation_id="invoices_propose", request=None, responses=ProposedSerializer)
    def post(self, request: Request, invoice: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Propose another price, lost usage and credits; another of finance decides. Nothing is proposed twice."""
        return Response({"proposed": propose_differences(self.principal, invoice)})


class SettleExplained(ApiView):
    """Unknown attempts that a file explains."""

    @extend_schema(
        operation_id="invoices_settle",
        request=InvoiceSettleSerializer,
        responses=InvoiceSettledSerializer,
    )
    def post(self, request: Request, invoice: UUID) -> Response:
        """Settle those of one day and model; 409 where the file does not exactly explain them by now."""
        said = given(request, InvoiceSettleSerializer)
        place = said["day"], said["model"]
        return Response({"settled": settle_explained(self.principal, invoice, *place)})


class Ledger(ApiView):
    """Whether the ledger holds."""

    @extend_schema(operation_id="ledger_read", responses=LedgerStandingSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Counters, attempts, postings and entries, as the last check of every hour found them."""
        access.invoices(self.principal)
        row, tiers = access.standing(self.principal), access.unpriced(self.principal)
        held = row.held_at if row else None
        return Response(
            {
                "ok": not row.findings if row else None,
                "checkedAt": to_text(row.checked_at) if row else None,
                "heldAt": to_text(held) if held else None,
                "findings": row.findings if row else [],
                "unpriced": tiers.findings if tiers else [],
            }
        )


def _whole(principal: Principal, row: Invoice) -> dict[str, Any]:
    """Line by line, with what of it this member may settle."""
    return {
        **_shown(row),
        "classes": _classes(read.sums(row).items()),
        "lines": [_line(line) for line in read.lines(row)],
        "explained": [_explained(one) for one in settling.offered(principal, row)],
    }


def _classes(sums: Iterable[tuple[str, int]]) -> list[dict[str, str]]:
    return [{"name": name, "amount": format_nano(nano)} for name, nano in sums]


def _shown(row: Invoice) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "tenant": row.tenant,
        "provider": row.provider,
        "form": row.form,
        "name": row.name,
        "digest": row.digest,
        "first": row.first.isoformat(),
        "last": row.last.isoformat(),
        "billed": format_nano(row.billed_nano),
        "ledger": format_nano(row.ledger_nano),
        "difference": format_nano(row.difference_nano),
        "importedBy": row.imported_by,
        "importedAt": to_text(row.imported_at),
        "entry": row.entry.hex,
    }


def _explained(found: settling.Explained) -> dict[str, Any]:
    return {
        "day": found.day.isoformat(),
        "model": found.model,
        "attempts": [f"{call_name(row.call_id)}/{row.no}" for row in found.attempts],
        "tokens": _tokens(found.usage[:4]),
        "serviceTier": found.service_tier,
    }


def _line(line: read.InvoiceLine) -> dict[str, Any]:
    return {
        "day": line.day.isoformat(),
        "model": line.model,
        "billed": format_nano(line.billed_nano),
        "ledger": format_nano(line.ledger_nano),
        "difference": format_nano(line.difference_nano),
        "attempts": line.attempts,
        "billedTokens": None if line.billed_tokens is None else _tokens(line.billed_tokens),
        "ledgerTokens": _tokens(line.ledger_tokens),
        "classes": _classes(line.classes),
        "serviceTiers": list(line.tiers),
    }


def _tokens(counts: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(("input", "cachedInput", "cacheWrite", "output"), counts, strict=True))
