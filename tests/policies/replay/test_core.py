"""One call decided twice: what counts as different, what nobody can decide, and what it would cost."""

import hmac
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from policies.engine.bundle import Bundle
from policies.engine.facts import Facts, encode
from policies.engine.prices import PriceRef
from policies.engine.pricing import UsageCounts, cost
from policies.engine.reads import Reads, project
from policies.engine.required import completed
from policies.engine.tool_stage import ToolFacts
from policies.engine.weigh import AnswerFacts, Checked, encode_facts
from policies.order.ids import new_id
from policies.replay.answers import Spoken
from policies.replay.core import Found, Two, spent
from policies.replay.values import Answer, Attempted, Batch, Counts, Given, Read, Tally
from policies.replay.words import Asked
from tests.policies.engine import small

CHEAP, DEAR = small.model("cheap"), small.model(
    "dear", prices=[{**small.PRICE, "inputPerMillion": "10", "outputPerMillion": "20"}]
)  # fmt: skip
BOTH = (small.EVERYONE, CHEAP, DEAR)
USED = (Attempted("cheap", 1000, 0, 0, 500),)
"""1,000 in and 500 out: 2,000,000 nano at 1 and 2 a million; 20,000,000 at 10 and 20."""


def given(facts: Facts, used: Sequence[Attempted] = USED, answers: Sequence[Answer] = ()) -> Given:
    return Given(
        call=new_id().bytes,
        revision=1,
        tenant=facts.tenant,
        facts=encode(facts),
        reads=0,
        records=1,
        answers=tuple(answers),
        attempts=tuple(used),
    )


def looked(
    base: Bundle, draft: Bundle, asked: Given, said: Any = None, *, away: tuple[str, ...] = ()
) -> tuple[Found, Counts, list[Any]]:
    """What is found, and what it adds to the sums."""
    two, counts = Two(base, draft, away), Counts()
    found = two.look(asked, base.scope("a").reads, said)
    samples = two.count(counts, asked, found)
    return found, counts, samples


def test_the_same_twice_is_unchanged() -> None:
    bundle = small.bundle(*BOTH, small.route("r", "cheap", "dear"))
    found, counts, samples = looked(bundle, bundle, given(small.call()))
    assert (found.kind, found.unknown, found.open, samples) == ("unchanged", False, False, [])
    assert (counts.calls, counts.records, counts.unchanged, counts.changed) == (1, 1, 1, 0)
    assert (counts.cost_before_nano, counts.cost_nano, counts.bounded) == (2_000_000, 0, 0)
    assert (counts.served_before, counts.served_after, counts.served) == (1, 1, {"cheap": 1})


def test_a_new_forbid_denies_and_saves_what_the_call_cost() -> None:
    route = small.route("r", "cheap")
    base = small.bundle(*BOTH, route)
    stop = small.permission("no", effect="forbid", level="hard", when='team.name == "t"')
    found, counts, samples = looked(base, small.bundle(*BOTH, route, stop), given(small.call()))
    assert (found.kind, counts.denied, counts.unchanged) == ("denied", 1, 0)
    assert (counts.cost_nano, counts.served_after) == (-2_000_000, 0)
    assert counts.blocked == {"Permission no": 1}
    (sample,) = samples
    assert (sample.kind, sample.before, sample.after, sample.rule, sample.cost_nano) == (
        "denied",
        "cheap",
        "denied",
        "no, line 19",
        -2_000_000,
    )
    assert (sample.tenant, sample.team, sample.route) == ("a", "t", "r")


def test_what_was_denied_and_is_permitted_counts_with_its_bound() -> None:
    route = small.route("r", "cheap")
    base = small.bundle(CHEAP, route)
    draft = small.bundle(small.EVERYONE, CHEAP, route)
    asked = given(small.call({"output_tokens_asked": 10}), used=())
    found, counts, samples = looked(base, draft, asked)
    assert (found.kind, counts.permitted, counts.bounded) == ("permitted", 1, 1)
    # 100 tokens in at 2 a million (the dearest input: cache writes), two units of rounding, 10 out at 2
    assert counts.cost_nano == samples[0].cost_nano == 200_002 + 20_000
    assert (samples[0].before, samples[0].after) == ("denied", "cheap")


