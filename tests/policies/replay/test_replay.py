"""A change request replayed over what really was decided: exact counts, staleness, isolation, cancelling, dying, twice."""

import json
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import pytest

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from policies.bundles.read import published_documents
from policies.changes import commands as changes
from policies.changes import publishing, replays
from policies.decisions.models import Decision
from policies.order.lock import control, mandate_now
from policies.replay import access, commands, job
from policies.replay.core import Two
from policies.replay.models import Replay, ReplaySample
from policies.replay.pool import Pool
from policies.replay.records import Reader, Window
from policies.replay.results import part_of
from policies.replay.values import Attempted, Tally
from policies.replay.words import Asked
from tests.policies.changes.world import FOUR_EYES, RULES, World, force, opened
from tests.policies.people import entries
from tests.policies.replay.world import Past, record, yaml
from tests.policies.texts import permission
from tests.refusing import refuses_first

pytestmark = pytest.mark.usefixtures("application_role")
USED = (Attempted("", 1000, 0, 0, 500),)


def run(row: Replay, past: Past | None = None) -> Replay:
    """Work until nothing waits."""
    world = past or Past()
    while job.run_next(world) is not None:
        pass
    row.refresh_from_db()
    return row


def no_streams(of: str) -> str:
    """A hard forbid of streams."""
    return permission("no-streams", of, "request.stream", "forbid").replace(
        "  on: call\n", "  on: call\n  level: hard\n"
    )


def test_tariqs_draft_is_replayed_by_itself_and_publishing_does_what_it_said(world: World) -> None:
    calls = [record(world.tenant, hours, stream=hours > 3) for hours in (1, 2, 3, 4, 5)]
    old = record(world.tenant, 24 * 8, stream=True)
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    replay = replays.newest(row)
    assert replay is not None
    assert (replay.state, replay.tenant, replay.days, replay.actor) == (
        "queued",
        world.tenant,
        7,
        world.tariq.actor,
    )
    past = Past(
        used={call: (Attempted(f"{world.tenant}/cheap", 1000, 0, 0, 500),) for call in calls}
    )
    run(replay, past)
    assert (replay.state, replay.done, replay.tries) == ("done", 5, 1)
    found = replays.current(row)
    assert found is not None
    assert (found.digest, found.stale) == (replay.digest, False)
    counts = part_of(replay.result, None).counts
    assert (counts.calls, counts.unchanged, counts.denied, counts.changed) == (5, 3, 2, 2)
    assert (counts.cost_before_nano, counts.cost_nano) == (5 * 1_500_000, -2 * 1_500_000)
    assert counts.blocked == {f"Permission {world.tenant}/no-streams": 2}
    assert {s.call for s in replay.samples.all()} == {calls[3], calls[4]}
    assert old not in {s.call for s in replay.samples.all()}
    told = [e for e in entries(row.subject) if e["kind"].startswith("replay.")]
    assert [(e["kind"], e["actor"], e["tenant"]) for e in told] == [
        ("replay.started", world.tariq.actor, world.tenant),
        ("replay.finished", "job:replay", world.tenant),
    ]
    assert told[1]["data"] == {
        "replay": replay.id.hex,
        "digest": replay.digest,
        "calls": 5,
        "denied": 2,
        "held": 0,
        "permitted": 0,
        "rerouted": 0,
        "altered": 0,
        "undecidable": 0,
    }
    publishing.approve(world.cleo, row.id)
    later = record(world.tenant, 0, stream=True)
    assert _effects(later) == ["deny"]


def _effects(call: UUID) -> list[str]:
    return list(Decision.objects.filter(call=call).values_list("effect", flat=True))


