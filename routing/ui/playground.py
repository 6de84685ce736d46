"""The playground: a request, its answer and its decision side by side. "Only decide" is free and leaves no entry."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from audit.ui.request import principal_of
from audit.ui.words import money
from controlplane.kernel.errors import MandateError
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published, moment, published
from policies.engine.decision import Obligations
from policies.engine.explain import Trace
from policies.identity.access import decides_for, may_try, require_playground
from policies.identity.console import console_caller
from policies.order.lock import mandate_now
from policies.ui.people import sentence
from routing import playground
from routing.calls.access import visible
from routing.playground import Answered, Try
from routing.reports.considered import CandidateLine, RuleLine, candidates_of, rules_of
from routing.reports.dry import DryRun, decide_dry
from routing.reports.why import why
from routing.ui.call import RuleRow, rule_row

_HEADERS = (
    "x-mandate-call-id",
    "x-mandate-decision",
    "x-mandate-revision",
    "x-mandate-receipt",
    "x-mandate-model",
    "x-mandate-reason",
    "x-mandate-cost",
    "x-mandate-budget-left",
)
_MOST_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class Form:
    """What was asked, as the form shows it again."""

    place: str = ""
    route: str = ""
    message: str = ""
    max_tokens: str = ""
    data_classes: tuple[str, ...] = ()
    labels: str = ""

    @property
    def tenant(self) -> str:
        """The tenant of the chosen team."""
        return self.place.partition("/")[0]

    @property
    def team(self) -> str:
        """The chosen team."""
        return self.place.partition("/")[2]

    def wanted(self) -> Try:
        """What to send."""
        return Try(
            self.route,
            self.message,
            int(self.max_tokens or "0"),
            tuple(sorted(self.data_classes)),
            self.labels,
        )


@dataclass(frozen=True, slots=True)
class DecisionCard:
    """One decision in words and rows."""

    effect: str
    words: str
    rules: tuple[RuleRow, ...]
    candidates: tuple[CandidateLine, ...]
    obligations: str
    reserved: str
    digest: str
    revision: int


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """`/playground/`; a POST decides, or sends."""
    principal, found = principal_of(request), published()
    require_playground(principal)
    places = _places(principal, found)
    form = _form(request, places)
    context = {
        "now": moment(),
        "form": form,
        "places": places,
        "routes": _routes(found, places),
        "classes": found.organisation.get("dataClasses", []),
        "can_send": playground.can_send(),
        "own": may_try(principal, form.tenant, form.team),
    }
    if request.method == "POST":
        context |= _result(principal, found, form, send=request.POST.get("do") == "send")
    name = "routing/playground_result.html" if _is_htmx(request) else "routing/playground.html"
    return render(request, name, context)


def _is_htmx(request: HttpRequest) -> bool:
    return request.headers.get("hx-request") == "true" and request.method == "POST"


def _places(principal: Principal, found: Published) -> list[str]:
    """`tenant/team` of the own teams first, then those that may be decided about."""
    own = [f"{tenant}/{team}" for tenant, team in sorted(principal.teams)]
    others = [
        f"{tenant.name}/{team}"
        for tenant in found.of("Tenant")
        if decides_for(principal, tenant.name)
        for team in tenant.spec.get("teams", [])
    ]
    return list(dict.fromkeys([*own, *others]))


def _routes(found: Published, places: Sequence[str]) -> list[str]:
    tenants = {place.partition("/")[0] for place in places}
    return sorted({d.name for d in found.of("Route") if d.tenant in tenants or not d.tenant})


def _form(request: HttpRequest, places: Sequence[str]) -> Form:
    asked = request.POST if request.method == "POST" else request.GET
    place = asked.get("place", "")
    return Form(
        place=place if place in places else next(iter(places), ""),
        route=asked.get("route", ""),
        message=asked.get("message", ""),
        max_tokens=asked.get("max_tokens", "").strip(),
        data_classes=tuple(asked.getlist("data_classes")),
        labels=asked.get("labels", "").strip(),
    )


def _result(principal: Principal, found: Published, form: Form, *, send: bool) -> dict[str, object]:
    trouble = _trouble(form)
    if trouble:
        return {"trouble": trouble}
    try:
        if not send:
            return {"decision": _decide(principal, found, form), "only": True}
        answered = playground.send(console_caller(principal, form.tenant, form.team), form.wanted())
    except MandateError as error:
        return {"trouble": sentence(error.message)}
    return _sent(principal, found, answered)


def _trouble(form: Form) -> str:
    if not form.place:
        return "You are in no team yet: an admin adds you to one."
    if not form.message.strip():
        return "Write a message first."
    if form.max_tokens and not (
        form.max_tokens.isascii()
        and form.max_tokens.isdigit()
        and 0 < int(form.max_tokens) <= _MOST_TOKENS
    ):
        return f'max_tokens is "{form.max_tokens[:20]}": leave it empty, or use a whole number from 1 to {_MOST_TOKENS}.'
    return ""


def _decide(principal: Principal, found: Published, form: Form) -> DecisionCard:
    wanted = form.wanted()
    dry = DryRun(
        tenant=form.tenant,
        team=form.team,
        route=form.route,
        key="",
        request={
            "dialect": playground.DIALECT,
            "dataClasses": wanted.data_classes,
            "tools": (),
            "needs": (),
            # a token has at least one byte: the bound that the walk itself begins with
            "inputTokensMax": len(wanted.body()),
            "outputTokensAsked": wanted.max_tokens,
            "stream": False,
            "n": 1,
            "language": "",
            "labels": wanted.request().outline.labels,
        },
        now=mandate_now(),
    )
    return _card(decide_dry(principal, dry).trace, found.currency)


def _sent(principal: Principal, found: Published, answered: Answered) -> dict[str, object]:
    shown = {
        "answered": answered,
        "headers": [
            (name, answered.headers[name]) for name in _HEADERS if name in answered.headers
        ],
    }
    call = visible(principal).filter(pk=answered.call).first() if answered.call else None
    if call is None:
        return shown
    told = why(call, found.currency)
    trace = told.last.trace if told.last else None
    return {
        **shown,
        "call": call,
        "call_url": reverse("call", args=[call_name(call.id)]),
        "cost": money(told.totals.cost_nano, found.currency),
        "tokens": f"{told.totals.tokens_input} in, {told.totals.tokens_output} out",
        "decision": _card(trace, found.currency) if trace else None,
        "tried": [attempt.model for attempt in told.attempts],
    }


def _card(trace: Trace, currency: str) -> DecisionCard:
    decision = trace.decision
    rules: list[RuleLine] = [line for line in rules_of(trace) if line.determining]
    steps = decision.plan.steps if decision.plan else ()
    return DecisionCard(
        effect=decision.effect,
        words=sentence(decision.denial.message) if decision.denial else "",
        rules=tuple(rule_row(line) for line in rules),
        candidates=tuple(candidates_of(trace)),
        obligations=_obligations(decision.obligations),
        reserved=money(steps[0].amount_nano, currency) if steps else "nothing",
        digest=decision.digest.hex(),
        revision=decision.revision,
    )


def _obligations(found: Obligations) -> str:
    parts = [
        f"at most {found.max_output_tokens} tokens out" if found.max_output_tokens else "",
        f"redact {', '.join(found.redact)}" if found.redact else "",
        f"without the tools {', '.join(found.strip_tools)}" if found.strip_tools else "",
        f"held for {found.hold}" if found.hold else "",
    ]
    return "; ".join(part for part in parts if part) or "none"
