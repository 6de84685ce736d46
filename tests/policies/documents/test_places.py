"""Where every error stands: each field of each kind, wrong in each way, with the line and column of the very character."""

import json
from itertools import product

import pytest

from policies.documents.fields import Field, Free
from policies.documents.groups import Group, ListOf, MapOf, OneOf
from policies.documents.identity import Rates
from policies.documents.kinds import KINDS
from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments
from tests.policies.documents.test_kinds import SPECS, whole

# ruff: noqa: E501  # one case a line reads better than a short one

FIELDS = [(kind, name) for kind in KINDS for name in KINDS[kind].fields]
HEAD = "apiVersion: mandate/v1\nkind: {}\nmetadata: {{name: x}}\nspec:\n"
FIRST_LINE = 5


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidDocuments) as caught:
        parse_text(text, "a.yaml")
    return [str(p) for p in caught.value.problems]


def written(kind: str) -> dict[str, str]:
    """The example of a kind, each field of its spec as a line of JSON."""
    (document,) = parse_text(whole(kind, SPECS[kind]))
    return {name: json.dumps(value) for name, value in document.spec.items()}


def text(kind: str, lines: dict[str, str]) -> str:
    return HEAD.format(kind) + "".join(f"  {name}: {value}\n" for name, value in lines.items())


