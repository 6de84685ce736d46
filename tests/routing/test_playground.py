"""What the playground sends is what a client would: labels too, as the header has them."""

import pytest

from controlplane.kernel.errors import InvalidRequest
from routing.playground import Try
from tests.policies.ui.conftest import Pages, words
from tests.routing.reconcile.conftest import shop
from tests.routing.reconcile.shop import Shop

__all__ = ["shop"]


def test_labels_are_those_of_the_header_and_not_in_the_body() -> None:
    request = Try("triage", "hello", labels="case=47%2C11, kind=motor").request()
    assert request.outline.labels == {"case": "47,11", "kind": "motor"}
    assert b"47" not in request.raw
    assert Try("triage", "hello").request().outline.labels == {}
    with pytest.raises(InvalidRequest, match='x-mandate-labels has "case"'):
        Try("triage", "hello", labels="case").request()


@pytest.mark.django_db(transaction=True)
def test_the_form_says_what_is_wrong_with_them(shop: Shop) -> None:
    asked = {"place": f"{shop.tenant}/claims", "route": "r", "message": "x", "do": "decide"}
    page = Pages(shop.world.ada).post("/playground/", **asked, labels="case")
    assert "x-mandate-labels has" in words(page).replace("X-mandate", "x-mandate")
    assert 'value="case"' in page.content.decode()