@refuses_first(
    "changes.draft",
    "changes.entry",
    "changes.put_texts",
    "changes.run_checks",
    "replay.begin",
    "replay.finish",
)
def test_the_digest_is_of_canonical_json_and_the_same_twice(world: World) -> None:
    record(world.tenant, stream=True)
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    replay = run(replays.newest(row))  # type: ignore[arg-type] # it was begun
    said = json.loads(replay.result)
    assert said["base"] == {"revision": control().revision, "digest": control().digest.hex()}
    assert (said["content"], said["what"], said["engine"]) == (row.digest, "change", 1)
    assert sorted(said["tenants"]) == [world.tenant]
    again = job.result_for(
        replay, Two.of(job.setup_of(replay)), _tally_of(replay)
    )  # the same sums give the same digest
    assert again.digest == replay.digest
    assert again.text == replay.result


def _tally_of(replay: Replay) -> Tally:
    reader = Reader(Window(replay.tenant, replay.since, replay.until), Past())
    two, tally = Two.of(job.setup_of(replay)), Tally()
    for batch, _ in reader.batches():
        tally.add(two.batch(batch).tally)
    return tally


def test_one_tenants_replay_reads_no_other_tenants_records(world: World) -> None:
    record(world.tenant)
    there = record(world.other, stream=True)
    at = mandate_now()
    window = Window(world.tenant, at - timedelta(days=7), at)
    past = Past()
    read = [given for batch, _ in Reader(window, past).batches() for given in batch.calls]
    assert [given.tenant for given in read] == [world.tenant]
    assert past.batches == [1]
    everything = Reader(Window("", window.since, at), Past()).batches()
    assert there.bytes in {given.call for batch, _ in everything for given in batch.calls}


def test_the_organisations_replay_shows_each_viewer_the_own_part(world: World) -> None:
    record(world.tenant, stream=True)
    record(world.other, team="x", stream=True)
    record(world.other, team="x")
    row = opened(world.cleo, no_streams(""))
    replay = run(replays.newest(row))  # type: ignore[arg-type] # it was begun
    whole = part_of(replay.result, access.tenants_seen(world.cleo))
    assert whole.whole is True
    assert {world.tenant, world.other} <= set(whole.tenants)
    mine = part_of(replay.result, access.tenants_seen(world.tariq))
    assert (sorted(mine.tenants), mine.whole) == ([world.tenant], False)
    assert (mine.counts.calls, mine.counts.denied) == (1, 1)
    theirs = part_of(replay.result, access.tenants_seen(world.mallory))
    assert (theirs.counts.calls, theirs.counts.denied) == (2, 1)
    assert {s.tenant for s in access.samples(world.tariq, replay)} == {world.tenant}
    assert {s.tenant for s in access.samples(world.mallory, replay)} == {world.other}
    assert {s.tenant for s in access.samples(world.cleo, replay)} >= {world.tenant, world.other}
    with pytest.raises(NotFound):
        replays.begin(
            world.mallory, opened(world.tariq, no_streams(world.tenant), of=world.tenant).id
        )
    run(replay)


def test_a_developer_opens_samples_of_the_own_team_alone(world: World) -> None:
    replay = Replay.objects.create(
        what="drill", base=1, base_digest="", days=1, since=mandate_now(), until=mandate_now(),
        actor="cli:test", state="cancelled",
    )  # fmt: skip
    for team in ("claims", "sales"):
        ReplaySample.objects.create(
            replay=replay, tenant=world.tenant, team=team, kind="denied", call=replay.id, route="", before="", after="", rule="",
        )  # fmt: skip
    assert [s.team for s in access.samples(world.tariq, replay)] == ["claims"]
    assert list(access.samples(world.mallory, replay)) == []


def test_it_goes_stale_when_the_draft_or_the_base_moves(world: World) -> None:
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    run(replays.newest(row))  # type: ignore[arg-type] # it was begun
    first = replays.current(row)
    assert first is not None
    assert first.stale is False
    changes.put_texts(world.tariq, row.id, permission("more", world.tenant))
    row.refresh_from_db()
    found = replays.current(row)
    assert found is not None
    assert (found.digest, found.stale) == (first.digest, True)
    again = replays.newest(row)
    assert again is not None
    assert (again.state, again.content) == ("queued", row.digest)
    run(again)
    assert not replays.current(row).stale  # type: ignore[union-attr] # it was found
    force(permission("elsewhere", world.other))
    assert replays.current(row).stale is True  # type: ignore[union-attr] # as above


