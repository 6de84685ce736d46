"""Responses in the background: asked again until they end, followed as streams, cancelled; by their own team alone."""

import time
from typing import Any
from uuid import UUID, uuid4

import openai
import pytest

from audit.vault.store import KeyStore
from tests.journeys.installation import Installation, call_of, exchange
from tests.journeys.test_responses import KEY, OTHER, PLAIN, ROUTES, charged

SOON = "Soon. [[sandbox tokens=9 latency=1500ms]]"
LONG = "On and on. [[sandbox tokens=9 latency=8s]]"


def call_named(name: str) -> UUID:
    return UUID(hex=name.removeprefix("resp_"))


def ended(client: openai.OpenAI, name: str) -> Any:
    """The response once it has ended, and the states it went through."""
    states, until = [], time.monotonic() + 30
    while True:
        response = client.responses.retrieve(name)
        if response.status not in states:
            states.append(response.status)
        if response.status not in {"queued", "in_progress"}:
            return response, states
        assert time.monotonic() < until, states
        time.sleep(0.05)


@pytest.mark.parametrize("route", ROUTES)
def test_asked_again_to_the_end(mandate: Installation, route: str) -> None:
    client = mandate.openai(KEY)
    first = client.responses.create(
        model=route, input=SOON, background=True, max_output_tokens=30, metadata={"case": "17"}
    )
    assert (first.background, first.output) == (True, [])
    assert first.status in {"queued", "in_progress"}
    last, states = ended(client, first.id)
    assert states[-2:] == ["in_progress", "completed"]
    assert last.output_text
    assert (last.id, last.background, last.metadata) == (first.id, True, {"case": "17"})
    charged(mandate, call_named(first.id), last.usage)


def test_it_runs_on_when_nobody_asks(mandate: Installation) -> None:
    client = mandate.openai(KEY, max_retries=0)
    first = client.responses.create(model="one", input=SOON, background=True, max_output_tokens=30)
    call = call_named(first.id)
    assert mandate.wait_ended(call)["state"] == "completed"
    assert mandate.entries(call) == PLAIN


