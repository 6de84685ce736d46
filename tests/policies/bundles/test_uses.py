"""Where a document is used."""

from policies.bundles.uses import Use, uses
from policies.documents.parse import parse_text
from tests.policies.texts import permission, tenant

ROUTE = """\
apiVersion: mandate/v1
kind: Route
metadata: {name: ask, tenant: t}
spec:
  useCase: case
  task: chat
  strategy: {type: fallback, models: [small, large]}
"""


def _model(name: str, of: str = "") -> str:
    place = f", tenant: {of}" if of else ""
    return (
        f"apiVersion: mandate/v1\nkind: Model\nmetadata: {{name: {name}{place}}}\n"
        "spec: {provider: sky, upstreamName: x, contextWindow: 10, maxOutputTokens: 10}\n"
    )


def test_a_reference_is_found_with_its_line_in_its_own_document() -> None:
    found = parse_text("---\n".join((tenant("t", "x"), _model("small"), _model("large"), ROUTE)))
    assert uses(found, ("Model", "", "small")) == [
        Use(("Route", "t", "ask"), "spec.strategy.models[0]", 7)
    ]
    # what is not there is used by nobody
    assert uses(found, ("Provider", "", "sky")) == []


def test_a_name_means_the_own_tenants_document_first() -> None:
    found = parse_text(
        "---\n".join(
            (tenant("t", "x"), _model("small"), _model("small", "t"), _model("large"), ROUTE)
        )
    )
    assert uses(found, ("Model", "", "small")) == []
    assert [use.identity for use in uses(found, ("Model", "t", "small"))] == [("Route", "t", "ask")]


def test_a_tenant_is_used_by_what_belongs_to_it() -> None:
    found = parse_text("---\n".join((tenant("t", "x"), permission("p", "t"), permission("q"))))
    assert uses(found, ("Tenant", "", "t")) == [Use(("Permission", "t", "p"), "metadata.tenant", 3)]
    assert uses(found, ("Permission", "", "q")) == []
