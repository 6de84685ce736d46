"""The pages of API keys: those of one's teams, a new one shown once with ready configuration, rotate, revoke."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.ui.filters import PAGE_ROWS, read_filters
from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict, InvalidRequest
from controlplane.kernel.principal import Principal
from policies.bundles.people import routes_of
from policies.bundles.published import Governed, Published, moment, published
from policies.identity import access, commands, read
from policies.identity.models import ApiKey
from policies.order.lock import mandate_now
from policies.ui.people import names, person, sentence
from policies.ui.snippets import PLACEHOLDER, snippets

_DAYS = {"30": "30 days", "90": "90 days", "365": "a year", "": "no end"}
_OVERLAPS = {"0": "ends at once", "1": "an hour", "24": "a day", "168": "a week", "720": "30 days"}


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key as the pages show it."""

    key: ApiKey
    state: str
    by: str
    may_change: bool

    @property
    def waits(self) -> bool:
        """Whether it may still be used for the first time."""
        return self.key.last_used_at is None and self.state in {"stands", "ends soon"}


class KeyForm(forms.Form):
    """A new key: whose, what for, which routes, how long."""

    team = forms.CharField(error_messages={"required": "choose a team"})
    name = forms.CharField(max_length=60, error_messages={"required": "say what it is for"})
    labels = forms.CharField(max_length=600, required=False)
    days = forms.ChoiceField(choices=list(_DAYS.items()), required=False)

    def __init__(
        self, teams: list[tuple[str, str]], routes: tuple[str, ...], data: object = None
    ) -> None:
        super().__init__(data, initial={"days": "90"})  # type: ignore[arg-type]  # a QueryDict is what requests give
        self.teams = [f"{tenant}/{team}" for tenant, team in teams]
        self.day_choices = list(_DAYS.items())
        self.chosen = routes

    def clean_team(self) -> str:
        """One of the offered teams."""
        value: str = self.cleaned_data["team"]
        if value not in self.teams:
            raise forms.ValidationError("choose one of the list")
        return value

    def clean_labels(self) -> dict[str, str]:
        """`app=triage, stage=test` as a mapping."""
        found = {}
        for part in filter(None, (p.strip() for p in self.cleaned_data["labels"].split(","))):
            name, equals, value = part.partition("=")
            if not equals:
                raise forms.ValidationError("write labels like app=triage, stage=test")
            found[name.strip()] = value.strip()
        return found

    def wanted(self, found: Published, now: datetime) -> commands.NewKey:
        """The key that this form asks for."""
        given = self.cleaned_data
        tenant, _, team = given["team"].partition("/")
        days = given["days"]
        return commands.NewKey(
            tenant=tenant,
            team=team,
            name=given["name"],
            labels=given["labels"],
            scopes=self.chosen,
            expires_at=now + timedelta(days=int(days)) if days else None,
            routes=frozenset(route.name for route in routes_of(found, tenant)),
        )


@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """`/keys/`: the keys that one may read, newest first."""
    principal, now = principal_of(request), moment()
    teams = read.key_teams(principal)
    places = [f"{tenant}/{team}" for tenant, team in teams]
    filters = read_filters(
        request,
        [
            ("team", "Team", "all", [(place, place) for place in places]),
            ("state", "State", "any", [(state, state) for state in read.STATES]),
        ],
    )
    rows = read.keys(principal)
    if "team" in filters.values:
        tenant, _, team = filters.values["team"].partition("/")
        rows = rows.filter(tenant=tenant, team=team)
    if "state" in filters.values:
        rows = rows.filter(read.in_state(filters.values["state"], now))
    if filters.q:
        rows = rows.filter(name__icontains=filters.q) | rows.filter(pk=filters.q[-8:])
    found = list(rows.order_by("-created_at", "-pk")[: PAGE_ROWS + 1])
    known = names()
    context = {
        "rows": [_row(principal, key, known, now) for key in found[:PAGE_ROWS]],
        "more": len(found) > PAGE_ROWS,
        "filters": filters,
        "may_make": bool(teams),
    }
    return render(request, "policies/keys.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new_key(request: HttpRequest) -> HttpResponse:
    """`/keys/new/`: POST makes one, and shows it this once with the configuration to copy."""
    principal, found = principal_of(request), published()
    access.require_key_maker(principal)
    teams = read.key_teams(principal)
    chosen = tuple(request.POST.getlist("routes"))
    form = KeyForm(teams, chosen, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = commands.create_key(principal, form.wanted(found, mandate_now()))
        except InvalidRequest as error:
            form.add_error(None, sentence(error.message))
        else:
            return _fresh(request, made.id, made.shown)
    tenants = sorted({tenant for tenant, _ in teams})
    context = {
        "form": form,
        "routes": [(t, list(routes_of(found, t))) for t in tenants],
    }
    return render(request, "policies/key_new.html", context, status=422 if form.errors else 200)


@require_safe
def one_key(request: HttpRequest, key: str) -> HttpResponse:
    """`/keys/<id>/`: what it may do, and how to use it."""
    return _key_page(request, read.key(principal_of(request), key), {})


@require_POST
def rotate(request: HttpRequest, key: str) -> HttpResponse:
    """`/keys/<id>/rotate/`: the next key, shown this once."""
    hours = request.POST.get("overlap", "24")
    overlap = timedelta(hours=int(hours)) if hours in _OVERLAPS else timedelta(days=1)
    try:
        made = commands.rotate_key(principal_of(request), key, overlap)
    except Conflict as error:
        messages.error(request, sentence(error.message))
        return redirect("key", key)
    return _fresh(request, made.id, made.shown)


@require_POST
def revoke(request: HttpRequest, key: str) -> HttpResponse:
    """`/keys/<id>/revoke/`: it ends with this commit."""
    try:
        commands.revoke_key(principal_of(request), key, request.POST.get("reason", ""))
    except (Conflict, InvalidRequest) as error:
        messages.error(request, sentence(error.message))
    else:
        messages.success(request, "The key is revoked. Nothing that shows it is admitted any more.")
    return redirect("key", key)


def _fresh(request: HttpRequest, key: str, shown: str) -> HttpResponse:
    response = _key_page(request, ApiKey.objects.get(pk=key), {"fresh": shown}, shown)
    response["cache-control"] = "no-store"
    return response


def _key_page(
    request: HttpRequest, key: ApiKey, more: Mapping[str, object], shown: str = PLACEHOLDER
) -> HttpResponse:
    principal, now = principal_of(request), moment()
    routes = [
        r for r in routes_of(published(), key.tenant) if not key.scopes or r.name in key.scopes
    ]
    origin = f"{request.scheme}://{request.get_host()}"
    context = {
        "row": _row(principal, key, names(), now),
        "routes": [(route.name, str(route.spec.get("task", ""))) for route in routes],
        "snippets": snippets(origin, _first(routes), shown),
        "overlaps": list(_OVERLAPS.items()),
        "next": ApiKey.objects.filter(replaces=key.pk).order_by("-created_at").first(),
        **more,
    }
    return render(request, "policies/key.html", context)


def _first(routes: list[Governed]) -> str:
    return routes[0].name if routes else "your-route"


def _row(principal: Principal, key: ApiKey, known: Mapping[str, str], now: datetime) -> KeyRow:
    state = read.state_of(key, now)
    ended = state in {"ended", "revoked"}
    may = access.may_make_keys(principal, key.tenant, key.team)
    return KeyRow(key, state, person(key.created_by, known), may and not ended)