def test_another_model_first_is_rerouted_at_its_price() -> None:
    base = small.bundle(*BOTH, small.route("r", "cheap", "dear"))
    draft = small.bundle(*BOTH, small.route("r", "dear", "cheap"))
    found, counts, samples = looked(base, draft, given(small.call()))
    assert (found.kind, counts.rerouted, counts.cost_nano) == ("rerouted", 1, 18_000_000)
    assert (samples[0].before, samples[0].after) == ("cheap", "dear")


def test_another_plan_behind_the_same_first_model_is_rerouted_too() -> None:
    base = small.bundle(*BOTH, small.route("r", "cheap", "dear"))
    draft = small.bundle(*BOTH, small.route("r", "cheap"))
    found, counts, samples = looked(base, draft, given(small.call()))
    assert (found.kind, counts.cost_nano) == ("rerouted", 0)
    assert (samples[0].before, samples[0].after) == ("cheap, dear", "cheap")


def test_another_price_is_no_other_decision() -> None:
    route = small.route("r", "cheap")
    base = small.bundle(small.EVERYONE, CHEAP, route)
    dearer = small.model("cheap", prices=[{**small.PRICE, "outputPerMillion": "4"}])
    found, counts, samples = looked(
        base, small.bundle(small.EVERYONE, dearer, route), given(small.call())
    )
    assert (found.kind, samples, counts.cost_nano) == ("unchanged", [], 1_000_000)


def test_other_obligations_are_other_terms() -> None:
    route = small.route("r", "cheap")
    base = small.bundle(*BOTH, route)
    less = small.permission("everyone", effect="permit", obligations={"maxOutputTokens": 50})
    found, counts, _ = looked(base, small.bundle(CHEAP, DEAR, route, less), given(small.call()))
    assert (found.kind, counts.altered, counts.cost_nano) == ("altered", 1, 0)


def test_a_rule_before_models_holds_and_nobody_says_what_it_costs() -> None:
    route = small.route("r", "cheap")
    base = small.bundle(*BOTH, route)
    draft = small.bundle(*BOTH, route, *desk(stage="request", when='team.name == "t"'))
    found, counts, samples = looked(base, draft, given(small.call()))
    assert (found.kind, counts.held, counts.cost_nano) == ("held", 1, 0)
    assert (samples[0].before, samples[0].after, samples[0].cost_nano) == (
        "cheap",
        "held, desk",
        None,
    )


def test_a_committed_label_that_the_draft_reads_is_undecidable_and_never_unchanged() -> None:
    route = small.route("r", "cheap")
    base = small.bundle(*BOTH, route)
    draft = small.bundle(
        *BOTH,
        route,
        small.permission(
            "no", effect="forbid", when='has(request.labels.case) && request.labels.case == "x"'
        ),
    )
    committed = given(small.call({"labels_committed": "ab" * 32}))
    found, counts, samples = looked(base, draft, committed)
    assert (found.kind, counts.undecidable, counts.unchanged) == ("undecidable", 1, 0)
    assert counts.fields == {"request.labels.case": 1}
    assert (samples[0].kind, samples[0].rule) == ("undecidable", "request.labels.case")
    assert looked(base, base, committed)[0].kind == "unchanged"
    assert looked(base, draft, given(small.call()))[0].kind == "unchanged"
    lost = Two(base, draft).look(committed, None)
    assert (lost.kind, lost.missing) == ("undecidable", ("revision 1",))
    tools = given(small.call({"tools_committed": "ab" * 32}))
    reading = small.bundle(
        *BOTH, route, small.permission("no", effect="forbid", when='"wire" in request.tools')
    )
    assert Two(base, reading).look(tools, Reads()).missing == ("request.tools",)


