"""What a caller writes freely (labels, names of tools and runs) gets into no recorded fact unless a rule names it."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from audit.vault.keys import commit_run, find_run
from audit.vault.store import KeyStore
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.ids import IdSource
from policies.bundles.snapshot import Snapshot
from policies.engine import facts as fact
from policies.engine.decide import decide
from policies.identity.authentication import Caller
from routing import admission
from routing.calls.pool import Database
from routing.case import Case, Denied
from routing.exchange import CallRequest, Outline
from routing.gathering import Ask, Desk, Options, gather
from routing.ledger.balances import Windows
from tests.policies.engine import small

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OUTLINE = Outline(
    tools=("pay", "canary-tool"),
    needs=("chat",),
    input_tokens_max=100,
    labels={"case": "7", "canary-name": "x", "note": "canary-value"},
    user="canary-user",
)
ROUTED = (
    small.model("m"),
    small.route("r", "m"),
    small.permission(
        "p", effect="permit", when='request.labels.case == "7" && "pay" in request.tools'
    ),
)


def snapshot(*documents: str) -> Snapshot:
    return Snapshot(1, 0, small.bundle(*ROUTED, *documents), ())


def ask(outline: Outline = OUTLINE, **options: Any) -> Ask:
    request = CallRequest(
        dialect="openai.chat", route="r", stream=False, raw=b"{}", outline=outline
    )
    given = Options(data_classes=("public",), run="canary-run", **options)
    return Ask(Caller("k1", b"h", "a", "t", {}), request, given)


@pytest.fixture
def desk(db: Database, tmp_path: Path) -> Desk:
    """Admission's desk with a key store of its own; whoever is asked for policies has them in hand."""
    return Desk(
        db=db,
        snapshots=cast("Any", None),
        key_store=KeyStore(tmp_path / "store"),
        windows=Windows(db),
        breakers=cast("Any", SimpleNamespace(known_open=lambda: ())),
        rates=cast("Any", None),
        new_id=IdSource().new,
        clock=lambda: NOW,
        web=UUID(int=1),
    )


async def decided(desk: Desk, found: Snapshot, asked: Ask) -> admission.Incoming:
    """The case of a call as it stands before PostgreSQL is asked."""
    case = admission.Incoming(desk, asked, found, await gather(desk, asked, found))
    case._decide_once()
    return case


async def test_only_what_rules_name_is_recorded(desk: Desk) -> None:
    case = await decided(desk, snapshot(), ask())
    assert case.decision.effect == "permit"
    recorded = case._decided().facts
    assert b"canary" not in recorded
    assert case._asked(0).run == case.facts.run.id == commit_run(desk.key_store, "a", "canary-run")
    request = case.facts.request
    assert (request.labels, request.tools) == ({"case": "7"}, ("pay",))
    commit = case.draft.keys.commit
    rest = b'{"canary-name":"x","note":"canary-value"}'
    assert request.labels_committed == commit("labels", rest)
    assert request.tools_committed == commit("tools", b'["canary-tool"]')


async def test_what_is_recorded_decides_as_the_whole_request_does(desk: Desk) -> None:
    found = snapshot()
    case = await decided(desk, found, ask())
    again = decide(found.bundle, fact.decode(case._decided().facts))
    assert again == case.decision
    assert decide(found.bundle, case.draft.facts).plan == again.plan


async def test_another_bundle_that_reads_more_gets_more(desk: Desk) -> None:
    """Stale at admission: the next snapshot names a label that the first did not."""
    case = await decided(desk, snapshot(), ask())
    forbid = small.permission("f", effect="forbid", when='request.labels["note"] == "canary-value"')
    case.snapshot = snapshot(forbid)
    case._decide_once()
    assert case.decision.effect == "deny"
    assert case.facts.request.labels == {"case": "7", "note": "canary-value"}


async def test_decided_again_at_a_start_the_request_itself_is_asked(desk: Desk) -> None:
    """The worker has the recorded facts, and the unsealed request for what the new rules read."""
    admitted = await decided(desk, snapshot(), ask())
    row = SimpleNamespace(tenant="a")
    fields: dict[str, Any] = dict.fromkeys(Case.__dataclass_fields__)
    fields |= {"row": row, "request": ask().request, "keys": admitted.draft.keys}
    fields |= {"facts": fact.decode(admitted._decided().facts), "decision_no": 1}
    case = Case(**fields)
    case.decide_again(snapshot())
    assert case.decided is not None
    assert case.decided.facts == admitted._decided().facts
    assert case.decided.digest == admitted.decision.digest
    forbid = small.permission("f", effect="forbid", when='"canary-tool" in request.tools')
    with pytest.raises(Denied):
        case.decide_again(snapshot(forbid))
    assert case.decision.effect == "deny"
    assert case.facts.request.tools == ("pay", "canary-tool")
    assert b"canary-value" not in fact.encode(case.facts)


async def test_calls_of_one_run_find_each_other_and_no_other_tenant_does(desk: Desk) -> None:
    first = await gather(desk, ask(), snapshot())
    second = await gather(desk, ask(), snapshot())
    assert first.facts.run.id == second.facts.run.id != ""
    assert find_run(desk.key_store, "a", "canary-run") == first.facts.run.id
    assert find_run(desk.key_store, "b", "canary-run") == ""
    assert commit_run(desk.key_store, "b", "canary-run") != first.facts.run.id
    # the same words as a user's are another commitment
    assert (
        first.facts.run.id
        != (await gather(desk, ask(Outline(user="canary-run")), snapshot())).facts.user.ref
    )


async def test_what_goes_on_from_a_call_is_in_its_run(desk: Desk) -> None:
    first = await gather(desk, ask(), snapshot())
    asked = ask()
    options = Options(run_ref=first.facts.run.id)
    second = await gather(desk, Ask(asked.caller, asked.request, options), snapshot())
    assert second.facts.run.id == first.facts.run.id


async def test_each_run_has_its_own_budget_under_its_commitment(desk: Desk) -> None:
    of_runs = small.budget("runs", each=["run"], limit="1")
    case = await decided(desk, snapshot(of_runs), ask())
    assert case.decision.plan is not None
    (claim,) = case.decision.plan.steps[0].budgets
    assert claim.subject == f"run={commit_run(desk.key_store, 'a', 'canary-run')}"


async def test_a_data_class_is_one_of_the_organisations(desk: Desk) -> None:
    asked = ask()
    asked = Ask(asked.caller, asked.request, Options(data_classes=("public", "canary-class")))
    with pytest.raises(InvalidRequest, match='there is no data class "canary-class"'):
        await gather(desk, asked, snapshot())
