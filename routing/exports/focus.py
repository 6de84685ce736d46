"""PURE: charges as rows of FOCUS 1.2 and 1.4, the FinOps Open Cost and Usage Specification (docs/focus.md)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

V12, V14, PERIODS = VERSIONS = ("focus-1.2", "focus-1.4", "focus-1.4-billing-period")
_COMMON: Final = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType"),
    *("BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory"),
    *("ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd"),
    *("ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost"),
    *("InvoiceId", "InvoiceIssuerName", "ListCost", "PricingCategory", "PricingQuantity"),
    *("PricingUnit", "RegionId", "RegionName", "ServiceCategory", "ServiceName"),
    *("ServiceSubcategory", "SubAccountId", "SubAccountName", "SubAccountType", "Tags"),
)
_OWN: Final = (
    *(
        "x_CostCentre",
        "x_Team",
        "x_Route",
        "x_Model",
        "x_Provider",
        "x_Statement",
        "x_Attempts",
        "x_InputTokens",
    ),
    *(
        "x_CachedInputTokens",
        "x_CacheWriteTokens",
        "x_OutputTokens",
        "x_Adjustment",
        "x_ServiceTier",
    ),
)
COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    V12: (*_COMMON, "CommitmentDiscountStatus", "ProviderName", "PublisherName", *_OWN),
    V14: (*_COMMON, "HostProviderName", "ServiceProviderName", *_OWN),
    PERIODS: (
        *("BillingPeriodCreated", "BillingPeriodEnd", "BillingPeriodLastUpdated"),
        *("BillingPeriodStart", "BillingPeriodStatus", "InvoiceIssuerName"),
    ),
}
UNIT: Final = "Tokens"
HOURS: Final = "Hours"


@dataclass(frozen=True, slots=True)
class Account:
    """Who is charged, for which month (`period`). `statement` is its statement's id once the month is closed."""

    organisation: str
    currency: str
    tenant: str
    tenant_name: str
    cost_centre: str
    starts: datetime
    until: datetime
    period: str
    statement: str


@dataclass(frozen=True, slots=True)
class Charge:
    """What is charged for one span of time. `adjusts` names the kind of an adjustment; `accrued`: reserved, the cost unknown.

    `hours`: a share of a model that is bought by the hour; it is on no statement.
    """

    starts: datetime
    until: datetime
    team: str
    route: str
    model: str
    provider: str
    vendor: str
    region: str
    nano: int
    attempts: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)
    accrued: bool = False
    adjusts: str = ""
    note: str = ""
    hours: str = ""
    service_tier: str = ""

    @property
    def tokens_in_all(self) -> int:
        """Plain input, read from a cache, written to one, and output: the four are disjoint."""
        return sum(self.tokens.values())


def row_of(version: str, account: Account, charge: Charge) -> list[str | int | None]:
    """The charge in the columns of a version, in their order."""
    said = _said(account, charge)
    return [said[name] for name in COLUMNS[version]]


def _said(account: Account, charge: Charge) -> dict[str, str | int | None]:
    cost, usage = charge.nano, not charge.adjusts and not charge.hours
    tokens = f"{charge.tokens_in_all}.0" if usage else None
    # usage that is corrected consumed nothing more
    consumed = "0.0" if _corrects(charge) else charge.hours or tokens
    provider = charge.provider or account.organisation
    return {
        "BilledCost": cost,
        "BillingAccountId": account.organisation,
        "BillingAccountName": account.organisation,
        "BillingAccountType": "Organisation",
        "BillingCurrency": account.currency,
        "BillingPeriodEnd": moment(account.until),
        "BillingPeriodStart": moment(account.starts),
        "ChargeCategory": _category(charge),
        "ChargeClass": "Correction" if _corrects(charge) else None,
        "ChargeDescription": _description(charge),
        "ChargeFrequency": _frequency(charge),
        "ChargePeriodEnd": moment(charge.until),
        "ChargePeriodStart": moment(charge.starts),
        "CommitmentDiscountStatus": None,
        "ConsumedQuantity": consumed,
        "ConsumedUnit": (HOURS if charge.hours else UNIT) if consumed else None,
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "InvoiceId": f"{account.tenant}-{account.period}{'-capacity' if charge.hours else ''}",
        "InvoiceIssuerName": account.organisation,
        "ListCost": cost,
        "PricingCategory": None if charge.adjusts else "Standard",
        "PricingQuantity": charge.hours or tokens,
        "PricingUnit": HOURS if charge.hours else UNIT if usage else None,
        "RegionId": charge.region or None,
        "RegionName": charge.region or None,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": f"{provider} model calls",
        "ServiceSubcategory": "Generative AI",
        "SubAccountId": account.tenant,
        "SubAccountName": account.tenant_name or account.tenant,
        "SubAccountType": "Tenant",
        "Tags": _tags(account, charge),
        "ProviderName": account.organisation,
        "PublisherName": charge.vendor or provider,
        "HostProviderName": provider,
        "ServiceProviderName": charge.vendor or provider,
        "x_CostCentre": account.cost_centre or None,
        "x_Team": charge.team or None,
        "x_Route": charge.route or None,
        "x_Model": charge.model or None,
        "x_Provider": charge.provider or None,
        "x_Statement": None if charge.hours else account.statement or None,
        "x_Attempts": charge.attempts,
        "x_InputTokens": charge.tokens.get("input", 0),
        "x_CachedInputTokens": charge.tokens.get("cached", 0),
        "x_CacheWriteTokens": charge.tokens.get("cacheWrite", 0),
        "x_OutputTokens": charge.tokens.get("output", 0),
        "x_Adjustment": charge.adjusts or None,
        "x_ServiceTier": charge.service_tier or None,
    }


def period_row(account: Account, created: datetime, updated: datetime) -> list[str | int | None]:
    """The month itself, as 1.4's Billing Period dataset has it."""
    said: dict[str, str] = {
        "BillingPeriodCreated": moment(created),
        "BillingPeriodEnd": moment(account.until),
        "BillingPeriodLastUpdated": moment(updated),
        "BillingPeriodStart": moment(account.starts),
        "BillingPeriodStatus": "Closed" if account.statement else "Open",
        "InvoiceIssuerName": account.organisation,
    }
    return [said[name] for name in COLUMNS[PERIODS]]


def moment(at: datetime) -> str:
    """FOCUS's date and time: UTC, whole seconds, `Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _frequency(charge: Charge) -> str:
    if charge.hours:
        return "Recurring"
    return "One-Time" if charge.adjusts else "Usage-Based"


def _category(charge: Charge) -> str:
    match charge.adjusts:
        case "credit":
            return "Credit"
        case "invoice-difference":
            return "Adjustment"
        case _:
            return "Usage"


def _corrects(charge: Charge) -> bool:
    return charge.adjusts in {"late-usage", "price-correction", "hours-correction"}


def _description(charge: Charge) -> str:
    if charge.adjusts:
        return f"{charge.adjusts.replace('-', ' ').capitalize()}: {charge.note or 'no note'}"
    if charge.hours:
        return f"Share of {charge.team} in the hours of {charge.model}, by tokens"
    what = "Reserved for calls whose cost is unknown" if charge.accrued else "Calls"
    tier = f", service tier {charge.service_tier}" if charge.service_tier else ""
    return f"{what} of {charge.team} to {charge.model}, route {charge.route}{tier}"


def _tags(account: Account, charge: Charge) -> str:
    found = {
        "costCentre": account.cost_centre,
        "model": charge.model,
        "route": charge.route,
        "team": charge.team,
    }
    return json.dumps({name: value for name, value in found.items() if value}, ensure_ascii=False)
