"""Bundles and calls for the corpus, from fixed seeds: every kind of rule, strategy, error, exception, built-in, escalation.

Each world is a few documents and the calls that are decided under them.
"""

# ruff: noqa: E501  # tables

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

import msgspec

from policies.engine.facts import (
    BudgetFacts,
    Facts,
    KeyFacts,
    RequestFacts,
    RunFacts,
    StopFact,
    UserFacts,
    draw_of,
)
from policies.engine.weigh import AnswerFacts, Checked
from tests.policies.engine.small import (
    PARTS,
    PRICE,
    VALID,
    budget,
    document,
    model,
    organisation,
    permission,
    route,
    tenant,
)

FUNCTIONS = [
    "request.inputTokensMax + 1 > 100", "request.inputTokensMax - run.calls * 3 >= 40", "run.seconds / run.calls == 7", "run.seconds % run.calls == 1",
    "-run.calls < -1", "9223372036854775807 + run.calls > 0", "run.cost * 2.0 > 3.5", "run.cost / 0.0 > 1.0", "budget.shareUsed <= 0.9",
    "size(request.labels) > 1", "request.labels.size() == 1", "size(request.language) == 2", "request.language.contains('d')", "request.language.startsWith('d')",
    "request.task.endsWith('n')", "request.task.matches('^[a-z]+$')", "key.id.matches('[0-9]')", "int(request.labels.depth) > 2", "uint(request.labels.depth) == 3u",
    "double(request.labels.depth) < 2.5", "string(run.calls) == '3'", "bytes(request.language) == b'de'", "bool(request.labels.flag)",
    "timestamp('2026-11-24T12:00:00Z') < now", "duration('90m') > duration('1h')", "now + duration('24h') > timestamp('2026-12-01T00:00:00Z')",
    "now.getFullYear() == 2026", "now.getMonth() == 10", "now.getDate() == 24", "now.getDayOfMonth() == 23", "now.getDayOfWeek() == 2", "now.getDayOfYear() > 320",
    "now.getHours('Europe/Berlin') < 8", "now.getMinutes() == 30", "now.getSeconds() == 0", "now.getMilliseconds() == 500", "now.getHours('+05:30') > 12",
    "duration('3h').getMinutes() == 180", "type(run.calls) == int", "dyn(run.calls) == 3.0", "request.dataClasses.exists(c, c == 'personal')",
    "request.dataClasses.all(c, c in ['public', 'internal'])", "request.dataClasses.exists_one(c, c.startsWith('p'))", "request.tools.filter(t, t != 'a').size() == 1",
    "request.tools.map(t, t + '!').exists(t, t == 'a!')", "request.dataClasses.exists(c, c in request.tools)", "request.labels.exists(k, request.labels[k] == 'x')",
    "'purpose' in request.labels", "has(request.labels.purpose)", "request.labels.missing == 'x' || run.calls > 3", "request.labels.missing == 'x' && run.calls > 3",
    "request.labels['purpose'] == 'test' ? run.calls > 1 : request.stream", "request.dataClasses[0] == 'internal'", "request.tools[7] == 'x'", "!(user.known && request.stream)",
    "{'a': 1, 'b': 2}[request.language] == 1", "[1, 2, 3].exists(n, n == run.calls)", "tenant.region in ['eu', 'us']", "tenant.labels.tier == 'gold'", "key.labels.env != 'prod'",
    "[request.language, request.task].all(s, s < 'f')", "'ü' < request.language", "string(now) > '2026-11-24T09'", "string(run.cost).size() > 3", "useCase.riskClass == 'high' && route.name != 'r'",
]  # fmt: skip
ON_MODEL = [
    "model.tier == 'small'", "'eu' in model.regions", "model.vendor == 'q'", "model.name.startsWith('m')", "!('tools' in model.capabilities)", "model.lifecycle != 'active'",
    "'personal' in request.dataClasses && !('personal' in model.clearance)", "1 / run.calls == 1", "request.labels.only == model.name", "model.regions.all(r, r in ['eu', 'us'])",
]  # fmt: skip
ON_CALL = ["true", "request.stream", "team.name == 't'", "run.calls > 2", "request.labels.purpose == 'test'", "1 / run.calls == 1", "key.labels.env == 'prod'", "user.known"]  # fmt: skip
TIERS = ("small", "medium", "large")
WHOLE = {"by": "rui@acme.example", "on": "2026-01-01", "validUntil": "2027-12-31"}