def keyed(domain: str, value: bytes) -> str:
    return hmac.digest(b"the call's own key", domain.encode() + value, "sha256").hex()


def reading(*rules: str) -> Bundle:
    return small.bundle(*BOTH, small.route("r", "cheap"), *rules)


def recorded(base: Bundle, **labels: str) -> Given:
    """A call with labels, as a record under this base has them."""
    whole = small.call({"labels": labels, "tools": ("pay", "look")})
    known = project(whole.request, base.scope("a").reads, keyed)
    return given(msgspec.structs.replace(whole, request=known))


NO_CASE = small.permission("no", effect="forbid", when='has(request.labels.case) && request.labels.case == "x"')  # fmt: skip
NO_PAY = small.permission("pay", effect="forbid", when='"pay" in request.tools')


def test_committed_words_are_decided_about_where_somebody_opens_them() -> None:
    base, then = reading(), reading().scope("a").reads
    for rule, label, kind in ((NO_CASE, "x", "denied"), (NO_CASE, "y", "unchanged"), (NO_PAY, "y", "denied")):  # fmt: skip
        call, two = recorded(base, case=label), Two(base, reading(rule))
        assert two.wants_words(call, then) is True
        left = two.look(call, then)
        assert (left.kind, left.open) == ("undecidable", True)
        words = Asked({"case": label}, ("pay", "look"), keyed)
        told = two.look(call, then, speaking(None), words)
        assert (told.kind, told.open, told.missing) == (kind, False, ())
        # what rules do not read stays committed in the facts that are decided
        assert told.facts is not None
        assert told.facts.request.labels == ({"case": label} if rule is NO_CASE else {})


@pytest.mark.parametrize(
    "other",
    [
        Asked({"case": "x"}, ("pay", "look"), keyed),
        Asked({"case": "y"}, ("pay",), keyed),
        Asked({"case": "y"}, ("pay", "look"), lambda _, value: value.hex()),
    ],
)
def test_words_that_the_record_does_not_commit_to_decide_nothing(other: Asked) -> None:
    base, then = reading(), reading().scope("a").reads
    told = Two(base, reading(NO_CASE)).look(recorded(base, case="y"), then, speaking(None), other)
    assert (told.kind, told.missing, told.open) == ("undecidable", ("request.labels.case",), False)


def test_nobody_is_asked_where_words_would_not_help() -> None:
    base, then = reading(), reading().scope("a").reads
    call = recorded(base, case="y")
    assert Two(base, base).wants_words(call, then) is False
    assert Two(base, reading(NO_CASE)).wants_words(call, None) is False
    assert Two(base, reading(NO_CASE)).look(call, None).open is False


def test_facts_that_cannot_be_read_are_undecidable() -> None:
    bundle = small.bundle(*BOTH, small.route("r", "cheap"))
    broken = msgspec.structs.replace(given(small.call()), facts=b"{}")
    found, counts, _ = looked(bundle, bundle, broken)
    assert (found.kind, found.missing, counts.undecidable) == ("undecidable", ("facts",), 1)


def test_models_taken_away_leave_the_others_or_nobody() -> None:
    bundle = small.bundle(*BOTH, small.route("r", "cheap", "dear"), small.route("s", "cheap"))
    found, counts, samples = looked(bundle, bundle, given(small.call()), away=("cheap",))
    assert (found.kind, counts.served, counts.cost_nano) == ("rerouted", {"dear": 1}, 18_000_000)
    assert samples[0].rule == "taken away on trial"
    found, counts, _ = looked(bundle, bundle, given(small.call(route="s")), away=("cheap",))
    assert (found.kind, counts.served, counts.served_before, counts.served_after) == (
        "denied",
        {},
        1,
        0,
    )
    assert counts.blocked == {}
    no = small.permission("no", effect="forbid", on="model", when='model.name == "dear"')
    ruled = small.bundle(*BOTH, no, small.route("r", "cheap", "dear"))
    _, counts, _ = looked(ruled, ruled, given(small.call()), away=("cheap",))
    assert (counts.denied, counts.blocked) == (1, {"Permission no": 1})


