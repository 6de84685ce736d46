"""A Model beside a snapshot: one row more in the author's own text, and never another touched."""

import pytest

from policies.documents.parse import parse_text
from policies.folders.pricebook.comparing import Left, Source, compare
from policies.folders.pricebook.proposing import sources_of, wanted
from policies.folders.pricebook.snapshot import Snapshot
from tests.policies.folders.pricebook.test_snapshot import DAY, GRAND, SAMPLE

PROVIDER = """\
apiVersion: mandate/v1
kind: Provider
metadata: {name: vendor}
spec: {type: openai, credential: secret:vendor}
"""
MODEL = """\
apiVersion: mandate/v1
kind: Model
metadata: {name: small}  # our smallest
spec:
  provider: vendor
  upstreamName: tiny
  contextWindow: 4000
  maxOutputTokens: 1000
  prices:
    # as signed
    - {from: 2026-01-01, currency: USD, inputPerMillion: "0.28", outputPerMillion: "2"}  # list price
"""
ROW = """{from: 2026-11-29, currency: USD, inputPerMillion: "0.25", cachedInputPerMillion: "0.025", outputPerMillion: "2"}"""
SNAPSHOT = Snapshot(SAMPLE, "sample.json")


def model(text: str = MODEL, kept: str = "") -> list[Source]:
    return [
        Source("Provider", "", "vendor", PROVIDER, ""),
        Source("Model", "", "small", text, kept),
    ]


def test_a_price_that_differs_is_one_row_more_from_the_day_on() -> None:
    [new] = compare(model(), SNAPSHOT, DAY).new
    assert new.text.startswith(MODEL)
    added = parse_text(new.text, "m.yaml")[0].spec["prices"]
    assert added[0] == parse_text(MODEL, "m.yaml")[0].spec["prices"][0]
    assert added[1:] == [
        {
            "from": "2026-11-29",
            "currency": "USD",
            "inputPerMillion": "0.25",
            "cachedInputPerMillion": "0.025",
            "outputPerMillion": "2",
        }
    ]
    assert new.row == added[1]


def test_tiers_are_written_with_their_row() -> None:
    provider = PROVIDER.replace("type: openai", "type: anthropic")
    text = MODEL.replace("upstreamName: tiny", "upstreamName: grand-5")
    sources = [Source("Provider", "", "vendor", provider), Source("Model", "", "small", text)]
    [new] = compare(sources, SNAPSHOT, DAY).new
    assert parse_text(new.text, "m.yaml")[0].spec["prices"][1] == {"from": DAY, **GRAND}
    # proposed once: published, it is the same
    sources[1] = Source("Model", "", "small", new.text)
    again = compare(sources, SNAPSHOT, "2026-11-30")
    assert (again.new, again.same, again.left) == ((), (("", "small"),), ())


@pytest.mark.parametrize(
    "price",
    [
        'inputPerMillion: "0.25", cachedInputPerMillion: "0.025", outputPerMillion: "2"',
        'inputPerMillion: "0.250", cachedInputPerMillion: "0.0250", cacheWritePerMillion: "0.5", outputPerMillion: "2.00"',
    ],
)
def test_the_same_price_written_otherwise_is_the_same(price: str) -> None:
    text = MODEL.replace('inputPerMillion: "0.28", outputPerMillion: "2"', price)
    found = compare(model(text), SNAPSHOT, DAY)
    assert (found.new, found.same, found.left) == ((), (("", "small"),), ())


@pytest.mark.parametrize(
    ("text", "kept", "why"),
    [
        (MODEL.replace("USD", "EUR"), "", "it is priced in EUR, the snapshot in USD"),
        (
            MODEL.replace("2026-01-01", DAY),
            "",
            f"it has a price from {DAY} already; no price that stands is changed",
        ),
        (MODEL.replace("tiny", "huge"), "", 'it lists no "huge" at openai'),
        (MODEL.replace("vendor", "other"), "", 'there is no provider "other"'),
        (
            MODEL + '  capacity: {perHour: "3", currency: USD, from: 2026-01-01}\n',
            "",
            "it is bought by the hour: its tokens cost nothing",
        ),
        (
            MODEL,
            "models.yaml:3",
            "it is kept in Git, models.yaml:3: add there " + ROW,
        ),
    ],
)
def test_what_gets_no_price_says_why(text: str, kept: str, why: str) -> None:
    found = compare(model(text, kept), SNAPSHOT, DAY)
    assert (found.new, found.same, found.left) == ((), (), (Left("", "small", why),))


def test_a_model_of_a_tenant_goes_into_the_tenants_own_change_request() -> None:
    of_tenant = MODEL.replace("{name: small}", "{name: small, tenant: insurance}")
    sources = [*model(), Source("Model", "insurance", "small", of_tenant)]
    made = wanted(compare(sources, SNAPSHOT, DAY).new, "sample.json", DAY)
    assert [(w.tenant, w.title, w.reason) for w in made] == [
        ("", "Prices of 1 model from 2026-11-29", "from the snapshot sample.json"),
        ("insurance", "Prices of 1 model from 2026-11-29", "from the snapshot sample.json"),
    ]


def test_a_server_says_what_is_kept_in_git() -> None:
    base = {"kind": "Model", "tenant": "", "name": "small", "source": MODEL, "path": "m.yaml"}
    found = sources_of(
        [
            {**base, "origin": "git", "commit": "abc", "line": 3},
            {**base, "origin": "git", "commit": "", "line": 1},
            {**base, "origin": "console", "commit": "abc", "line": 1},
            {**base, "kind": "Route", "origin": "console", "commit": "", "line": 1},
        ]
    )
    assert [source.kept for source in found] == ["m.yaml:3", "", ""]
