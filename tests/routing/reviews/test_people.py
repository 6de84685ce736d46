"""What people do with cases: who may, what the caller gets, and that a refusal changes nothing."""

import json
from uuid import uuid4

import pytest
from django.db import connection

from audit.vault.read import open_content
from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.published import published
from routing.calls.models import Call
from routing.dialects.registry import dialect
from routing.relay import Outcome, unpack_outcome
from routing.reviews import access, commands, drafts
from routing.reviews.models import ReviewCase, ReviewDecision
from tests.policies.people import entries, member
from tests.refusing import refuses_first
from tests.routing.reviews.held import SECRET, Desk, queue

DIALECTS = ("openai.chat", "openai.responses", "anthropic.messages")


def no_check(case: ReviewCase, text: str) -> list[str]:
    return []


def rui(desk: Desk) -> Principal:
    return member("rui", "reviewer", tenant=desk.name)


def cleo(desk: Desk) -> Principal:
    return member("cleo", "reviewer", tenant=desk.name)


def answer_of(desk: Desk, case: ReviewCase) -> Outcome:
    """What the caller gets."""
    with connection.cursor() as cursor:
        found = open_content(desk.store, cursor, case.call, "answer")
    assert found is not None
    return unpack_outcome(found)


def state(case: ReviewCase) -> tuple[str, str]:
    call = Call.objects.get(pk=case.call)
    return call.state, call.code


def kinds(case: ReviewCase) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind FROM audit_entry WHERE call = %s ORDER BY xid, id", [case.call])
        return [row[0] for row in cursor.fetchall()]


def untouched(case: ReviewCase) -> bool:
    """Nothing happened: the case as it was opened, no decision, no entry after the hold."""
    now = ReviewCase.objects.get(pk=case.pk)
    same = all(
        getattr(now, name) == getattr(case, name)
        for name in ("outcome", "version", "claimed_by", "closed_at", "due_at", "queue")
    )
    decided = ReviewDecision.objects.filter(review=case.pk).exists()
    return same and not decided and kinds(case)[-1] == "call.held"


@refuses_first("reviews.claim", "reviews.look", "reviews.approve")
def test_approve_gives_the_draft_out_byte_for_byte(desk: Desk) -> None:
    desk.publish()
    case = desk.hold("pay 14,200")
    commands.claim(rui(desk), case.id)
    draft = commands.look(rui(desk), case.id)
    assert draft.draft is not None
    assert (draft.draft.text, draft.prompt[0].text) == ("pay 14,200", SECRET)
    assert commands.approve(rui(desk), case.id, 0) == commands.Decided(True, "approved")
    assert state(case) == ("completed", "")
    body = json.loads(answer_of(desk, case).body)
    assert body["choices"][0]["message"]["content"] == "pay 14,200"
    assert (
        kinds(case)[-5:]
        == [
            *("call.held", "review.claimed", "content.viewed", "review.approved"),
            *("call.released", "call.completed"),
        ][-5:]
    )


def test_a_view_is_an_entry_and_holds_no_content(desk: Desk) -> None:
    desk.publish()
    case = desk.hold()
    commands.claim(rui(desk), case.id)
    commands.look(rui(desk), case.id)
    (entry,) = entries(subject=f"review:{case.id.hex}", kind="content.viewed")
    assert entry["actor"] == "member:rui@acme.example"
    assert entry["data"] == {
        "queue": "claims-desk",
        "fields": ["request", "answer"],
        "reason": "review in claims-desk",
    }
    every = json.dumps(entries(tenant=desk.name))
    assert "Petra" not in every
    assert "14,200" not in every


