"""The condition editor's answers while somebody types: what is wrong where, or what it comes to on sample facts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from audit.ui.request import principal_of
from controlplane.kernel.errors import InvalidRequest, Unavailable
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import ORGANISATION
from policies.bundles.published import published as published_documents
from policies.bundles.snapshot import published
from policies.changes import access
from policies.checking.client import check_condition
from policies.decisions.access import recent
from policies.documents.limits import CONDITION_COST
from policies.engine.cost import cost_of
from policies.engine.decide import deliberate
from policies.engine.deliberation import Deliberation
from policies.engine.facts import Facts
from policies.engine.forms import Form
from policies.engine.schema import EVERYWHERE, MODEL, PLACES
from policies.engine.wire import read
from policies.forms.controls import Control
from policies.forms.sample import Given, as_text, evaluated, sampled
from policies.forms.shapes import normal
from policies.ui.editing import excerpt

_CALLS = 8
_RESULTS = {"bool": "It is true or false.", "string": "It makes a text."}
_TONES = {"true": ("ok", "check"), "false": ("", "close"), "skipped": ("", "dashed")}


@require_POST
def condition(request: HttpRequest) -> HttpResponse:
    """`/documents/condition/?control=…&place=…&result=…`: one condition of the form that is posted. Nothing is kept."""
    principal = principal_of(request)
    if not access.drafts_somewhere(principal):
        access.require_draft(principal, ORGANISATION)
    control, place = request.GET.get("control", ""), request.GET.get("place", "")
    result = request.GET.get("result", "bool")
    if place not in PLACES or result not in _RESULTS or not control:
        raise InvalidRequest("name the control, its place and its result")
    ident = Control(shape="condition", name=control, label="").id
    text = normal(request.POST.get(control, ""))
    label = control.rpartition(".")[2]
    context: dict[str, Any] = {"id": ident, "blank": not text.strip(), "control_label": label}
    if not context["blank"]:
        try:
            found = check_condition(place, text, result)
        except Unavailable as error:
            context["trouble"] = error.message
        else:
            context |= _right(request, ident, place, found) if isinstance(found, Form) else {
                "problems": [
                    {"line": p.line, "column": p.column, "message": p.message, "excerpt": excerpt(_line(text, p.line), p.column)}
                    for p in found
                ]
            }  # fmt: skip
            context["words"] = _RESULTS[result]
            if isinstance(found, Form):
                context["cost"] = _cost(found, place)
    return render(request, "policies/forms/condition.html", context)


def _cost(form: Form, place: str) -> str:
    """What the condition costs, in words."""
    each = ", for each model" if place == "model" else ""
    return (
        f"It costs at most {cost_of(read(form.checked)):,} of {CONDITION_COST.most:,} steps{each}."
    )


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _right(request: HttpRequest, ident: str, place: str, form: Form) -> Mapping[str, Any]:
    head = f"{ident}.value."
    typed = {key[len(head) :]: str(v) for key, v in request.POST.items() if key.startswith(head)}
    calls = list(recent(principal_of(request), _CALLS))
    chosen = next((c for c in calls if c[0].hex == request.POST.get(f"{ident}.from")), None)
    seen = deliberate(published().bundle, chosen[1]) if chosen else Deliberation()
    if request.headers.get("HX-Trigger") == f"{ident}-from":
        typed = {}
    found = sampled(form, place, texts_of(seen) | typed)
    query = {key: request.GET.get(key, "") for key in ("control", "place", "result")}
    return {
        "sample": {
            "summary": f"it comes to {found.value}" if found.value else "a value is wrong",
            "url": f"{reverse('condition')}?{urlencode(query)}",
            "calls": [("", "made up", not chosen)]
            + [(call.hex, _named(call, facts), chosen is not None and call == chosen[0]) for call, facts in calls],
            "values": [_field(one, ident, head) for one in found.given],
            "parts": [(part.text, *_shown(part.value)) for part in found.parts],
            "whole": _shown(found.value),
            "models": _models(form, seen) if place == "model" else [],
        }
    }  # fmt: skip


def texts_of(seen: Deliberation) -> dict[str, str]:
    """What a recorded call was decided on, as a person edits it; of the first model where there is one."""
    if seen.view is None:
        return {}
    first = seen.considered[0].model.environment if seen.considered else ()
    pairs = [*zip(EVERYWHERE, seen.view.environment, strict=True), *zip(MODEL, first, strict=False)]
    return {declared.name: as_text(declared.type, value) for declared, value in pairs}


def _models(form: Form, seen: Deliberation) -> list[tuple[str, str, str, str, str]]:
    """The same condition for each model that the call's route considered."""
    rows = []
    for considered in seen.considered if seen.view else ():
        environment = considered.model.environment
        values = (*(seen.view.environment if seen.view else ()), *environment)
        _, value = evaluated(form, "model", values)
        regions = environment[[d.name for d in MODEL].index("model.regions")]
        rows.append((considered.model.label, ", ".join(regions), *_shown(value)))
    return rows


def _named(call: UUID, facts: Facts) -> str:
    at = datetime.fromisoformat(facts.now).astimezone(published_documents().zone)
    return f"{facts.route}, {at:%d %b, %H:%M}, {call_name(call)[-6:]}"


def _field(one: Given, ident: str, head: str) -> dict[str, str]:
    return {
        "name": one.name,
        "type": one.type,
        "text": one.text,
        "error": one.error,
        "field": head + one.name,
        "id": f"{ident}-{one.name.replace('.', '-')}",
    }


def _shown(value: str) -> tuple[str, str, str]:
    """A value with its tone and its sign."""
    return value, *_TONES.get(
        value, ("bad", "alert") if value.startswith("error") else ("info", "info")
    )
