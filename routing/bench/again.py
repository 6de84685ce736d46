"""`python -m routing.bench.again N`: fill an installation with N decisions; 0: replay a draft over them, and tell how it went."""

import json
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
django.setup()

from django.db import connection, transaction

from controlplane.kernel.clock import to_text
from controlplane.kernel.ids import IdSource, uuid7_time
from controlplane.kernel.principal import Principal
from policies.bundles.publish import Edits, prepare, publish
from policies.bundles.read import published_documents
from policies.bundles.snapshot import published
from policies.documents.parse import parse_text
from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.decision import Decision
from policies.engine.facts import Facts, KeyFacts, RequestFacts, encode
from policies.replay import commands, job
from policies.replay.models import Replay
from policies.replay.results import part_of
from routing.reports.past import Past

BENCH = Principal(kind="cli", id="bench", name="the benchmark")
MODELS = 4
RULES = 12
CLASSES = ("public", "internal", "personal", "health")
_HEAD = "apiVersion: mandate/v1\nkind: {kind}\nmetadata: {{name: {name}{more}}}\nspec: {spec}\n"
_RECORD = (
    "COPY policies_decision (call, revision, no, stage, tenant, effect, digest, facts) FROM STDIN"
)
_ATTEMPT = (
    "COPY routing_attempt (call, revision, reserved_nano, posted_nano, no, state, model, provider, windows, tokens_input, "
    "tokens_cached, tokens_cache_write, tokens_output) FROM STDIN"
)


def _document(kind: str, name: str, spec: object, more: str = "") -> str:
    return _HEAD.format(kind=kind, name=name, more=more, spec=json.dumps(spec))


def documents() -> str:
    """Two tenants, four models, twelve rules on models beside the permit, and a route that falls back."""
    own = ", tenant: {}"
    price = {"from": "2026-01-01", "currency": "EUR"}
    found = [_document("Provider", "bench", {"type": "sandbox"})]
    for number in range(MODELS):
        spec = {
            "provider": "bench",
            "regions": ["eu"] if number % 2 else ["us"],
            "capabilities": ["chat"],
            "contextWindow": 200_000,
            "maxOutputTokens": 8_000,
            "clearance": list(CLASSES),
            "prices": [{**price, "inputPerMillion": str(number + 1), "outputPerMillion": "8"}],
        }
        found.append(_document("Model", f"bench-{number}", spec))
    conditions = [
        f'request.dataClasses.exists(c, c == "{CLASSES[n % 4]}") && request.inputTokensMax > {90_000 + n} '
        f'&& !("eu" in model.regions) && tenant.region == "eu"'
        for n in range(RULES)
    ]
    for number, condition in enumerate(conditions):
        spec = {"effect": "forbid", "level": "hard", "on": "model", "when": condition}
        found.append(_document("Permission", f"bench-{number}", spec))
    valid = {"by": "rui@acme.example", "on": "2026-01-01", "validUntil": "2090-01-01"}
    case = {
        "owner": "cleo@acme.example",
        "purpose": "x",
        "riskClass": "minimal",
        "validation": valid,
    }
    strategy = {"type": "fallback", "models": [f"bench-{n}" for n in range(MODELS)]}
    for name, region in (("bench-a", "eu"), ("bench-b", "us")):
        tenant = own.format(name)
        found += [
            _document("Tenant", name, {"region": region, "teams": ["t"]}),
            _document("UseCase", "u", case, tenant),
            _document("Permission", "all", {"effect": "permit", "on": "call"}, tenant),
            _document("Route", "ask", {"useCase": "u", "strategy": strategy}, tenant),
        ]
    return "---\n".join(found)


def draft() -> str:
    """What is proposed: internal data of EU tenants leaves no more, long streams are not let in, long personal calls wait."""
    stays = 'request.dataClasses.exists(c, c == "internal") && !("eu" in model.regions) && tenant.region == "eu"'
    long = "request.stream && request.inputTokensMax > 50000"
    waits = 'request.inputTokensMax > 50000 && request.dataClasses.exists(c, c == "personal")'
    forbid = {"effect": "forbid", "level": "hard"}
    return "---\n".join(
        [
            _document("Permission", "internal-stays", {**forbid, "on": "model", "when": stays}),
            _document("Permission", "no-long-streams", {**forbid, "on": "call", "when": long}),
            _document("ReviewQueue", "bench-desk", {"reviewers": ["role:reviewer"]}),
            _document(
                "EscalationRule",
                "long-personal",
                {"stage": "request", "when": waits, "queue": "bench-desk"},
            ),
            _document(
                "Permission",
                "case-closed",
                {
                    **forbid,
                    "on": "call",
                    "when": 'has(request.labels.case) && request.labels.case == "closed"',
                },
            ),
        ]
    )