def wrong(field: Field) -> str:
    """A value of a type that the field cannot have."""
    return "7" if isinstance(field, ListOf | MapOf | Group | OneOf | Rates | Free) else "[[]]"


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_a_value_of_the_wrong_type_stands_at_its_own_character(kind: str, name: str) -> None:
    lines = written(kind)
    lines.pop(name, None)
    lines = {"descrption": "1", **lines, name: wrong(KINDS[kind].fields[name])}
    line = FIRST_LINE + len(lines) - 1
    first, *others = problems(text(kind, lines))
    assert first.startswith('a.yaml:5:3 spec.descrption: unknown field "descrption"')
    assert [o.split(": ")[0] for o in others] == [f"a.yaml:{line}:{len(name) + 5} spec.{name}"]
    assert "must be " in others[0]


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_a_misspelt_field_stands_at_its_name_and_names_the_nearest(kind: str, name: str) -> None:
    lines = written(kind)
    lines.pop(name, None)
    misspelt = name[:-1] + "xy"
    found = problems(text(kind, {**lines, misspelt: "1"}))
    place = f'a.yaml:{FIRST_LINE + len(lines)}:3 spec.{misspelt}: unknown field "{misspelt}"'
    told = [p for p in found if p.startswith(place)]
    assert len(told) == 1
    hint = told[0].removeprefix(place)
    assert hint == f'; did you mean "{name}"?' or (
        len(name) < 4 and hint.startswith("; known here: ")
    )
    required = [p for p in found if p not in told]
    wanted = (
        [f'a.yaml:5:3 spec.{name}: "{name}" is required: ']
        if KINDS[kind].fields[name].required
        else []
    )
    assert [p.startswith(w) for p, w in zip(required, wanted, strict=True)] == [True] * len(wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_written_twice_stands_at_the_second_and_names_the_first(kind: str) -> None:
    lines = written(kind)
    for number, (name, value) in enumerate(lines.items()):
        again = text(kind, lines) + f"  {name}: {value}\n"
        assert problems(again) == [
            f'a.yaml:{FIRST_LINE + len(lines)}:3 spec.{name}: "{name}" is written twice, first in line {FIRST_LINE + number}'
        ]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_what_has_no_safe_default_is_required(kind: str) -> None:
    lines = written(kind)
    needed = [name for name, field in KINDS[kind].fields.items() if field.required]
    for name in needed:
        less = {k: v for k, v in lines.items() if k != name}
        body = text(kind, less) if less else HEAD.format(kind).rstrip("\n") + " {}\n"
        (only,) = problems(body)
        place = "5:3" if less else "4:7"
        assert only.startswith(f'a.yaml:{place} spec.{name}: "{name}" is required: ')


STYLES = [
    ("anchor", "&a {}", "anchors are not allowed: &a", 0),
    ("tag", "!!str {}", 'tags are not allowed: "tag:yaml.org,2002:str"', 0),
    ("own tag", "!x {}", 'tags are not allowed: "!x"', 0),
]


@pytest.mark.parametrize(
    ("kind", "style"), list(product(KINDS, STYLES)), ids=lambda v: v if isinstance(v, str) else v[0]
)
def test_anchors_and_tags_are_refused_wherever_they_stand(
    kind: str, style: tuple[str, str, str, int]
) -> None:
    lines = written(kind)
    for number, name in enumerate(lines):
        marked = lines | {name: style[1].format(lines[name])}
        assert problems(text(kind, marked)) == [
            f"a.yaml:{FIRST_LINE + number}:{len(name) + 5} {style[2]}"
        ]


SECRET = "sk-live-0123456789"  # what must not be shown


@pytest.mark.parametrize(
    ("kind", "before", "after", "place"),
    [
        ("Provider", "  type: openai\n  credential: ", "\n", "6:15 spec.credential"),
        ("Provider", "  type: openai\n  credential: {key: ", "}\n", "6:15 spec.credential"),
        ("Provider", "  type: openai\n  credential: [", "]\n", "6:15 spec.credential"),
        ("Provider", "  type: openai\n  credential: secret:", " 2\n", "6:15 spec.credential"),
        ("Tool", "  type: http\n  risk: read\n  credential: '", "'\n", "7:15 spec.credential"),
        ("DataSource", "  type: http\n  dataClass: internal\n  credential: \"", "\"\n", "7:15 spec.credential"),
        ("Notification", "  on: [anomaly]\n  to: {webhook: 'https://x.example', credential: ", "}\n", "6:50 spec.to.credential"),
    ],
)  # fmt: skip
def test_a_literal_secret_is_refused_at_its_place_and_never_shown(
    kind: str, before: str, after: str, place: str
) -> None:
    (only,) = problems(HEAD.format(kind) + before + SECRET + after)
    assert (
        only
        == f"a.yaml:{place}: must be the name of a secret like secret:openai; a secret itself never stands in a document"
    )


MUST = {
    "Organisation": [
        ("  currency: eur\n", "5:13 spec.currency: must be a currency like EUR, not text ('eur')"),
        ("  currency: 42\n", "5:13 spec.currency: must be a currency like EUR, not a whole number ('42')"),
        ("  currency: null\n", "5:13 spec.currency: must be a currency like EUR, not nothing ('null')"),
        ("  currency: EUR\n  timeZone: CEST\n", "6:13 spec.timeZone: must be a time zone like Europe/Berlin, not text ('CEST')"),
        ("  currency: EUR\n  fiscalYearStartsOn: 13-01\n", "6:23 spec.fiscalYearStartsOn: must be a day of the year like 04-01, not text ('13-01')"),
        ("  currency: EUR\n  fiscalYearStartsOn: 04-31\n", "6:23 spec.fiscalYearStartsOn: must be a day of the year like 04-01, not text ('04-31')"),
        ("  currency: EUR\n  mode: alone\n", '6:9 spec.mode: must be one of single-operator, four-eyes, not "alone"'),
        ("  currency: EUR\n  mode: yes\n", '6:9 spec.mode: must be one of single-operator, four-eyes, not "yes"'),
        ("  currency: EUR\n  mode: true\n", "6:9 spec.mode: must be one of single-operator, four-eyes, not true or false ('true')"),
        ("  currency: EUR\n  replay: {required: yes}\n", "6:22 spec.replay.required: must be true or false, not text ('yes')"),
        ("  currency: EUR\n  replay: {days: 367}\n", "6:18 spec.replay.days: must be a whole number from 0 to 366, not a whole number ('367')"),
        ("  currency: EUR\n  replay: {days: 7.5}\n", "6:18 spec.replay.days: must be a whole number from 0 to 366, not a number ('7.5')"),
        ("  currency: EUR\n  replay: {days: true}\n", "6:18 spec.replay.days: must be a whole number from 0 to 366, not true or false ('true')"),
        ("  currency: EUR\n  replay: {days: '7'}\n", "6:18 spec.replay.days: must be a whole number from 0 to 366, not text ('7')"),
        ("  currency: EUR\n  dataClasses: []\n", "6:16 spec.dataClasses: needs at least 1"),
        ("  currency: EUR\n  dataClasses: [a, b, a]\n", '6:23 spec.dataClasses[2]: "a" is in the list twice'),
        ("  currency: EUR\n  dataClasses:\n    - a\n    - b c\n", "8:7 spec.dataClasses[1]: must be a name of letters, digits, '.', '_' and '-', at most 63, not text ('b c')"),
        ("  currency: EUR\n  approvals:\n    Budget: {count: -1}\n", "7:21 spec.approvals.Budget.count: must be a whole number from 0 to 20, not a whole number ('-1')"),
        ("  currency: EUR\n  approvals:\n    Budget: {roles: [finanse]}\n", 'did you mean "finance"?'),
        ("  currency: EUR\n  approvals:\n    Budget: {count: 1}\n    Budget: {count: 2}\n", '8:5 spec.approvals.Budget: "Budget" is written twice, first in line 7'),
        ("  currency: EUR\n  exchangeRates:\n    - {USD: '0.92'}\n", '7:7 spec.exchangeRates[0].from: "from" is required: a day like 2026-11-01'),
        ("  currency: EUR\n  exchangeRates:\n    - {from: 2026-11-01, USD: 0.92}\n", "7:31 spec.exchangeRates[0].USD: must be a rate in quotes like \"0.92\", not a number ('0.92'); write \"0.92\" in quotes"),
        ("  currency: EUR\n  exchangeRates:\n    - {from: 2026-11-01, usd: '0.92'}\n", '7:26 spec.exchangeRates[0].usd: unknown field "usd"; known here: from'),
        ("  currency: EUR\n  exchangeRates:\n    - {from: 1 November, USD: '0.92'}\n", "7:14 spec.exchangeRates[0].from: must be a day like 2026-11-01, not text ('1 November')"),
    ],
    "RoleGrant": [
        ("  member: cleo\n  roles: [author]\n", "5:11 spec.member: must be an e-mail address, not text ('cleo')"),
        ("  member: [a@b.example]\n  roles: [author]\n", "5:11 spec.member: must be an e-mail address, not a list"),
        ("  member: {a: b}\n  roles: [author]\n", "5:11 spec.member: must be an e-mail address, not a mapping"),
    ],
    "Provider": [
        ("  type: sandbox\n  baseUrl: ftp://x\n", "6:12 spec.baseUrl: must be an address like https://api.openai.com/v1, not text ('ftp://x')"),
        ("  type: sandbox\n  timeouts: {connectSeconds: 0}\n", "6:30 spec.timeouts.connectSeconds: must be a number from 0.1 to 60, not a whole number ('0')"),
        ("  type: sandbox\n  timeouts: {stallSeconds: 1e2}\n", "6:28 spec.timeouts.stallSeconds: must be a number from 0.1 to 600, not a number ('1e2')"),
        ("  type: sandbox\n  timeouts: {stalSeconds: 1}\n", '6:14 spec.timeouts.stalSeconds: unknown field "stalSeconds"; did you mean "stallSeconds"?'),
    ],
    "Budget": [
        ("  period: day\n  limit: 5\n", "6:10 spec.limit: must be an amount in quotes like \"25000.00\", not a whole number ('5'); write \"5\" in quotes"),
        ("  period: day\n  limit: '-5'\n", "6:10 spec.limit: must be an amount in quotes like \"25000.00\", not text ('-5')"),
        ("  period: day\n  limit: '1.0000000001'\n", "6:10 spec.limit: must be an amount in quotes like \"25000.00\", not text ('1.0000000001')"),
        ("  period: day\n  limit: '5'\n  alerts: [50, 0]\n", "7:16 spec.alerts[1]: must be a whole number from 1 to 1000, not a whole number ('0')"),
        ("  period: day\n  limit: '5'\n  each: [user, users]\n", '7:16 spec.each[1]: must be one of user, key, team, run, not "users"; did you mean "user"?'),
        ("  period: day\n  limit: '5'\n  scope:\n    labels: {project: 7}\n", "8:23 spec.scope.labels.project: must be text of at most 512 characters, not a whole number ('7'); write \"7\" in quotes"),
        ("  period: day\n  limit: '5'\n  scope:\n    labels: {'a b': x}\n", "8:14 spec.scope.labels: must be a name of letters"),
        ("  period: day\n  limit: '5'\n  scope:\n    model: a b\n", "8:12 spec.scope.model: must be the name of a Model, not text ('a b')"),
        ("  period: day\n  limit: '5'\n  scope:\n    team: ''\n    user: ''\n", "9:11 spec.scope.user: must be the reference of a user, not text ('')"),
    ],
    "Route": [
        ("  useCase: u\n  strategy: {model: m}\n", "6:13 spec.strategy.type: must be one of single, fallback, weighted, consensus, human, cascade"),
        ("  useCase: u\n  strategy: {type: single}\n", '6:13 spec.strategy.model: "model" is required: the name of a Model'),
        ("  useCase: u\n  strategy: {type: fallback, models: []}\n", "6:38 spec.strategy.models: needs at least 1"),
        ("  useCase: u\n  strategy: {type: fallback, models: [a, a]}\n", '6:42 spec.strategy.models[1]: "a" is in the list twice'),
        ("  useCase: u\n  strategy: {type: weighted, models: [{model: a}]}\n", '6:39 spec.strategy.models[0].weight: "weight" is required: a whole number from 0 to 1000000'),
        ("  useCase: u\n  strategy: {type: single, model: a}\n  retry: {on: [timeout, slow]}\n", '7:25 spec.retry.on[1]: must be one of timeout, rate_limited'),
        ("  useCase: u\n  strategy: {type: single, model: a}\n  retry: {backoffSeconds: '61'}\n", "7:27 spec.retry.backoffSeconds: must be a number from 0 to 60, not text ('61')"),
        ("  useCase: u\n  strategy: {type: cascade, tiers: [{strategy: {type: cascade, tiers: [{strategy: {type: single, model: a}}]}}]}\n", '6:73 spec.strategy.tiers[0].strategy.tiers[0].strategy: unknown field "strategy"'),
    ],
    "ReviewQueue": [
        ("  reviewers: ['role:']\n", "5:15 spec.reviewers[0]: must be role:reviewer or an e-mail address, not text ('role:')"),
    ],
    "Validator": [
        ("  type: json_schema\n  schema: [1]\n", "6:11 spec.schema: must be a mapping"),
        ("  type: json_schema\n  schema: {a: {b: 1, b: 2}}\n", '6:22 spec.schema.a.b: "b" is written twice, first in line 6'),
        ("  type: json_schema\n  schema: {a: [1, 9007199254740992]}\n", "6:19 spec.schema.a[1]: is too large for JSON; write it in quotes"),
        ("  type: json_schema\n  schema: {true: 1}\n", "6:12 spec.schema: a key must be text; put it in quotes"),
    ],
    "PolicyTest": [
        ("  given: {tenant: t, route: r, now: yesterday}\n  expect: {}\n", "5:37 spec.given.now: must be a day or a moment in UTC, not text ('yesterday')"),
        ("  given: {tenant: t, route: r, request: {stream: 1}}\n  expect: {}\n", "5:50 spec.given.request.stream: must be true or false, not a whole number ('1')"),
    ],
}  # fmt: skip
TOLD = [(kind, spec, wanted) for kind, cases in MUST.items() for spec, wanted in cases]


@pytest.mark.parametrize(("kind", "spec", "wanted"), TOLD)
def test_what_must_stand_there_instead(kind: str, spec: str, wanted: str) -> None:
    (only,) = problems(HEAD.format(kind) + spec)
    assert (
        only.startswith(f"a.yaml:{wanted}")
        or wanted in only.partition(";")[1] + only.partition(";")[2]
    ), only


@pytest.mark.parametrize(
    ("metadata", "wanted"),
    [
        ("{}", '3:11 metadata.name: "name" is required: a name of letters'),
        ("[]", "3:11 metadata: must be a mapping, not a list"),
        ("{name: a/b}", "3:18 metadata.name: must be a name of letters"),
        ("{name: x, tenent: y}", '3:21 metadata.tenent: unknown field "tenent"; did you mean "tenant"?'),
        ("{name: x, tenant: [y]}", "3:29 metadata.tenant: must be a name of letters"),
        ("{name: x, labels: {a: [b]}}", "3:33 metadata.labels.a: must be text of at most 512 characters, not a list"),
        ("{name: x, owner: ''}", "3:28 metadata.owner: must be a member or a team, not text ('')"),
        ("{name: x, origin: web}", '3:29 metadata.origin: must be one of git, console, not "web"'),
        ("{name: x, name: x}", '3:21 metadata.name: "name" is written twice, first in line 3'),
        ("{name: " + "x" * 64 + "}", "3:18 metadata.name: must be a name of letters"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_metadata(metadata: str, wanted: str) -> None:
    (only,) = problems(whole("RoleGrant", SPECS["RoleGrant"]).replace("{name: x}", metadata))
    assert only.startswith(f"a.yaml:{wanted}"), only


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("a: b: c\n", "a.yaml:1:5 not YAML: "),
        ("a:\n\t- b\n", "a.yaml:2:1 not YAML: "),
        ("'open\n", "a.yaml:2:1 not YAML: "),
        ("a: 1\n--- {\n", "a.yaml:3:1 not YAML: "),
        ("42\n", "a.yaml:1:1 a document is a mapping"),
        ("? [a]\n: b\n", 'a.yaml:1:1 apiVersion: apiVersion must be "mandate/v1"'),
        ("apiVersion: mandate/v2\nkind: Tenant\nmetadata: {name: x}\nspec: {}\n", 'a.yaml:1:13 apiVersion: apiVersion must be "mandate/v1"'),
        ("apiVersion: mandate/v1\nkind: [Tenant]\nmetadata: {name: x}\nspec: {}\n", 'a.yaml:2:7 kind: kind "None" is not known'),
        ("apiVersion: mandate/v1\nmetadata: {name: x}\nspec: {}\n", "a.yaml:1:1 kind: kind is required"),
        ("apiVersion: mandate/v1\nkind: Tenant\nmetadata: {name: x}\nspec: {}\nstatus: {}\n", 'a.yaml:5:1 status: unknown field "status"'),
    ],
)  # fmt: skip
def test_what_is_no_document(content: str, wanted: str) -> None:
    assert problems(content)[0].startswith(wanted), problems(content)


def test_problems_of_several_documents_stand_in_the_order_of_the_file() -> None:
    bad = whole("Tenant", "{teams: 7}")
    assert [p.split(" ")[0] for p in problems(f"{bad}---\n{bad}---\n{bad}")] == [
        "a.yaml:4:15", "a.yaml:9:15", "a.yaml:14:15",
    ]  # fmt: skip