def desk(**spec: Any) -> tuple[str, str]:
    queue = small.document("ReviewQueue", "desk", {"reviewers": ["role:reviewer"]})
    return queue, small.document("EscalationRule", "big", {"queue": "desk", **spec})


def speaking(text: str | None) -> Any:
    return lambda _: Spoken(text, "stop", 500) if text is not None else None


def test_a_rule_about_the_answer_is_replayed_where_the_same_model_answers() -> None:
    route = small.route("r", "cheap", "dear")
    base = small.bundle(*BOTH, route)
    rule = desk(stage="response", when="output.json.payout > 10000.0")
    draft = small.bundle(*BOTH, route, *rule)
    asked = given(small.call())
    assert looked(base, draft, asked)[0].open is True
    found, counts, samples = looked(base, draft, asked, speaking('{"payout": 20000}'))
    assert (found.kind, counts.held, counts.unknown) == ("held", 1, 0)
    assert (samples[0].before, samples[0].after) == ("cheap, dear", "answer held")
    found, counts, _ = looked(base, draft, asked, speaking('{"payout": 200}'))
    assert (found.kind, counts.held, counts.unchanged) == ("unchanged", 0, 1)
    found, counts, _ = looked(base, draft, asked, speaking(None))
    assert (found.kind, counts.fields) == ("undecidable", {"output (erased)": 1})
    found, counts, _ = looked(draft, base, asked, speaking('{"payout": 20000}'))
    assert (found.kind, counts.permitted) == ("permitted", 1)
    moved = small.bundle(*BOTH, small.route("r", "dear", "cheap"), *rule)
    found, counts, _ = looked(base, moved, asked, speaking('{"payout": 20000}'))
    assert (found.kind, counts.rerouted, counts.held, counts.unknown) == ("rerouted", 1, 0, 1)
    failed = given(small.call(), used=())
    assert looked(base, draft, failed, speaking(None))[0].kind == "unchanged"


def test_recorded_answers_are_weighed_in_their_order() -> None:
    def with_rule(limit: str) -> Bundle:
        when = f"output.json.payout > {limit}"
        return small.bundle(*BOTH, small.route("r", "cheap"), *desk(stage="response", when=when))

    answer = AnswerFacts(of="", tier=0, last=True, attempts=1, output="ab")
    asked = given(small.call(), answers=[Answer(2, encode_facts(answer))])
    said = {2: Spoken('{"payout": 500}')}
    assert looked(with_rule("1000.0"), with_rule("100.0"), asked, said.get)[0].kind == "held"
    assert looked(with_rule("100.0"), with_rule("1000.0"), asked, said.get)[0].kind == "permitted"
    assert looked(with_rule("1000.0"), with_rule("900.0"), asked, said.get)[0].kind == "unchanged"
    assert looked(with_rule("1000.0"), with_rule("900.0"), asked, {}.get)[0].missing == (
        "output (erased)",
    )


def test_a_validator_that_never_ran_leaves_the_outcome_unknown() -> None:
    schema = small.document(
        "Validator", "v", {"type": "json_schema", "schema": {}, "onFailure": "reject"}
    )
    base = small.bundle(*BOTH, small.route("r", "cheap"))
    draft = small.bundle(*BOTH, schema, small.route("r", "cheap", validators=["v"]))
    found, counts, _ = looked(base, draft, given(small.call()), speaking("{}"))
    assert (found.kind, counts.unknown) == ("altered", 1)
    failed = AnswerFacts(
        of="", tier=0, last=True, attempts=1, validators=(Checked(validator="v", passed=False),)
    )
    asked = given(small.call(), answers=[Answer(2, encode_facts(failed))])
    said = {2: Spoken("x")}
    assert looked(draft, base, asked, said.get)[0].kind == "permitted"


