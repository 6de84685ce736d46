"""Rules that never match, always match, add nothing or are always forbidden; and what cannot be told."""

import pytest

from policies.analysis.analyse import analyse
from policies.analysis.finding import Analysis
from tests.policies.engine.small import EVERYONE, bundle, document, model, permission, route, tenant

NOW = "2026-11-28T12:00:00.000Z"
WORLD = (EVERYONE, model("m1"), route("r", "m1"))


def analysed(*documents: str, **parts: str) -> Analysis:
    return analyse(bundle(*WORLD, *documents, **parts), NOW)


def forbid(name: str, when: str, **spec: str) -> str:
    return permission(name, effect="forbid", when=when, **spec)


def told(found: Analysis) -> list[tuple[str, str, list[str]]]:
    return [(f.kind, f.document[2], [o[2] for o in f.others]) for f in found.findings]


def test_a_bundle_in_which_nothing_is_odd() -> None:
    found = analysed(forbid("secrets", '"secret" in request.dataClasses'))
    assert (told(found), found.undecided) == ([], ())
    assert found.examined == 10


@pytest.mark.parametrize(
    "when",
    [
        'team.name == "nobody"',  # no such team
        'request.dataClasses.exists(c, c == "helth")',  # no such class
        "run.calls > 5 && run.calls < 6",
        "request.inputTokensMax < 0",
        'request.language == "de" && request.language == "en"',
        '"a" in request.tools && !request.tools.exists(t, t == "a" || t == "b")',
        "budget.shareUsed > 0.5 && budget.shareUsed < 0.5",
        "run.cost >= 2.0 && run.cost <= 1.99",
        'now < timestamp("2026-01-01T00:00:00Z") && now > timestamp("2027-01-01T00:00:00Z")',
        'has(request.labels.x) && !("x" in request.labels)',
        "request.stream && !request.stream",
        'tenant.name.startsWith("z")',  # every tenant is known
    ],
)
def test_a_rule_that_can_never_match(when: str) -> None:
    found = analysed(forbid("odd", when))
    assert told(found) == [("never-matches", "odd", [])]
    assert found.findings[0].message == (
        '"odd" can never match: there is no call for which its condition holds'
    )


@pytest.mark.parametrize(
    "when",
    [
        "run.calls > 5 && run.calls < 7",
        "run.cost > 1.0 && run.cost < 1.001",
        "budget.shareUsed > 0.5 && budget.shareUsed < 0.502",
        'now >= timestamp("2027-01-01T00:00:00Z") && now <= timestamp("2027-01-01T00:00:00Z")',
        'request.dataClasses.all(c, c in ["health"]) && "health" in request.dataClasses',
        'request.labels.x == "y"',  # an error where it is missing, and then it forbids
        '!(request.language in ["", "de"])',
    ],
)
def test_a_rule_that_matches_at_one_point_only_is_not_named(when: str) -> None:
    assert told(analysed(forbid("narrow", when))) == []


@pytest.mark.parametrize(
    "when",
    [
        "request.inputTokensMax + 1 < 0",
        'request.language.matches("^x") && request.language == "y"',
        "request.tools.size() < 0",
        "run.calls < request.inputTokensMax && run.calls > request.inputTokensMax",
        'request.dataClasses.exists(c, c.startsWith("z"))',
    ],
)
def test_of_a_condition_that_does_more_nothing_is_claimed(when: str) -> None:
    found = analysed(forbid("odd", when))
    assert told(found) == []
    assert found.undecided == (("Permission", "", "odd"),)


def test_a_rule_on_models_is_tried_with_the_models_there_are() -> None:
    rule = {"effect": "forbid", "on": "model"}
    found = analysed(
        permission("large", when='model.tier == "large"', **rule),
        permission("m1", when='model.name == "m1" && run.calls > 3', **rule),
    )
    assert told(found) == [("never-matches", "large", [])]
    assert "no model and no call" in found.findings[0].message


def test_a_forbid_that_always_holds() -> None:
    found = analysed(forbid("all", "run.calls >= 0"))
    assert ("always-matches", "all", []) in told(found)
    assert ("uncallable-route", "r", []) in told(found)


def test_a_forbid_that_a_wider_one_covers() -> None:
    found = analysed(
        forbid("wide", "run.calls > 10"),
        forbid("narrow", 'run.calls > 20 && request.language == "de"'),
    )
    assert told(found) == [("shadowed", "narrow", ["wide"])]
    assert found.findings[0].message == '"narrow" adds nothing: "wide" matches whenever it does'


def test_the_first_of_two_equal_rules_is_kept() -> None:
    found = analysed(forbid("a", "run.calls > 10"), forbid("b", "11 <= run.calls"))
    assert told(found) == [("shadowed", "a", ["b"])]


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ({"level": "advisory"}, {}),  # it does not bind
        ({"level": "soft"}, {"level": "hard"}),  # it can be lifted
        ({}, {"level": "advisory"}),  # it is recorded
    ],
)
def test_another_level_is_another_rule(wide: dict[str, str], narrow: dict[str, str]) -> None:
    found = analysed(
        forbid("wide", "run.calls > 10", **wide), forbid("narrow", "run.calls > 20", **narrow)
    )
    assert told(found) == []


def test_a_tenants_rule_covers_none_of_the_organisation() -> None:
    found = analysed(
        permission("wide", "a", effect="forbid", when="run.calls > 10"),
        forbid("narrow", "run.calls > 20"),
    )
    assert told(found) == []


def test_a_tenants_rule_under_one_of_the_organisation() -> None:
    found = analysed(
        forbid("wide", "run.calls > 10"),
        permission("narrow", "a", effect="forbid", when="run.calls > 20"),
    )
    assert told(found) == [("shadowed", "narrow", ["wide"])]


def test_a_permit_that_another_makes_needless_unless_it_obliges() -> None:
    found = analysed(
        permission("more", effect="permit", when="user.known"),
        permission("less", effect="permit", when="user.known", obligations={"maxOutputTokens": 5}),
    )
    assert told(found) == [("shadowed", "more", ["everyone"])]


def test_a_permit_whose_calls_are_all_forbidden() -> None:
    found = analysed(
        permission(
            "night", effect="permit", when="run.calls > 9", obligations={"maxOutputTokens": 5}
        ),
        forbid("runaways", "run.calls > 5"),
    )
    assert told(found) == [("contradicted", "night", ["runaways"])]
    assert found.findings[0].message == 'whatever "night" permits, "runaways" forbids'


def test_an_escalation_that_never_comes() -> None:
    queue = document("ReviewQueue", "desk", {"reviewers": ["role:reviewer"]})
    spec = {"stage": "request", "when": "run.calls < 0", "queue": "desk"}
    found = analysed(queue, document("EscalationRule", "never", spec))
    assert told(found) == [("never-matches", "never", [])]


def test_nothing_is_said_of_rules_where_nobody_calls() -> None:
    found = analyse(
        bundle(
            EVERYONE,
            forbid("odd", "run.calls < 0"),
            a=tenant("a", teams=[]),
            b=tenant("b", teams=[]),
        ),
        NOW,
    )
    assert (told(found), found.undecided) == ([], ())