def base(**more: str) -> list[str]:
    """An organisation in EUR with two tenants, two providers and a use case."""
    parts = PARTS | {
        "organisation": organisation(timeZone="Europe/Berlin", exchangeRates=[{"from": "2026-01-01", "USD": "0.95"}, {"from": "2026-11-20", "USD": "0.913", "CHF": "1.07"}]),
        "a": tenant("a", region="eu", timeZone="America/New_York", fiscalYearStartsOn="04-01", teams=["t", "s"]),
        "b": tenant("b", region="us"),
        "q": document("Provider", "q", {"type": "sandbox"}),
        "desk": document("ReviewQueue", "desk", {"reviewers": ["role:reviewer"]}),
        "adesk": document("ReviewQueue", "desk", {"reviewers": ["role:reviewer"]}, "a"),
    }  # fmt: skip
    return [*(parts | more).values()]


def some_models(random: Random, count: int) -> list[str]:
    """Models of every sort."""
    made = []
    for n in range(count):
        currency = random.choice(["EUR", "EUR", "USD", "CHF", "GBP"])
        price = PRICE | {
            "currency": currency,
            "inputPerMillion": f"0.{random.randrange(1, 999):03}",
            "outputPerMillion": f"{random.randrange(1, 30)}.{random.randrange(100):02}",
        }
        if random.random() < 0.3:
            price |= {"cachedInputPerMillion": "0.01", "cacheWritePerMillion": "3.5"}
        later = price | {"from": "2026-12-01", "inputPerMillion": "9"}
        life = random.choice(
            [
                {},
                {},
                {},
                {"state": "deprecated"},
                {"state": "retired", "replacement": "m0"},
                {"sunsetOn": "2026-12-10"},
                {"sunsetOn": "2026-11-20", "replacement": "m1"},
                {"state": "retired"},
            ]
        )
        made.append(model(
            f"m{n}", provider=random.choice("pq"), tier=random.choice(TIERS), lifecycle=life if n > 1 else {},
            clearance=random.choice([["public"], ["public", "internal"], ["public", "internal", "personal"]]),
            capabilities=random.choice([["chat"], ["chat", "tools"], ["chat", "tools", "vision", "json_schema"]]),
            regions=random.sample(["eu", "us", "asia"], random.randrange(3)), contextWindow=random.choice([900, 10_000, 400_000]),
            maxOutputTokens=random.choice([300, 1000, 32_000]), prices=random.choice([[price], [price, later], [price, later], []]) if n > 1 else [price],
        ))  # fmt: skip
    return made


def some_rules(random: Random, count: int) -> list[str]:
    """Permits and forbids of both levels, on calls and models."""
    made = []
    for n in range(count):
        on = random.choice(["call", "model", "model"])
        forbid = random.random() < 0.6
        spec: dict[str, Any] = {
            "on": on,
            "when": random.choice(ON_CALL if on == "call" else ON_CALL + ON_MODEL),
        }
        spec |= (
            {"effect": "forbid", "level": random.choice(["hard", "soft", "advisory"])}
            if forbid
            else {"effect": "permit"}
        )
        if forbid and random.random() < 0.4:
            spec["message"] = random.choice(
                ["'no: ' + team.name", "'calls: ' + string(run.calls / 0)", "'no'"]
            )
        if not forbid and random.random() < 0.5:
            spec["obligations"] = {
                "maxOutputTokens": random.choice([0, 50, 200]),
                "hold": random.choice(["", "", "desk"]),
            }
        owner = {"owner": "cleo@acme.example"} if random.random() < 0.3 else {}
        made.append(
            permission(f"r{n}", random.choice(["", "", "a", "b"]), **spec).replace(
                '"name"', f'"owner": "{owner["owner"]}", "name"' if owner else '"name"', 1
            )
        )
    return made


