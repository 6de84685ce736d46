"""The search field finds everything that one may see, and nothing else."""

import re

from tests.browser.world import Console


def _hits(page: str) -> dict[str, list[str]]:
    """Titles by heading."""
    cards = page.split('<section class="card" aria-labelledby="found-')[1:]
    return {
        re.search(r"<h2[^>]*>([^<]+)</h2>", card).group(1): re.findall(  # type: ignore[union-attr]
            r'<span class="row"><a href="[^"]+">([^<]+)</a>', card
        )
        for card in cards
    }


def test_one_word_finds_documents_calls_keys_and_people(console: Console) -> None:
    with console.signed_in("ada") as ada:
        found = _hits(ada.get("/search/", params={"q": "triage"}).text)
        people = _hits(ada.get("/search/", params={"q": "mallory@"}).text)
        keys = _hits(ada.get("/search/", params={"q": "demo"}).text)
    assert {"Route insurance / claims-triage", "UseCase insurance / claims-triage"} <= set(
        found["Documents"]
    )
    ((triaged,),) = console.rows("SELECT count(*) FROM routing_call WHERE route = 'claims-triage'")
    assert found["Calls"] == ["claims-triage"] * min(triaged, 8)
    assert people["People"] == ["Mallory"]
    assert keys["API keys"] == ["demo"] * 5


def test_a_whole_id_opens_the_call(console: Console) -> None:
    name = console.calls["completed"]
    with console.signed_in("cleo") as cleo:
        answer = cleo.get("/search/", params={"q": name})
    assert (answer.status_code, answer.headers["location"]) == (302, f"/calls/{name}/")


def test_nothing_of_another_tenant_is_found(console: Console) -> None:
    name = console.calls["completed"]
    with console.signed_in("mallory") as mallory:
        for q in (name, name[:20], "claims-triage", "underwriting", "tariq", "rui@acme.example"):
            page = mallory.get("/search/", params={"q": q})
            assert (page.status_code, _hits(page.text)) == (200, {}), q
        assert _hits(mallory.get("/search/", params={"q": "replies"}).text)["Calls"] != []


def test_what_cannot_be_found_teaches(console: Console) -> None:
    with console.signed_in("cleo") as cleo:
        assert "Nothing fits" in cleo.get("/search/", params={"q": "qqqq"}).text
        refused = cleo.get("/search/", params={"q": "qqqq\0"})
        assert refused.status_code == 400
        assert "character NUL" in refused.text
        assert "What are you looking for?" in cleo.get("/search/").text
