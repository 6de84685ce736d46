"""The demo's button: two hundred calls at once on one small budget, beside a counter that looks before and adds after."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from audit.ui.request import principal_of
from audit.ui.words import money
from policies.bundles.published import moment, published
from routing.burst import firing
from routing.burst.read import Shot, latest

_WIDTH = 700


@dataclass(frozen=True, slots=True)
class Bar:
    """One counter: what it let in, drawn to the scale of both."""

    name: str
    let_in: int
    refused: int
    spent: str
    pending: str
    over: str
    x_spent: int
    x_pending: int
    bad: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A firing as the page shows it; the limit's tick stands at `x_limit`."""

    at: datetime
    came: int
    failed: int
    price: str
    limit: str
    places: int
    full: bool
    x_limit: int
    bars: tuple[Bar, ...]


@require_http_methods(["GET", "HEAD", "POST"])
def burst(request: HttpRequest) -> HttpResponse:
    """`/budgets/burst/`; a POST fires. `?after=` is the window before: until a newer one is there, the page waits."""
    principal = principal_of(request)
    firing.require_offered(principal)
    shot = latest(moment())
    if request.method == "POST":
        firing.fire(principal)
        return redirect(f"{reverse('burst')}?after={shot.window if shot else 0}")
    after = request.GET.get("after", "")
    waits = after.isdigit() and (shot is None or shot.window == int(after))
    context = {
        "calls": firing.CALLS,
        "shot": None if shot is None or waits else shown(shot, published().currency),
        "waits": waits,
        "busy": waits or (shot is not None and shot.busy),
        "after": after if waits else "",
    }
    return render(request, "routing/burst.html", context)


def shown(shot: Shot, currency: str) -> Shown:
    """In words and widths."""
    top = max(shot.limit_nano, shot.naive.let_in * shot.price_nano, 1)

    def bar(name: str, let_in: int, spent_nano: int, pending_nano: int) -> Bar:
        over = max(0, spent_nano + pending_nano - shot.limit_nano)
        return Bar(
            name=name,
            let_in=let_in,
            refused=shot.came - let_in,
            spent=money(spent_nano, currency),
            pending=money(pending_nano, currency),
            over=money(over, currency) if over else "nothing",
            x_spent=spent_nano * _WIDTH // top,
            x_pending=min(_WIDTH, (spent_nano + pending_nano) * _WIDTH // top),
            bad=over > 0,
        )

    return Shown(
        at=shot.at,
        came=shot.came,
        failed=shot.failed,
        price=money(shot.price_nano, currency),
        limit=money(shot.limit_nano, currency),
        places=shot.limit_nano // shot.price_nano if shot.price_nano else 0,
        full=shot.full,
        x_limit=shot.limit_nano * _WIDTH // top,
        bars=(
            bar("Reserved before the call", shot.let_in, shot.spent_nano, shot.pending_nano),
            bar(
                "Looked at before, added after",
                shot.naive.let_in,
                shot.naive.counted_nano,
                shot.naive.coming_nano,
            ),
        ),
    )