def test_a_batch_leaves_open_what_hangs_on_answers_and_counts_the_rest() -> None:
    route = small.route("r", "cheap")
    base = small.bundle(*BOTH, route, small.route("q", "cheap"))
    draft = small.bundle(
        *BOTH,
        route,
        small.route("q", "cheap"),
        *desk(stage="response", when='route.name == "r" && output.text == "x"'),
    )
    calls = [given(small.call(route=name)) for name in ("q", "r", "q")]
    looked_at = Two(base, draft).batch(Batch((Read.of(Reads()),), tuple(calls)))
    assert looked_at.open == (1,)
    assert (looked_at.tally.whole.calls, looked_at.tally.whole.unchanged) == (2, 2)


def test_samples_are_the_oldest_of_each_kind_and_bounded() -> None:
    route = small.route("r", "cheap")
    base, draft = small.bundle(*BOTH, route), small.bundle(CHEAP, DEAR, route)
    calls = tuple(given(small.call()) for _ in range(30))
    two, tally = Two(base, draft), Tally()
    for part in (calls[:10], calls[10:]):
        tally.add(two.batch(Batch((Read.of(Reads()),), part)).tally)
    assert tally.whole.denied == 30
    assert [one.call for one in tally.samples] == [one.call for one in calls[:20]]


@pytest.mark.parametrize("rate", ["1", "0.92", "1.0000001"])
def test_money_is_that_of_the_engine_to_the_last_nano(rate: str) -> None:
    price = PriceRef(
        since="2026-01-01",
        currency="USD",
        input="0.25",
        cached_input="0.025",
        cache_write="0.31",
        output="2.00",
        rate=rate,
    )
    for tokens in (0, 1, 3, 7, 999, 1_000_001):
        usage = UsageCounts(tokens, tokens + 1, tokens * 3, tokens + 2)
        assert spent(price, usage) == cost(price, usage)


OFFERS = small.call({"tools": ("pay", "look")})
NEVER_PAY = small.permission("never-pay", effect="forbid", on="tool", when='tool.name == "pay"')


def big(limit: int) -> str:
    """A forbid of payments above a limit."""
    return small.permission(
        "big", effect="forbid", on="tool", when=f"tool.arguments.amount > {limit}"
    )


def calls_tool(name: str, amount: int = 500) -> str:
    """A tool call, as it lies sealed beside its decision."""
    return json.dumps({"arguments": f'{{"amount":{amount}}}', "json": True, "name": name})


def decided(*tools: str) -> list[Answer]:
    """The records of an answer that asks for these tools, and of each of them."""
    answer = AnswerFacts(of="", tier=0, last=True, attempts=1, finish_reason="tool_calls")
    asked = (
        msgspec.structs.replace(answer, tool=ToolFacts(number=at, model="cheap", name=tool))
        for at, tool in enumerate(tools)
    )
    return [Answer(no, encode_facts(one)) for no, one in enumerate((answer, *asked), 2)]


def test_recorded_tool_decisions_are_made_again() -> None:
    call = given(OFFERS, answers=decided("look", "pay"))
    said = {2: Spoken(""), 3: Spoken(calls_tool("look", 1)), 4: Spoken(calls_tool("pay"))}
    base = reading(big(1000))
    assert looked(base, reading(big(900)), call)[0].open is True
    found, counts, samples = looked(base, reading(big(100)), call, said.get)
    assert (found.kind, counts.denied, counts.unchanged) == ("denied", 1, 0)
    assert (samples[0].before, samples[0].after) == ("cheap", "answer refused")
    assert looked(base, reading(big(900)), call, said.get)[0].kind == "unchanged"
    assert looked(reading(big(100)), base, call, said.get)[0].kind == "permitted"
    # another rule about another of them, and one by name
    assert looked(base, reading(big(1000), NEVER_PAY), call, said.get)[0].kind == "denied"
    look = desk(stage="tool", when='tool.name == "look"')
    assert looked(base, reading(big(1000), *look), call, said.get)[0].kind == "held"
    # one that forbids takes what a person would have been asked about with it
    assert looked(base, reading(NEVER_PAY, *look), call, said.get)[0].kind == "denied"


