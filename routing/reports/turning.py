"""Open a change request that has a route's smaller model first, with the evidence as its reason."""

from collections.abc import Sequence
from typing import Final

from controlplane.kernel.errors import Conflict
from controlplane.kernel.money import format_nano
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from policies.bundles.read import published_documents
from policies.bundles.snapshot import published as in_force
from policies.changes import access
from policies.changes.commands import NewChange, draft, put_text
from policies.changes.models import ChangeRequest
from policies.changes.seen import ANYTHING
from policies.forms.form import opened, posted
from routing.reports.labelled import Labelled
from routing.reports.waste import Finding, turned
from routing.reports.waste_asked import Asked

_STRATEGY: Final = "spec.strategy."


def turn(principal: Principal, found: Published, asked: Asked, key: str) -> ChangeRequest:
    """Draft it. Raises NotFound or Forbidden for who may not draft there, Conflict where nothing is claimed any more."""
    access.require_draft(principal, key.partition(" ")[0])
    one = next((one for one in asked.told.findings if one.key == key), None)
    if one is None or not one.may_turn:
        raise Conflict("the evidence does not claim this any more; look at the page again")
    tenant, name = one.route
    wanted = NewChange(
        title=f"{name}: {one.smaller} before {one.model}",
        reason=reason_of(one, asked, found.currency),
        tenant=tenant,
    )
    text = text_of(one)
    change = draft(principal, wanted)
    put_text(principal, change.id, ("Route", tenant, name), text, ANYTHING)
    change.refresh_from_db()
    return change


def text_of(one: Finding) -> str:
    """The author's text of the route with a fallback from the smaller model to the others."""
    tenant, name = one.route
    source = published_documents().rows["Route", tenant, name].source
    bundle = in_force().bundle
    view = bundle.routes[one.route]
    smaller = next(
        key
        for key in (*(key for key, _ in view.models), *view.beside)
        if bundle.models[key].label == one.smaller
    )
    return rewritten(source, turned(view, smaller))


def rewritten(source: str, models: Sequence[str]) -> str:
    """A route's text with a fallback over these models."""
    kept = opened(source).flat.items()
    flat = {path: list(v) for path, v in kept if not path.startswith(_STRATEGY)}
    flat[f"{_STRATEGY}type"] = ["fallback"]
    for number, model in enumerate(models):
        at = f"{_STRATEGY}models.{number}"
        flat |= {f"{at}.@": ["-"], at: [model]}  # a line of its own, whatever stood there
    return posted("Route", source, flat).text


def reason_of(one: Finding, asked: Asked, currency: str) -> str:
    """The evidence, in words."""
    used = one.used
    spent, would = format_nano(used.spent_nano), format_nano(one.would_nano or 0)
    return (
        f"From {asked.span.first} to {asked.span.last} {one.model} answered {used.calls} calls of {one.tenant} on this "
        f"route for {spent} {currency}; {one.smaller} would have cost {would} for the same tokens at today's price.\n"
        f"{_evidence(one)}"
        f"Labels are of held and sampled calls; the replay shows which calls policy would keep from {one.smaller}."
    )


def _evidence(one: Finding) -> str:
    """Labels, shadow runs or both, each with what it says; which of them is enough stands last."""
    labels, runs = one.labelled, one.compared
    found = []
    if labels.n or not runs.n:
        found.append(
            f"Of {labels.n} answers of {one.smaller} that people labelled here, {labels.passed} were approved as they were: "
            f"{_between(labels)} pass (Wilson, 95 percent)."
        )
    if runs.n:
        found.append(
            f"Of {runs.n} shadow runs of {one.smaller} here, {runs.passed} gave the answer that the caller got: "
            f"{_between(runs)} agree (Wilson, 95 percent)."
        )
        found.append(f"What is claimed rests on {one.carried or 'neither'}.")
    return "".join(f"{line}\n" for line in found)


def _between(told: Labelled) -> str:
    low, high = told.interval_permille
    return f"between {low // 10}.{low % 10} and {high // 10}.{high % 10} percent"