@pytest.mark.parametrize("spoken", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_edit_reaches_the_caller_in_its_dialect(desk: Desk, spoken: str, stream: bool) -> None:
    desk.publish()
    case = desk.hold("pay 14,200", dialect=spoken, stream=stream)
    commands.claim(rui(desk), case.id)
    done = commands.edit(rui(desk), case.id, "pay 9,800", "only the parquet", no_check)
    assert done == commands.Decided(True, "edited")
    found = answer_of(desk, case)
    assert found.status == 200
    assert found.content_type.startswith("text/event-stream" if stream else "application/json")
    assert drafts.read(dialect(spoken), found).text == "pay 9,800"
    assert b"14,200" not in found.body
    assert case.call.hex.encode() in found.body
    (decision,) = ReviewDecision.objects.filter(review=case.pk)
    assert (decision.actor, decision.verdict, decision.version, decision.reason) == (
        *("member:rui@acme.example", "edited", 1, "only the parquet"),
    )


def test_what_a_validator_refuses_is_not_given_out(desk: Desk) -> None:
    desk.publish()
    case = desk.hold()
    commands.claim(rui(desk), case.id)
    with pytest.raises(InvalidRequest, match="no label"):
        commands.edit(rui(desk), case.id, "{}", "", lambda _case, text: [f"no label in {text}"])
    assert state(case) == ("held", "")
    assert not ReviewDecision.objects.filter(review=case.pk).exists()


@refuses_first("reviews.claim", "reviews.redact")
def test_redacting_takes_spans_out(desk: Desk) -> None:
    desk.publish()
    case = desk.hold("pay Petra 14,200 now")
    commands.claim(rui(desk), case.id)
    with pytest.raises(InvalidRequest, match="5 to 99"):
        commands.redact(rui(desk), case.id, [(5, 99)], "")
    commands.redact(rui(desk), case.id, [(4, 9)], "her name")
    text = drafts.read(dialect("openai.chat"), answer_of(desk, case)).text
    assert text == "pay [redacted] 14,200 now"


@refuses_first("reviews.claim", "reviews.redact_words")
def test_redacting_by_words_takes_each_out_wherever_it_stands(desk: Desk) -> None:
    desk.publish()
    case = desk.hold("pay Petra, then thank Petra")
    commands.claim(rui(desk), case.id)
    commands.redact_words(rui(desk), case.id, ["Petra"], "her name")
    text = drafts.read(dialect("openai.chat"), answer_of(desk, case)).text
    assert text == "pay [redacted], then thank [redacted]"


@pytest.mark.parametrize("spoken", DIALECTS)
def test_the_caller_reads_the_reason_of_a_rejection(desk: Desk, spoken: str) -> None:
    desk.publish()
    case = desk.hold(dialect=spoken)
    commands.claim(rui(desk), case.id)
    with pytest.raises(InvalidRequest, match="say why"):
        commands.reject(rui(desk), case.id, "  ")
    commands.reject(rui(desk), case.id, "the report is missing")
    assert state(case) == ("failed", "review_rejected")
    found = answer_of(desk, case)
    assert found.status == 403
    assert "the report is missing" in found.body.decode()
    assert found.headers["x-should-retry"] == "false"
    assert b"14,200" not in found.body


def test_before_any_model_it_goes_on_or_not(desk: Desk) -> None:
    desk.publish()
    case = desk.hold(stage="request")
    commands.claim(rui(desk), case.id)
    assert commands.look(rui(desk), case.id).draft is None
    with pytest.raises(InvalidRequest, match="nothing was answered"):
        commands.edit(rui(desk), case.id, "x", "", no_check)
    assert commands.approve(rui(desk), case.id, 0).closed is True
    assert state(case) == ("running", "")
    assert desk.peek(case).released is True


@refuses_first("reviews.claim", "reviews.edit")
def test_where_no_model_answered_a_person_writes_or_rejects(desk: Desk) -> None:
    desk.publish()
    case = desk.hold("", stage="failure")
    commands.claim(rui(desk), case.id)
    with pytest.raises(Conflict, match="no answer to approve"):
        commands.approve(rui(desk), case.id, 0)
    commands.edit(rui(desk), case.id, "we call you back", "", no_check)
    assert drafts.read(dialect("openai.chat"), answer_of(desk, case)).text == "we call you back"


def test_two_people_and_never_the_same_one_twice(desk: Desk) -> None:
    desk.publish()
    case = desk.hold(approvals=2)
    commands.claim(rui(desk), case.id)
    assert commands.approve(rui(desk), case.id, 0) == commands.Decided(False, "")
    with pytest.raises(Conflict, match="another person must too"):
        commands.claim(rui(desk), case.id)
    assert state(case) == ("held", "")
    commands.claim(cleo(desk), case.id)
    assert commands.approve(cleo(desk), case.id, 0).closed is True
    assert state(case) == ("completed", "")


@refuses_first("reviews.claim", "reviews.give_back")
def test_who_has_not_claimed_reads_and_decides_nothing(desk: Desk) -> None:
    desk.publish()
    case = desk.hold()
    for act in (
        lambda: commands.look(rui(desk), case.id),
        lambda: commands.approve(rui(desk), case.id, 0),
        lambda: commands.edit(rui(desk), case.id, "x", "", no_check),
        lambda: commands.reject(rui(desk), case.id, "no"),
    ):
        with pytest.raises(Forbidden, match="claim this case first"):
            act()
    assert untouched(case)
    commands.claim(rui(desk), case.id)
    with pytest.raises(Conflict, match="somebody else"):
        commands.claim(cleo(desk), case.id)
    with pytest.raises(Forbidden):
        commands.look(cleo(desk), case.id)
    commands.give_back(rui(desk), case.id)
    commands.claim(cleo(desk), case.id)
    assert kinds(case)[-3:] == ["review.claimed", "review.returned", "review.claimed"]


def test_another_tenants_reviewer_finds_nothing(desk: Desk) -> None:
    other = f"{desk.name}-other"
    desk.publish(
        "{reviewers: ['role:reviewer']}",
        f"apiVersion: mandate/v1\nkind: Tenant\nmetadata: {{name: {other}}}\nspec: {{teams: [claims]}}\n",
        queue(f"{desk.name}-shared", "", "{reviewers: ['role:reviewer', 'mia@acme.example']}"),
    )
    case = desk.hold()
    shared = desk.hold(queue=f"{desk.name}-shared", queue_tenant="")
    mallory = member("mallory", "reviewer", "auditor", "admin", tenant=other)
    mia = member("mia", "developer", tenant=other)
    found = published()
    for who in (mallory, mia):
        assert list(access.visible(who, found).filter(tenant=desk.name)) == []
        for one in (case, shared):
            for act in (commands.claim, commands.give_back, commands.look):
                with pytest.raises(NotFound):
                    act(who, one.id)
            with pytest.raises(NotFound):
                commands.approve(who, one.id, 0)
    assert untouched(case)
    assert untouched(shared)
    here = member("mia", "developer", tenant=desk.name)
    assert list(access.mine(here, found).filter(tenant=desk.name)) == [shared]


def test_an_auditor_sees_that_it_waits_but_decides_nothing(desk: Desk) -> None:
    desk.publish()
    case = desk.hold()
    auditor = member("una", "auditor", tenant=desk.name)
    assert access.get(auditor, published(), case.id) == case
    for act in (commands.claim, commands.look):
        with pytest.raises(Forbidden, match="decided by its reviewers"):
            act(auditor, case.id)
    assert untouched(case)


def test_nobody_reviews_what_they_asked_themselves(desk: Desk) -> None:
    desk.publish()
    case = desk.hold()
    tariq = member("tariq", "reviewer", "developer", tenant=desk.name)
    with pytest.raises(Forbidden, match="asked themselves"):
        commands.claim(tariq, case.id)
    assert untouched(case)


def test_an_api_key_is_no_reviewer(desk: Desk) -> None:
    desk.publish()
    case = desk.hold()
    key = Principal("key", desk.key, "key", teams=frozenset({(desk.name, "claims")}))
    with pytest.raises(NotFound):
        commands.claim(key, case.id)
    assert untouched(case)


def test_the_cases_of_a_queue_that_is_gone_are_its_tenants_reviewers(desk: Desk) -> None:
    desk.publish()
    case = desk.hold(queue="gone", queue_tenant=desk.name)
    assert access.may_review(rui(desk), published(), case)
    assert list(access.mine(rui(desk), published()).filter(pk=case.pk)) == [case]
    commands.claim(rui(desk), case.id)
    assert commands.approve(rui(desk), case.id, 0).closed is True


@refuses_first("reviews.claim", "reviews.look", "reviews.reject")
def test_erased_content_can_only_be_turned_down(desk: Desk) -> None:
    desk.publish()
    case = desk.hold()
    commands.claim(rui(desk), case.id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT subject_key FROM vault_content WHERE call = %s", [case.call])
        desk.store.destroy(cursor.fetchone()[0])
    with pytest.raises(Conflict, match="erased"):
        commands.look(rui(desk), case.id)
    with pytest.raises(Conflict, match="erased"):
        commands.approve(rui(desk), case.id, 0)
    assert commands.reject(rui(desk), case.id, "erased").closed is True
    assert state(case) == ("failed", "review_rejected")


def test_a_case_that_is_closed_stays_closed(desk: Desk) -> None:
    desk.publish()
    case = desk.hold()
    commands.claim(rui(desk), case.id)
    commands.approve(rui(desk), case.id, 0)
    for act in (commands.claim, commands.look):
        with pytest.raises(Conflict):
            act(rui(desk), case.id)
    with pytest.raises(Conflict):
        commands.reject(rui(desk), case.id, "too late")
    assert state(case) == ("completed", "")


def test_an_unknown_case_is_not_found(desk: Desk) -> None:
    desk.publish()
    with pytest.raises(NotFound):
        commands.claim(rui(desk), uuid4())