def test_a_failure_is_told_as_a_response(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    first = client.responses.create(
        model="one", input="No. [[sandbox fail=refused_request]]", background=True
    )
    last, _ = ended(client, first.id)
    assert (last.status, last.output) == ("failed", [])
    assert (last.error.code, last.error.message) == (
        "invalid_prompt",
        "the sandbox was told to fail",
    )


def test_a_denial_is_an_answer_at_once(mandate: Installation) -> None:
    with pytest.raises(openai.PermissionDeniedError) as raised:
        mandate.openai("j-deny/desk").responses.create(
            model="one",
            input="Born on the 7th.",
            background=True,
            extra_headers={"x-mandate-data-classes": "personal"},
        )
    call = call_of(raised.value.response.headers)
    assert mandate.entries(call) == ["call.denied"]
    denied = mandate.openai("j-deny/desk").responses.retrieve(f"resp_{call.hex}")
    assert denied.status == "failed"


def test_the_same_idempotency_key_does_not_begin_another(mandate: Installation) -> None:
    client, same = mandate.openai(KEY), {"idempotency-key": uuid4().hex}
    ids = {
        client.responses.create(model="one", input=SOON, background=True, extra_headers=same).id
        for _ in range(2)
    }
    (name,) = ids
    last, _ = ended(client, name)
    again = client.responses.create(model="one", input=SOON, background=True, extra_headers=same)
    assert again == last


def test_a_running_call_is_cancelled(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    first = client.responses.create(
        model="one", input=LONG, background=True, stream=False, max_output_tokens=500
    )
    call = call_named(first.id)
    until = time.monotonic() + 20
    while not mandate.upstream.arrivals(call):
        assert time.monotonic() < until
        time.sleep(0.05)
    cancelled = client.responses.cancel(first.id)
    assert (cancelled.id, cancelled.status) == (first.id, "cancelled")
    assert mandate.call(call)["state"] == "cancelled"
    assert mandate.entries(call)[-1] == "call.cancelled"
    # again, and afterwards: the same
    assert client.responses.cancel(first.id).status == "cancelled"
    assert client.responses.retrieve(first.id).status == "cancelled"
    assert mandate.entries(call).count("call.cancelled") == 1


def test_a_waiting_call_is_cancelled_and_costs_nothing(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    with mandate.no_worker():
        first = client.responses.create(model="one", input=SOON, background=True)
        assert first.status == "queued"
        assert client.responses.cancel(first.id).status == "cancelled"
    call = call_named(first.id)
    assert mandate.entries(call) == ["call.admitted", "attempt.voided", "call.cancelled"]
    time.sleep(0.5)
    assert mandate.upstream.arrivals(call) == []


def test_an_ended_call_is_not_cancelled(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    done = client.responses.create(model="one", input="Done. [[sandbox tokens=5]]")
    assert client.responses.cancel(done.id) == done
    assert mandate.entries(call_named(done.id)) == PLAIN


def test_a_plain_and_a_streamed_answer_are_read_again(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    plain = client.responses.create(model="one", input="Once. [[sandbox tokens=5]]")
    assert client.responses.retrieve(plain.id) == plain
    with client.responses.stream(model="one", input="Twice. [[sandbox tokens=5]]") as stream:
        final = stream.get_final_response()
    again = client.responses.retrieve(final.id)
    assert (again.output_text, again.usage) == (final.output_text, final.usage)
    items = client.responses.input_items.list(plain.id).data
    assert [item.type for item in items] == ["message"]


def test_a_stream_in_the_background_is_followed(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    words = "Follow me. [[sandbox tokens=24 chunks=6 delay=150ms]]"
    stream = client.responses.create(
        model="one", input=words, background=True, stream=True, max_output_tokens=50
    )
    call, had = call_of(stream.response.headers), []
    for event in stream:
        had.append(event)
        if event.type == "response.output_text.delta":
            break
    stream.close()
    name, number = f"resp_{call.hex}", had[-1].sequence_number
    rest = list(client.responses.retrieve(name, stream=True, starting_after=number))
    # the call ran on though its caller was gone, and nothing is missing or told twice
    assert mandate.call(call)["state"] == "completed"
    numbers = [event.sequence_number for event in (*had, *rest)]
    assert numbers == list(range(len(numbers)))
    assert rest[-1].type == "response.completed"
    whole = list(client.responses.retrieve(name, stream=True))
    assert [event.sequence_number for event in whole] == numbers
    said = "".join(e.delta for e in whole if e.type == "response.output_text.delta")
    assert said == client.responses.retrieve(name).output_text
    assert mandate.ended_upstream(call) == ["answered"]


def test_what_was_no_stream_is_not_followed(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    plain = client.responses.create(model="one", input="Once. [[sandbox tokens=5]]")
    with pytest.raises(openai.BadRequestError, match="was not asked for as a stream"):
        client.responses.retrieve(plain.id, stream=True)
    with pytest.raises(openai.BadRequestError, match="send the number of an event"):
        client.responses.retrieve(plain.id, stream=True, extra_query={"starting_after": "soon"})


def test_another_team_learns_nothing(mandate: Installation) -> None:
    mine = mandate.openai(KEY).responses.create(
        model="one", input=LONG, background=True, max_output_tokens=500
    )
    theirs, nobody = mandate.openai(OTHER), f"resp_{uuid4().hex}"
    before = mandate.call(call_named(mine.id))["state"]
    said = set()
    for name in (mine.id, nobody, mine.id.replace("resp_", "msg_")):
        for ask in (
            theirs.responses.retrieve,
            lambda name: theirs.responses.retrieve(name, stream=True),
            theirs.responses.cancel,
            theirs.responses.delete,
            theirs.responses.input_items.list,
        ):
            with pytest.raises(openai.NotFoundError) as raised:
                ask(name)
            said.add((raised.value.code, raised.value.message.replace(name, "x")))
    assert len(said) == 1
    assert before in {"admitted", "running"}
    row = mandate.call(call_named(mine.id))
    assert (row["cancel_at"], row["finished_at"]) == (None, None)
    mandate.openai(KEY).responses.cancel(mine.id)


def test_what_is_not_kept_is_not_read_again(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    unkept = client.responses.create(model="one", input="Once. [[sandbox tokens=5]]", store=False)
    assert unkept.store is False  # type: ignore[attr-defined]  # the SDK keeps what it does not know
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(unkept.id)


def test_a_response_is_not_deleted_by_its_caller(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    mine = client.responses.create(model="one", input="Once. [[sandbox tokens=5]]")
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.delete(mine.id)
    assert raised.value.code == "not_deletable"
    assert client.responses.retrieve(mine.id) == mine


def test_what_is_erased_is_gone(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    who = f"user-{uuid4().hex}"
    mine = client.responses.create(
        model="one", input="Once. [[sandbox tokens=5]]", safety_identifier=who
    )
    subject = mandate.call(call_named(mine.id))["user_ref"]
    # what goes on from it is that user's too, though nobody was named
    more = client.responses.create(
        model="one", previous_response_id=mine.id, input="More. [[sandbox tokens=5]]"
    )
    assert mandate.call(call_named(more.id))["user_ref"] == subject
    assert mandate.facts_of(call_named(more.id))["user"]["known"] is True
    assert KeyStore(mandate.home / "keys" / "store").destroy(subject)
    for name in (mine.id, more.id):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(name)


def test_without_a_key_nobody_is_told_anything(mandate: Installation) -> None:
    port = mandate.running.machine.port
    assert exchange(port, "GET", f"/v1/responses/resp_{uuid4().hex}").status == 401