def test_a_newer_draft_ends_the_replay_of_the_older(world: World) -> None:
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    old = replays.newest(row)
    changes.put_texts(world.tariq, row.id, permission("more", world.tenant))
    old.refresh_from_db()  # type: ignore[union-attr] # it was begun
    assert (old.state, old.told) == ("cancelled", "a newer text is replayed instead")  # type: ignore[union-attr] # as above
    assert replays.begin(world.tariq, row.id).id == replays.newest(row).id  # type: ignore[union-attr] # as above
    run(replays.newest(row))  # type: ignore[arg-type] # as above


@refuses_first(
    "changes.draft",
    "changes.entry",
    "changes.put_texts",
    "changes.run_checks",
    "replay.begin",
    "replay.cancel",
)
def test_a_cancelled_replay_writes_nothing_more(world: World) -> None:
    record(world.tenant, stream=True)
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    claimed = commands.claim()
    assert claimed is not None
    with pytest.raises(Forbidden):
        replays.cancel(world.finn, row.id)
    ended = replays.cancel(world.cleo, row.id)
    assert (ended.state, entries(row.subject)[-1]["kind"]) == ("cancelled", "replay.cancelled")
    assert commands.progress(claimed, Tally(), claimed.id) is False
    job.work(claimed, Past())
    claimed.refresh_from_db()
    assert (claimed.state, claimed.result, claimed.samples.count()) == ("cancelled", "", 0)
    assert replays.current(row) is None
    with pytest.raises(Conflict, match="this replay is cancelled"):
        replays.cancel(world.cleo, row.id)


def test_a_worker_that_dies_is_followed_by_another_that_goes_on_where_it_was(world: World) -> None:
    calls = [record(world.tenant, hours, stream=True) for hours in (3, 2, 1)]
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    dead = commands.claim()
    assert dead is not None
    tally = Tally()
    reader = Reader(Window(dead.tenant, dead.since, dead.until), Past(), rows=2)
    batch, last = next(reader.batches())
    tally.add(Two.of(job.setup_of(dead)).batch(batch).tally)
    assert last == calls[0]
    assert commands.progress(dead, tally, last) is True
    assert commands.claim() is None
    Replay.objects.filter(pk=dead.pk).update(beat_at=mandate_now() - timedelta(seconds=31))
    past = Past()
    assert job.run_next(past) == dead.id
    done = Replay.objects.get(pk=dead.pk)
    assert (done.state, done.tries, done.done, past.batches) == ("done", 2, 3, [2])
    assert part_of(done.result, None).counts.denied == 3
    assert done.samples.count() == 3
    # the one thought dead wakes: nothing of it counts
    assert (
        commands.finish(dead, job.result_for(dead, Two.of(job.setup_of(dead)), tally), tally)
        is False
    )
    assert Replay.objects.get(pk=dead.pk).digest == done.digest
    assert done.samples.count() == 3
    assert [e["kind"] for e in entries(row.subject)].count("replay.finished") == 1


@refuses_first(
    "changes.draft",
    "changes.entry",
    "changes.put_texts",
    "changes.run_checks",
    "replay.begin",
    "replay.claim",
)
def test_what_kills_every_worker_is_marked_as_broken(world: World) -> None:
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    for _ in range(commands.MOST_TRIES):
        assert commands.claim() is not None
        Replay.objects.filter(change=row.id).update(beat_at=mandate_now() - timedelta(minutes=1))
    assert commands.claim() is None
    broken = replays.newest(row)
    assert broken is not None
    assert (broken.state, broken.told) == ("broken", "it was begun 4 times and never ended")
    assert entries(row.subject)[-1]["kind"] == "replay.broken"