def test_a_tool_decision_whose_words_are_gone_is_undecidable_and_never_unchanged() -> None:
    call = given(OFFERS, answers=decided("look", "pay"))
    said = {2: Spoken(""), 3: Spoken(calls_tool("look", 1))}
    found, counts, _ = looked(reading(big(1000)), reading(big(100)), call, said.get)
    assert (found.kind, counts.unchanged) == ("undecidable", 0)
    assert counts.fields == {"output (erased)": 1}
    torn = [*decided("look"), Answer(4, b'{"tool": 7}')]
    found, counts, _ = looked(
        reading(big(1000)), reading(big(100)), given(OFFERS, answers=torn), said.get
    )
    assert (found.kind, counts.fields) == ("undecidable", {"facts of the answer": 1})


def test_tools_that_went_out_before_any_rule_are_decided_from_the_answer_that_was_delivered() -> (
    None
):
    def delivered(*tools: str) -> Any:
        return lambda no: None if no else Spoken("", "tool_calls", 10, tools)

    base, draft, free = reading(), reading(NEVER_PAY), given(OFFERS)
    assert looked(base, draft, free)[0].open is True
    found, counts, _ = looked(base, draft, free, delivered(calls_tool("look"), calls_tool("pay")))
    assert (found.kind, counts.denied) == ("denied", 1)
    assert looked(base, draft, free, delivered(calls_tool("look")))[0].kind == "unchanged"
    assert looked(base, draft, free, delivered())[0].kind == "unchanged"
    gone = looked(base, draft, free, lambda _: None)[0]
    assert (gone.kind, gone.missing) == ("undecidable", ("output (erased)",))
    # weighed for another reason, and no rule about tools was there
    judged = given(OFFERS, answers=decided())

    def weighed(no: int) -> Spoken | None:
        return Spoken("x") if no == 2 else Spoken("x", "tool_calls", 10, (calls_tool("pay"),))

    assert looked(base, draft, judged, weighed)[0].kind == "denied"
    half = looked(base, draft, judged, lambda no: Spoken("x") if no else None)[0]
    assert (half.kind, half.missing) == ("undecidable", ("output (erased)",))


def test_a_tool_whose_arguments_nobody_can_read_one_way_closes_the_door_in_a_replay_too() -> None:
    call = given(OFFERS, answers=decided("pay"))
    twice = json.dumps({"arguments": '{"amount":1,"amount":9}', "json": True, "name": "pay"})
    said = {2: Spoken(""), 3: Spoken(twice)}
    never = reading(small.permission("no", effect="forbid", on="tool", when='tool.name == "other"'))
    assert looked(never, reading(big(100)), call, said.get)[0].kind == "denied"


def test_labels_that_were_given_are_given_anew_under_the_draft() -> None:
    def requiring(**label: Any) -> Bundle:
        owner = small.tenant("a", requiredLabels=[{"name": "case", **label}])
        return small.bundle(*BOTH, small.route("r", "cheap"), NO_CASE, a=owner)

    base, then = requiring(default="y"), requiring(default="y").scope("a").reads
    whole = small.call({"tools": ("pay", "look")})
    asked = completed(whole.request, whole.key, base.scope("a").required)
    call = given(msgspec.structs.replace(whole, request=project(asked, then, keyed)))
    drafts = {"unchanged": requiring(default="z"), "denied": requiring(default="x")}
    for kind, draft in (*drafts.items(), ("denied", requiring())):
        assert Two(base, draft).look(call, then).kind == kind
    # tools that only the draft reads are opened as well: what was given was not sent
    pay = small.bundle(*BOTH, small.route("r", "cheap"), NO_PAY)
    told = Two(base, pay).look(call, then, speaking(None), Asked({}, ("pay", "look"), keyed))
    assert (told.kind, told.missing) == ("denied", ())
