"""Documents to a bundle: its digest, its bytes, and that a stored bundle decides the same."""

import msgspec
import pytest
import rfc8785

from policies.documents.parse import parse_text
from policies.engine.check import check
from policies.engine.compile import compile_bundle, load_bundle
from policies.engine.decide import decide
from policies.engine.forms import decode
from policies.engine.maker import InvalidBundle
from tests.policies.engine.world import WORLD, documents, facts, world


def test_the_digest_is_of_engine_and_documents_alone() -> None:
    found = documents()
    bundle = compile_bundle(1, reversed(found), check(found))
    bodies = sorted(
        (d.body for d in found),
        key=lambda b: (b["kind"], b["metadata"].get("tenant", ""), b["metadata"]["name"]),
    )
    assert bundle.text == rfc8785.dumps({"engine": 1, "documents": bodies})
    assert bundle.digest == world().digest
    moved = parse_text("# a comment moves every line\n\n" + WORLD.read_text(), "elsewhere.yaml")
    assert compile_bundle(2, moved, check(moved)).digest == bundle.digest


def test_a_stored_bundle_decides_the_same_bytes() -> None:
    found = documents()
    checked = check(found)
    stored = load_bundle(9, world().text, checked.encode())
    assert decode(checked.encode()) == checked
    assert stored.digest == world().digest
    assert decide(stored, facts()).digest == decide(world(), facts()).digest
    assert decide(stored, facts()).revision == 9


def test_a_condition_that_was_not_checked_is_refused() -> None:
    found = documents()
    other = documents()
    body = next(d.body for d in other if d.name == "no-secrets")
    body["spec"]["when"] = '"health" in request.dataClasses'
    with pytest.raises(InvalidBundle, match=r'Permission "no-secrets" spec.when was not checked'):
        compile_bundle(1, other, check(found))


def test_another_engine_or_broken_bytes_are_refused() -> None:
    checked = check(documents()).encode()
    whole = msgspec.json.decode(world().text)
    with pytest.raises(InvalidBundle, match=r"for engine 2, this is engine 1"):
        load_bundle(1, rfc8785.dumps({**whole, "engine": 2}), checked)
    with pytest.raises(InvalidBundle, match="cannot be read"):
        load_bundle(1, world().text, checked[:-3])
    none = [d for d in whole["documents"] if d["kind"] != "Organisation"]
    with pytest.raises(InvalidBundle, match=r"exactly one Organisation, not 0"):
        load_bundle(1, rfc8785.dumps({**whole, "documents": none}), checked)


def test_what_the_rest_of_the_product_reads() -> None:
    bundle = world()
    assert bundle.organisation.spec["currency"] == "EUR"
    assert [r.name for r in bundle.routes_for("insurance")] == [
        "claims-triage",
        "priceless",
        "single",
        "unvalidated",
        "writing",
    ]
    assert [r.name for r in bundle.routes_for("retail")] == [
        "priceless",
        "single",
        "unvalidated",
        "writing",
    ]
    assert bundle.route("retail", "claims-triage") is None
    route = bundle.route("insurance", "claims-triage")
    assert route is not None
    assert route.tenant == "insurance"
    model = bundle.model("insurance", "gpt-mini")
    assert model is not None
    assert model.labels == {"vendor": "openai"}
    provider = bundle.provider("", "llama")
    assert provider is not None
    assert provider.spec["timeouts"]["stallSeconds"] == "60"
    assert sorted(bundle.tenants) == ["insurance", "retail"]
    assert [g.spec["member"] for g in bundle.grants] == ["cleo@acme.example"]
    assert sorted(b.name for b in bundle.budgets) == [
        "claude-large-daily",
        "insurance-monthly",
        "organisation-year",
        "per-user",
    ]


def test_an_own_route_hides_the_organisations() -> None:
    extra = """\
apiVersion: mandate/v1
kind: Route
metadata: {name: single, tenant: insurance}
spec: {useCase: writing, strategy: {type: single, model: llama-small}}
"""
    bundle = world(extra)
    mine, theirs = bundle.route("insurance", "single"), bundle.route("retail", "single")
    assert mine is not None
    assert theirs is not None
    assert (mine.tenant, theirs.tenant) == ("insurance", "")
    plan = decide(bundle, facts(route="single")).plan
    assert plan is not None
    assert [s.model for s in plan.steps] == ["llama-small"]