def some_routes(random: Random, names: list[str]) -> list[str]:
    """One route of every strategy, and some of its settings."""
    picked = random.sample(names, min(5, len(names)))
    weighted = {
        "type": "weighted",
        "models": [
            {"model": m, "weight": random.randrange(0, 9) + (n == 0)} for n, m in enumerate(picked)
        ],
    }
    tiers = [
        {"models": picked[:2], "accept": "confidence.score >= 0.8"},
        {"models": picked[2:4], "accept": "output.json.ok == true"},
        {"models": picked[4:]},
    ]
    return [
        route("single", strategy={"type": "single", "model": picked[0]}),
        route("r", *picked, task="classification", retry={"attempts": 3, "on": ["timeout", "rate_limited"], "backoffSeconds": "1.5"}),
        route("weighted", strategy=weighted),
        route("cascade", strategy={"type": "cascade", "tiers": tiers[: len(picked) - 2], "otherwise": {"escalate": "desk"}}, confidence={"method": "agreement", "samples": 4}, validators=["v"]),
        route("checked", *picked[:2], validators=["v", "w"], stream="refuse"),
        route("r", picked[-1], tenant="b"),
        document("Route", "old", {"useCase": "ended", "strategy": {"type": "single", "model": picked[0]}}),
        document("Route", "early", {"useCase": "later", "strategy": {"type": "single", "model": picked[0]}}),
        document("Route", "never", {"useCase": "unchecked", "strategy": {"type": "single", "model": picked[0]}}),
        document("UseCase", "ended", {"owner": "cleo@acme.example", "purpose": "x", "riskClass": "high", "validation": VALID | {"validUntil": "2026-11-01"}}),
        document("UseCase", "later", {"owner": "cleo@acme.example", "purpose": "x", "riskClass": "limited", "validation": VALID | {"on": "2027-01-01"}}),
        document("UseCase", "unchecked", {"owner": "cleo@acme.example", "purpose": "x", "riskClass": "minimal"}),
        document("Validator", "v", {"type": "cel", "when": "output.text != 'bad'", "onFailure": random.choice(["next", "repair"])}),
        document("Validator", "w", {"type": "json_schema", "schema": {"type": "object"}, "onFailure": "escalate", "queue": "desk"}),
    ]  # fmt: skip


def some_governing(random: Random) -> list[str]:
    """Budgets of every period, exceptions, and rules that send to a person."""
    periods = ["day", "week", "month", "quarter", "fiscal-year", "once"]
    scopes: list[dict[str, Any]] = [
        {},
        {"tenant": "a"},
        {"team": "t", "tenant": "a"},
        {"key": "key1"},
        {"route": "r"},
        {"useCase": "u"},
        {"model": "m0"},
        {"provider": "p"},
        {"labels": {"purpose": "test"}},
    ]
    made = [
        budget(f"b{n}", period=random.choice(periods), limit=f"{random.randrange(1, 900)}.5", scope=random.choice(scopes), each=random.sample(["user", "key", "team", "run"], random.choice([0, 0, 1, 2])), hard=random.random() < 0.7, onExhausted=random.choice(["deny", "clamp"]))
        for n in range(6)
    ]  # fmt: skip
    made += [
        document(
            "EscalationRule",
            "ask",
            {"stage": "request", "when": random.choice(ON_CALL[1:]), "queue": "desk"},
        ),
        document(
            "EscalationRule",
            "ask-a",
            {"stage": "request", "when": "run.cost > 5.0", "queue": "desk"},
            "a",
        ),
        document(
            "EscalationRule",
            "large",
            {
                "stage": "response",
                "when": "route.name != 'single' && output.json.payout > 100.0",
                "queue": "desk",
            },
        ),
        document(
            "Exception",
            "more",
            {"budget": "b0", "raiseBy": "10", "reason": "x", "expiresOn": "2026-12-31"},
        ),
        permission(
            "excepted",
            effect="forbid",
            level="soft",
            on="model",
            when="model.tier == 'large'",
            message="'large'",
        ),
        document(
            "Exception",
            "lift",
            {
                "permission": "excepted",
                "scope": {"team": "t", "tenant": "a"},
                "reason": "x",
                "expiresOn": "2026-11-30",
            },
        ),
        document(
            "Exception",
            "lift-m0",
            {
                "permission": "excepted",
                "scope": {"model": "m0"},
                "reason": "x",
                "expiresOn": "2026-12-31",
            },
        ),
    ]
    return made