def shapes() -> Iterator[tuple[str, RequestFacts]]:
    """The kinds of calls there are; some have a label that no rule named when they were made."""
    sizes = (200, 4_000, 60_000, 120_000)
    for tenant, one, size, stream, labelled in product(
        ("bench-a", "bench-b"), CLASSES, sizes, (False, True), (False, True, True)
    ):
        yield (
            tenant,
            RequestFacts(
                dialect="openai.chat",
                data_classes=(one,),
                tools=(),
                needs=("chat",),
                input_tokens_max=size,
                input_tokens_estimate=size // 2,
                output_tokens_asked=500,
                stream=stream,
                labels_committed="" if labelled else "ab" * 32,
            ),
        )


def fill(bundle: Bundle, count: int) -> None:
    """Records and attempts of the last days, in the order of their calls."""
    now = datetime.now(UTC)
    since = max(now - timedelta(days=6), now.replace(day=1, hour=0, minute=0, second=0))
    step, at = (now - since) / (count + 1), [since]
    source = IdSource(lambda: at[0])
    kinds = [(tenant, asked, _decided(bundle, tenant, asked)) for tenant, asked in shapes()]
    records: list[tuple[object, ...]] = []
    attempts: list[tuple[object, ...]] = []
    for number in range(count):
        at[0] += step
        tenant, asked, decision = kinds[number * 7 % len(kinds)]
        call = source.new()
        facts = _facts(call, tenant, asked)
        records.append(
            (
                call,
                bundle.revision,
                1,
                "request",
                tenant,
                decision.effect,
                decision.digest,
                encode(facts),
            )
        )
        if decision.plan is not None:
            step_one = decision.plan.steps[0]
            attempts.append(
                (call, bundle.revision, 0, 0, 1, "succeeded", step_one.model, step_one.provider, [],
                 asked.input_tokens_estimate, 0, 0, 300)
            )  # fmt: skip
    _copy(_RECORD, records)
    _copy(_ATTEMPT, attempts)


def _copy(statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _facts(call: UUID, tenant: str, asked: RequestFacts) -> Facts:
    return Facts(
        now=to_text(uuid7_time(call)),
        call=call.hex,
        tenant=tenant,
        team="t",
        key=KeyFacts(id="bench"),
        route="ask",
        request=asked,
        draw=str(call.int & (2**64 - 1)),
    )


def _decided(bundle: Bundle, tenant: str, asked: RequestFacts) -> Decision:
    return decide(bundle, _facts(IdSource().new(), tenant, asked))


def begun() -> Replay:
    """The replay of the draft, claimed by this process in the transaction that makes it."""
    base = published_documents()
    edits = Edits(actor=BENCH.actor, origin="git", put=parse_text(draft(), "draft"))
    candidate = prepare(base, edits)
    found = published().bundle
    wanted = commands.Wanted(
        base=found.revision,
        base_digest=found.digest,
        days=7,
        title="bench",
        change=IdSource().new(),
        content="bench",
        draft=candidate.bundle.text,
        draft_checked=candidate.forms.encode(),
    )
    with transaction.atomic():
        commands.begin(BENCH, wanted)
        row = commands.claim()
    if row is None:
        raise SystemExit("another replay runs in this installation")
    return row


def replay() -> dict[str, object]:
    """Replay the draft, as the jobs worker does, and tell how it went."""
    row = begun()
    begin = time.monotonic()
    job.work(row, Past())
    seconds = time.monotonic() - begin
    row.refresh_from_db()
    counts = part_of(row.result, frozenset({"bench-a", "bench-b"})).counts
    return {
        "decisions": counts.calls,
        "seconds": round(seconds, 2),
        "peak_mib": round(_peak_mib(), 1),
        "undecidable": counts.undecidable,
        "denied": counts.denied,
        "rerouted": counts.rerouted,
        "held": counts.held,
        "unchanged": counts.unchanged,
        "rules": len(published().bundle.rules),
        "digest": row.digest,
    }


def _peak_mib() -> float:
    """The most memory that the worker had, and that two children of the size of the largest had."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (own + 2 * child) / 1024


def main(count: int) -> None:
    """With a number: fill the tables; without: replay, and print one line of JSON."""
    if count:
        publish(Edits(actor=BENCH.actor, origin="git", put=parse_text(documents(), "bench")))
        fill(published().bundle, count)
    else:
        sys.stdout.write(json.dumps(replay()) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
