"""The page of kill switches: what is on, who set it, how it is lifted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict, MandateError
from controlplane.kernel.principal import Principal
from policies.bundles.published import published
from policies.order.lock import mandate_now
from policies.stops import access, read
from policies.stops.commands import Lifting, NewStop, lift_stop, place_of, set_stop
from policies.stops.models import Stop
from policies.stops.targets import exists, targets
from policies.stops.visible import get, visible
from policies.ui.people import names, person, sentence

_HOURS = {"1": "in 1 hour", "4": "in 4 hours", "24": "tomorrow at this time", "168": "in a week"}
PAST_ROWS = 10


@dataclass(frozen=True, slots=True)
class StopRow:
    """One stop as the page shows it, and what this member may do about it."""

    id: UUID
    kind: str
    named: str
    place: str
    reason: str
    by: str
    set_at: datetime
    until: datetime | None
    lift_asked_by: str
    lift_asked_at: datetime | None
    lifted_by: str
    lifted_at: datetime | None
    may_ask: bool
    may_confirm: bool


class StopForm(forms.Form):
    """What to stop, why, and until when. `targets` groups `kind|tenant|name` under headings."""

    target = forms.CharField(error_messages={"required": "choose what stops"})
    reason = forms.CharField(max_length=200, error_messages={"required": "say why"})
    until = forms.ChoiceField(choices=[("", "it is lifted"), *_HOURS.items()], required=False)

    def __init__(
        self, groups: Sequence[tuple[str, Sequence[tuple[str, str]]]], data: object = None
    ) -> None:
        super().__init__(data)  # type: ignore[arg-type]  # a plain dict is what tests and htmx give
        self.groups = groups
        self.until_choices = self.fields["until"].choices  # type: ignore[attr-defined]  # a ChoiceField, which the stub does not see

    def clean_target(self) -> str:
        """One of the offered targets."""
        value: str = self.cleaned_data["target"]
        if value not in {offered for _, targets in self.groups for offered, _ in targets}:
            raise forms.ValidationError("choose one of the list")
        return value

    def wanted(self, now: datetime) -> NewStop:
        """The stop that this form asks for."""
        kind, tenant, name = self.cleaned_data["target"].split("|")
        hours = self.cleaned_data["until"]
        until = now + timedelta(hours=int(hours)) if hours else None
        return NewStop(
            kind=kind, tenant=tenant, name=name, reason=self.cleaned_data["reason"], until=until
        )


@require_http_methods(["GET", "HEAD", "POST"])
def stops(request: HttpRequest) -> HttpResponse:
    """`/stops/`: the list; POST sets one."""
    principal = principal_of(request)
    groups = _targets(principal)
    form = StopForm(groups, request.POST if request.method == "POST" else None)
    if request.method == "POST":
        access.require_set_anywhere(principal)
        if form.is_valid() and _set(principal, form):
            messages.success(request, "The stop is on. It binds from its commit.")
            return redirect("stops")
    seen = visible(principal)
    context = {
        "form": form,
        "may_set": bool(groups),
        "alone": published().single_operator,
        "on": _rows(principal, read.active().filter(seen)),
        "past": _rows(principal, read.past().filter(seen)[:PAST_ROWS]),
    }
    return render(request, "policies/stops.html", context, status=422 if form.errors else 200)


@require_POST
def lift(request: HttpRequest, stop: UUID) -> HttpResponse:
    """`/stops/<id>/lift/`: ask for the lifting, or confirm it."""
    principal = principal_of(request)
    get(principal, stop)
    try:
        done = lift_stop(principal, stop, single_operator=published().single_operator)
    except Conflict as error:
        messages.error(request, sentence(error.message))
    else:
        if done is Lifting.LIFTED:
            messages.success(request, "The stop is lifted.")
        else:
            messages.success(request, "Asked. Another admin or approver confirms the lifting.")
    return redirect("stops")


def _set(principal: Principal, form: StopForm) -> bool:
    wanted = form.wanted(mandate_now())
    try:
        set_stop(principal, wanted, exists=exists(wanted.kind, wanted.tenant, wanted.name))
    except MandateError as error:
        form.add_error(None, sentence(error.message))
        return False
    return True


def _targets(principal: Principal) -> list[tuple[str, list[tuple[str, str]]]]:
    """What this member may stop, under headings."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for kind, tenant, name in targets():
        place = place_of({"kind": kind, "tenant": tenant, "name": name})
        if not access.may_set(principal, place):
            continue
        label = f"{tenant} / {name}" if tenant else name or "every call"
        groups.setdefault(kind.capitalize(), []).append((f"{kind}|{tenant}|{name}", label))
    return list(groups.items())


def _rows(principal: Principal, found: Iterable[Stop]) -> list[StopRow]:
    known = names()
    return [_row(principal, stop, known) for stop in found]


def _row(principal: Principal, stop: Stop, known: Mapping[str, str]) -> StopRow:
    place = place_of(stop.scope)
    lifts = access.may_lift(principal, place)
    asked = bool(stop.lift_asked_by)
    return StopRow(
        id=stop.id,
        kind=stop.scope["kind"],
        named=stop.scope["name"] or "every call",
        place=stop.scope["tenant"] or "the organisation",
        reason=stop.reason,
        by=person(stop.actor, known),
        set_at=stop.set_at,
        until=stop.until,
        lift_asked_by=person(stop.lift_asked_by, known),
        lift_asked_at=stop.lift_asked_at,
        lifted_by=person(stop.lifted_by, known),
        lifted_at=stop.lifted_at,
        may_ask=lifts and not asked,
        may_confirm=lifts and asked and stop.lift_asked_by != principal.actor,
    )