def calls(random: Random, count: int) -> Iterator[Facts]:
    """Calls that differ in everything a decision looks at."""
    pick, some = random.choice, random.sample
    for number in range(count):
        yield Facts(
            now=pick(["2026-11-24T09:30:00.000Z", "2026-11-24T09:30:00.000Z", "2026-11-24T04:59:59.500Z", "2026-12-10T05:00:00.000Z", "2027-03-31T22:30:00.000Z", "2026-10-25T00:30:00.000Z"]),
            call=f"{number:032x}", tenant=pick(["a", "a", "a", "b", "b", "nobody" if number % 5 == 0 else "a"]), team=pick(["t", "t", "t", "t", "s", "x"]),
            key=KeyFacts(id=f"key{number % 3}", labels=pick([{}, {"env": "prod"}, {"env": "test"}])),
            route=pick(["r", "r", "r", "single", "weighted", "weighted", "cascade", "cascade", "checked", "old", "early", "never", "none"]),
            request=RequestFacts(
                dialect=pick(["openai.chat", "anthropic.messages", "openai.responses"]), data_classes=tuple(some(["public", "internal", "personal"], pick([0, 1, 1, 2]))),
                tools=tuple(some(["a", "b", "lookup"], pick([0, 0, 1, 2]))), needs=tuple(some(["tools", "vision"], pick([0, 0, 0, 0, 1]))),
                input_tokens_max=pick([0, 100, 5000, 250_000]), input_tokens_estimate=pick([0, 50, 50, 800, 20_000]), output_tokens_asked=pick([0, 0, 0, 100, 20_000]),
                stream=random.random() < 0.3, n=pick([1, 1, 1, 1, 3]), language=pick(["", "de", "en", "ü"]),
                labels=pick([{}, {"purpose": "test"}, {"depth": "2", "purpose": "x"}, {"depth": "3"}, {"depth": "zwei", "flag": "true"}, {"only": "m0"}]),
            ),
            draw=draw_of(random.randbytes(8)), user=pick([UserFacts(), UserFacts(known=True, ref=f"{number % 4:064x}")]),
            run=RunFacts(id=pick(["", "r1"]), calls=pick([0, 1, 3, 4, 9]), cost=pick(["0.00", "1.75", "5.01", "12.345678901"]), seconds=pick([0, 7, 21])),
            budgets=pick([(), (BudgetFacts(name="b0", share_used_permille=random.randrange(1200)),)]),
            stops=pick([(), (), (), (), (), (StopFact(kind="everything"),), (StopFact(kind="tenant", name="a"),), (StopFact(kind="key", name="key1"),), (StopFact(kind="route", name="r"),), (StopFact(kind="model", name="m0"), StopFact(kind="provider", name="q"))]),
            breakers_open=pick([(), (), (), ("m0",), ("m1", "m2")]), clamp=pick([0, 0, 0, 20]), exclude=pick([(), (), (), (), ("m0",)]),
        )  # fmt: skip


