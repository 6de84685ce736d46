"""Exit drills: take a vendor, a provider, a model or a region away on trial, and see who still serves what. Dated evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.snapshot import published
from policies.engine.bundle import Bundle, ModelView, label
from policies.replay import access, commands, told
from policies.replay.models import DONE, Replay
from policies.replay.results import part_of

Kind = Literal["vendor", "provider", "model", "region"]
KINDS: Final[tuple[Kind, ...]] = ("vendor", "provider", "model", "region")


@dataclass(frozen=True, slots=True)
class Drill:
    """What is taken away, from whose calls of how many days."""

    kind: str
    name: str
    days: int
    tenant: str = ORGANISATION


def begin(principal: Principal, wanted: Drill) -> Replay:
    """Put it in the queue, over the bundle in force. Raises NotFound, Forbidden, InvalidRequest where nothing goes away."""
    access.require_drill(principal, wanted.tenant)
    bundle = published().bundle
    gone = models_of(bundle, wanted)
    if not gone:
        raise InvalidRequest(
            f'no model goes away with the {wanted.kind} "{wanted.name[:60]}"; choose one that is published'
        )
    replay = commands.Wanted(
        base=bundle.revision,
        base_digest=bundle.digest,
        days=wanted.days,
        tenant=wanted.tenant,
        title=f"Without the {wanted.kind} {wanted.name}",
        away={"kind": wanted.kind, "name": wanted.name, "models": gone},
    )
    return commands.begin(principal, replay)


def models_of(bundle: Bundle, wanted: Drill) -> list[str]:
    """The models that go away; of those that the calls in question could reach."""
    found = (m for m in _reachable(bundle, wanted.tenant) if _goes(m, wanted))
    return sorted(model.label for model in found)


def choices(bundle: Bundle, tenant: str) -> dict[Kind, Sequence[str]]:
    """What could be taken away: of the organisation's models, and the tenant's own."""
    models = _reachable(bundle, tenant)
    return {
        "vendor": sorted({m.environment[1] for m in models}),
        "provider": sorted({label(m.provider) for m in models}),
        "model": sorted(m.label for m in models),
        "region": sorted({region for m in models for region in m.environment[3]}),
    }


def _reachable(bundle: Bundle, tenant: str) -> list[ModelView]:
    # INVARIANT: a tenant's drill names no other tenant's model
    return [m for m in bundle.models.values() if not tenant or m.key[0] in ("", tenant)]


def _goes(model: ModelView, wanted: Drill) -> bool:
    """A model goes with a region where it runs nowhere else."""
    regions = set(model.environment[3])
    goes: dict[str, bool] = {
        "vendor": model.environment[1] == wanted.name,
        "provider": label(model.provider) == wanted.name,
        "model": model.label == wanted.name,
        "region": bool(regions) and regions <= {wanted.name},
    }
    return goes.get(wanted.kind, False)


def evidence(principal: Principal, replay: UUID) -> dict[str, Any]:
    """Everything that a drill showed, as one value: what an auditor files. Raises NotFound, InvalidRequest before its end."""
    row = access.drill(principal, replay)
    if row.state != DONE or row.ended_at is None:
        raise InvalidRequest(f"this exit drill is {row.state}: there is no evidence of it")
    part = part_of(row.result, access.tenants_seen(principal))
    return {
        "id": str(row.id),
        "title": row.title,
        "startedBy": row.actor,
        "startedAt": to_text(row.created_at),
        "endedAt": to_text(row.ended_at),
        "digest": row.digest,
        "sentence": told.drilled(part.counts, part.currency),
        "result": part.said if part.whole else told.body(part),
        "samples": [
            {
                "call": call_name(one.call),
                "tenant": one.tenant,
                "team": one.team,
                "route": one.route,
                "class": one.kind,
                "before": one.before,
                "after": one.after,
                "rule": one.rule,
                "costNano": None if one.cost_nano is None else str(one.cost_nano),
            }
            for one in access.samples(principal, row).order_by("id")
        ],
    }
