"""Documents that nobody reaches, and dates that come near."""

from typing import Any

from policies.analysis.analyse import analyse
from tests.policies.engine.small import (
    EVERYONE,
    PRICE,
    VALID,
    budget,
    bundle,
    document,
    model,
    permission,
    route,
)

NOW = "2026-11-28T12:00:00.000Z"
NO_MODEL = "each of its models is retired, has no price, or no clearance for its use case"
WORLD = (EVERYONE, model("m1"), route("r", "m1"))


def told(*documents: str, **parts: str) -> list[tuple[str, str, str]]:
    found = analyse(bundle(*documents, **parts), NOW)
    return [(f.kind, f.document[2], f.message) for f in found.findings]


def use_case(**spec: Any) -> str:
    base = {
        "owner": "cleo@acme.example",
        "purpose": "x",
        "riskClass": "minimal",
        "validation": VALID,
    }
    return document("UseCase", "u", base | spec)


def test_models_without_a_way_or_a_price() -> None:
    later = PRICE | {"from": "2027-01-01"}
    assert told(*WORLD, model("alone"), model("later", prices=[later]), route("q", "m1", "later")) == [
        ("unreachable-model", "alone", "no route leads to alone, and it replaces none that a route leads to"),
        ("unpriced", "later", "no price of later is known for 2026-11-28: calls cannot go to it"),
    ]  # fmt: skip


def test_sunsets() -> None:
    def ends(name: str, day: str, **more: str) -> str:
        return model(name, lifecycle={"state": "active", "sunsetOn": day, **more})

    models = (
        ends("gone", "2026-11-28", replacement="m1"), ends("soon", "2026-12-28"), ends("later", "2026-12-29"),
        model("old", lifecycle={"state": "retired"}),
    )  # fmt: skip
    assert told(*WORLD, *models, route("q", "gone", "soon", "later", "old")) == [
        ("sunset", "gone", "gone has its sunset on 2026-11-28: m1 takes its place"),
        ("sunset", "old", "old is retired: nothing takes its place"),
        ("sunset", "soon", "soon has its sunset on 2026-12-28: nothing takes its place"),
    ]


def test_use_cases_past_their_dates() -> None:
    assert told(*WORLD, u=use_case(reviewOn="2026-11-27")) == [
        ("use-case-review", "u", 'the review of "u" was due on 2026-11-27')
    ]
    ending = VALID | {"validUntil": "2026-12-28"}
    assert told(*WORLD, u=use_case(reviewOn="2026-11-28", validation=ending)) == [
        ("use-case-review", "u", 'the validation of "u" ends on 2026-12-28')
    ]
    ended = VALID | {"validUntil": "2026-11-27"}
    assert told(*WORLD, u=use_case(validation=ended)) == [
        ("use-case-review", "u", 'the validation of "u" ended on 2026-11-27: its calls are denied'),
        ("uncallable-route", "r", 'nobody may call r: its use case "u" is not valid today'),
    ]


def test_exceptions_near_their_end() -> None:
    soft = permission("soft", effect="forbid", level="soft", when="run.calls > 5")

    def one(name: str, day: str) -> str:
        spec = {"permission": "soft", "scope": {}, "reason": "x", "expiresOn": day}
        return document("Exception", name, spec)

    assert told(*WORLD, soft, one("far", "2026-12-13"), one("near", "2026-12-12"), one("over", "2026-11-27")) == [
        ("exception-expires", "near", '"near" is in force through 2026-12-12'),
        ("exception-expires", "over", '"over" expired on 2026-11-27: it changes nothing any more'),
    ]  # fmt: skip


def test_budgets_that_no_call_draws_on() -> None:
    found = told(
        *WORLD,
        model("m2"),
        route("own", "m2", tenant="b"),
        budget("everybody", scope={}),
        budget("keys", scope={"key": "k1", "user": "u1", "labels": {"x": "y"}}),
        budget("b-m2", scope={"tenant": "b", "model": "m2"}),
        budget("a-m2", scope={"tenant": "a", "model": "m2"}),
        budget("a-own", scope={"route": "own"}, tenant="b"),
    )
    assert found == [("unreachable-budget", "a-m2", 'no team can make a call that draws on "a-m2"')]


def test_routes_that_nobody_may_call() -> None:
    only_b = permission("b", effect="permit", when='tenant.name == "b" && route.name != "closed"')
    found = told(
        only_b, model("m1"), model("m2", prices=[]), model("m3", clearance=[]),
        route("open", "m1"), route("closed", "m1"), route("mine", "m1", tenant="a"), route("free", "m2"),
    )  # fmt: skip
    assert [one for one in found if one[0] == "uncallable-route"] == [
        ("uncallable-route", "closed", "nobody may call closed: no permission on calls lets any team through"),
        ("uncallable-route", "free", f"nobody may call free: {NO_MODEL}"),
        ("uncallable-route", "mine", "nobody may call a/mine: no permission on calls lets any team through"),
    ]  # fmt: skip


def test_a_permit_of_which_little_can_be_told_opens_every_route() -> None:
    vague = permission("vague", effect="permit", when='request.language.matches("^d")')
    assert told(vague, model("m1"), route("r", "m1")) == []


def test_clearance_for_the_use_case() -> None:
    found = told(*WORLD, u=use_case(dataClasses=["health"]))
    assert [one[:2] for one in found] == [("uncallable-route", "r")]