def calmer(facts: Facts) -> Facts:
    """The same call, on a route that is there, of a known team, with nothing stopped: most of these are permitted."""
    request = msgspec.structs.replace(
        facts.request,
        data_classes=("public",),
        needs=(),
        input_tokens_estimate=50,
        output_tokens_asked=0,
        n=1,
        stream=False,
    )
    route = {"old": "cascade", "early": "checked", "never": "weighted", "none": "cascade"}.get(
        facts.route, facts.route
    )
    tenant, team = ("b", "t") if facts.tenant == "b" else ("a", "s" if facts.team == "s" else "t")
    return msgspec.structs.replace(
        facts,
        tenant=tenant,
        team=team,
        route=route,
        request=request,
        stops=(),
        breakers_open=(),
        exclude=(),
    )


def answers(random: Random, tiers: int, of: str) -> AnswerFacts:
    """What is known of one answer."""
    tier = random.randrange(tiers)
    return AnswerFacts(
        of=of, tier=tier, last=tier == tiers - 1, attempts=random.randrange(1, 4), repairs=random.choice([0, 0, 1]), tokens=random.randrange(500),
        error_class=random.choice(["", "", "", "", "timeout"]), finish_reason="stop", method="agreement", confidence=random.choice(["", "0.5", "0.8", "1"]),
        validators=tuple(Checked(validator=name, passed=random.random() < 0.8) for name in ("v", "w")), output="ab" * 32,
    )  # fmt: skip


TEXTS = [
    "",
    "bad",
    "good",
    '{"ok": true, "payout": 50.0}',
    '{"ok": true, "payout": 5000.0}',
    '{"ok": false, "payout": 1}',
    "[1, 2]",
]


def _functions(random: Random) -> list[str]:
    observed = [
        permission(f"f{n:02}", effect="forbid", level="advisory", on="call", when=when)
        for n, when in enumerate(FUNCTIONS)
    ]
    observed += [
        permission(f"o{n:02}", effect="forbid", level="advisory", on="model", when=when)
        for n, when in enumerate(ON_MODEL)
    ]
    return [
        *base(),
        *some_models(random, 6),
        *some_routes(random, [f"m{n}" for n in range(6)]),
        permission("everyone", effect="permit"),
        *observed,
    ]


def _mixed(random: Random) -> list[str]:
    names = [f"m{n}" for n in range(8)]
    permits = [
        permission("everyone", effect="permit"),
        permission(
            "insiders",
            "a",
            effect="permit",
            when="team.name == 't'",
            obligations={"maxOutputTokens": 400},
        ),
    ]
    return [
        *base(),
        *some_models(random, 8),
        *some_routes(random, names),
        *permits,
        *some_rules(random, 9),
        *some_governing(random),
    ]


def _plain(random: Random) -> list[str]:
    names = [f"m{n}" for n in range(6)]
    return [
        *base(),
        *some_models(random, 6),
        *some_routes(random, names),
        permission("everyone", effect="permit"),
        *some_governing(random),
    ]


def _held(random: Random) -> list[str]:
    names = [f"m{n}" for n in range(5)]
    repaired = document(
        "Validator", "v", {"type": "cel", "when": "output.text != 'bad'", "onFailure": "repair"}
    )
    routes = [text for text in some_routes(random, names) if '"name": "v"' not in text]
    asks = [
        permission("outsiders", effect="permit", when="team.name != 'x'"),
        permission(
            "ask",
            effect="permit",
            when="run.calls > 1",
            obligations={"hold": "desk", "maxOutputTokens": 150},
        ),
    ]
    return [*base(), *some_models(random, 5), *routes, repaired, *asks]


WORLDS: Mapping[str, tuple[int, int, Callable[[Random], list[str]]]] = {
    "functions": (1, 40, _functions),
    **{f"mixed-{n}": (n, 34, _mixed) for n in range(2, 10)},
    **{f"plain-{n}": (n, 34, _plain) for n in range(10, 14)},
    **{f"calm-{n}": (n, 40, _plain) for n in range(20, 25)},
    **{f"held-{n}": (n, 90, _held) for n in range(14, 16)},
}
"""By name: the seed, how many calls, and what makes the documents."""