@refuses_first(
    "changes.draft",
    "changes.entry",
    "changes.put_texts",
    "changes.run_checks",
    "replay.begin",
    "replay.broke",
)
def test_what_cannot_go_on_is_broken_once_and_says_why(world: World) -> None:
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    claimed = commands.claim()
    assert claimed is not None
    for _ in range(2):
        commands.broke(claimed, "no key opens it")
    claimed.refresh_from_db()
    assert (claimed.state, claimed.told) == ("broken", "no key opens it")
    assert [e["kind"] for e in entries(row.subject)].count("replay.broken") == 1


def test_memory_holds_one_batch_for_each_child_and_one_ahead(world: World) -> None:
    for _ in range(12):
        record(world.tenant, stream=True)
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    claimed = commands.claim()
    assert claimed is not None
    past = Past()
    reader = Reader(Window(world.tenant, claimed.since, claimed.until), past, rows=3)
    setup = job.setup_of(claimed)
    pool = Pool(setup, 2)
    try:
        found = list(pool.decide(reader.batches()))
    finally:
        pool.close()
    # each reading of three gives two whole calls, and the last one reads the rest
    assert [len(batch.calls) for batch, _, _ in found] == [2, 2, 2, 2, 2, 2]
    assert [looked.tally.whole.denied for _, _, looked in found] == [2, 2, 2, 2, 2, 2]
    assert pool.most_held == 3
    assert max(past.batches) == 2
    assert [child.pid for child in pool._children] == [None, None]
    replays.cancel(world.cleo, row.id)


def test_days_are_bounded_and_a_wrong_text_is_not_replayed(world: World) -> None:
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    with pytest.raises(InvalidRequest, match="1 to 366 days, not 367"):
        replays.begin(world.tariq, row.id, 367)
    assert replays.begin(world.tariq, row.id, 30).days == 30
    replays.cancel(world.cleo, row.id)
    changes.put_texts(world.tariq, row.id, yaml("Route", "x", {"useCase": "none"}, world.tenant))
    with pytest.raises(InvalidRequest, match="does not pass its checks"):
        replays.begin(world.tariq, row.id)
    assert replays.newest(row).state == "cancelled"  # type: ignore[union-attr] # it was begun


def test_where_nothing_asks_for_it_nothing_begins_by_itself(world: World) -> None:
    assert replays.required(published_documents().documents) is True
    force(FOUR_EYES + RULES)
    assert replays.required(published_documents().documents) is False
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    assert replays.newest(row) is None
    assert replays.begin(world.dora, row.id).actor == world.dora.actor
    replays.cancel(world.dora, row.id)


def test_labels_that_are_only_committed_are_opened_and_stand_in_no_result(world: World) -> None:
    def commit(domain: str, value: bytes) -> str:
        return sha256(domain.encode() + value).hexdigest()

    hidden = commit("labels", b'{"case":"zebra-7"}')
    known, gone = (record(world.tenant, hours, labels_committed=hidden) for hours in (2, 1))
    when = 'has(request.labels.case) && request.labels.case.startsWith("zebra")'
    spec = {"effect": "forbid", "on": "call", "when": when}
    row = opened(world.tariq, yaml("Permission", "no", spec, world.tenant), of=world.tenant)
    past = Past(words={known: Asked({"case": "zebra-7"}, (), commit)})
    done = run(replays.newest(row), past)  # type: ignore[arg-type] # it was begun
    counts = part_of(done.result, None).counts
    assert (counts.calls, counts.denied, counts.undecidable) == (2, 1, 1)
    assert counts.fields == {"request.labels.case": 1}
    assert {(one.call, one.kind) for one in done.samples.all()} == {
        (known, "denied"),
        (gone, "undecidable"),
    }
    assert "zebra-7" not in done.result
    assert b"zebra-7" not in bytes(done.partial or b"")
