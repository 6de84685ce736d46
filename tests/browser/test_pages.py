"""What the pages say: exact sentences, figures that agree with the database, and who may do what."""

import re
from uuid import UUID

import pytest

from tests.browser.world import Console


def _words(page: str) -> str:
    """A page's text without its tags, on one line."""
    return (
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
        .replace("&quot;", '"')
        .replace("&#x27;", "'")
    )


def _call(console: Console, name: str) -> UUID:
    return UUID(hex=console.calls[name].removeprefix("call_"))


def test_a_denied_call_says_which_rule_and_that_nothing_was_sent(console: Console) -> None:
    with console.signed_in("cleo") as cleo:
        page = _words(cleo.get(f"/calls/{console.calls['secret']}/").text)
    assert (
        "Denied under revision 2: data of the class secret may not be sent to any model. The rule is secrets-go-nowhere; "
        "ask cleo@acme.example. Nothing was sent to any model, and it cost nothing."
    ) in page
    assert "No model was called: nothing left this installation, and it cost nothing." in page
    assert console.rows(
        "SELECT count(*) FROM routing_attempt WHERE call = %s", _call(console, "secret")
    ) == [(0,)]


def test_a_fallback_says_who_failed_and_who_answered(console: Console) -> None:
    with console.signed_in("cleo") as cleo:
        page = _words(cleo.get(f"/calls/{console.calls['fallback']}/").text)
    ((cost,),) = console.rows(
        "SELECT cost_nano FROM routing_call WHERE id = %s", _call(console, "fallback")
    )
    assert cost == 1_472_000
    assert "llama-small was overloaded. claude-small answered; the caller had it " in page
    assert "after asking, for €0.001472." in page
    assert "drops gpt-mini" in page
    assert (
        "eu-data-stays-in-eu, line 8: personal data of an EU tenant may not go to gpt-mini" in page
    )


def test_a_failed_call_says_why(console: Console) -> None:
    with console.signed_in("cleo") as cleo:
        page = _words(cleo.get(f"/calls/{console.calls['failed']}/").text)
    assert (
        "llama-small did not answer in time. Then claude-small did not answer in time. It failed after "
        in page
    )
    assert ": upstream failed; it cost €0.00." in page


def test_the_receipt_verifies_offline(console: Console) -> None:
    from pathlib import Path

    from audit.log.signing import trusted_key
    from audit.merkle.proof import ProofFile

    (row,) = console.rows(
        "SELECT body FROM audit_entry WHERE call = %s ORDER BY id LIMIT 1",
        _call(console, "completed"),
    )
    with console.signed_in("tariq") as tariq:
        answer = tariq.get(f"/calls/{console.calls['completed']}/receipt/")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    key = trusted_key(Path(console.environment["MANDATE_HOME"]) / "keys")
    head = ProofFile.parse(answer.text).verify(bytes(row[0]), [key])
    assert head.origin == key.name


def test_opening_content_needs_the_role_and_a_reason_and_is_an_entry(console: Console) -> None:
    path = f"/calls/{console.calls['completed']}/content/"
    viewed = "SELECT count(*) FROM audit_entry WHERE kind = 'content.viewed' AND call = %s"
    call = _call(console, "completed")
    with console.signed_in("tariq") as tariq:
        assert tariq.get(path).status_code == 403
        assert console.post(tariq, path, reason="curious").status_code == 403
    with console.signed_in("cleo") as cleo:
        assert "bicycle" not in cleo.get(path).text
        refused = console.post(cleo, path, reason=" ")
        assert "Say why you look: the reason stands in the log." in refused.text
        assert "bicycle" not in refused.text
        assert console.rows(viewed, call) == [(0,)]
        opened = console.post(cleo, path, reason="complaint 4711")
    assert "a bicycle was stolen" in opened.text
    assert "label: theft" in opened.text
    ((body,),) = console.rows(
        "SELECT body FROM audit_entry WHERE kind = 'content.viewed' AND call = %s", call
    )
    assert b'"reason":"complaint 4711"' in bytes(body)
    assert b'"actor":"member:cleo@acme.example"' in bytes(body)
    assert b"bicycle" not in bytes(body)


def test_pages_follow_a_key_and_lose_no_call(console: Console) -> None:
    ((count,),) = console.rows("SELECT count(*) FROM routing_call")
    seen: list[str] = []
    with console.bearer(console.tokens["auditor"]) as cleo:
        cursor: str | None = ""
        while cursor is not None:
            page = cleo.get("/calls/", params={"limit": 25, "cursor": cursor}).json()
            seen += [call["id"] for call in page["items"]]
            cursor = page["next"]
    assert len(seen) == len(set(seen)) == count
    assert seen == sorted(seen, reverse=True)


def test_a_whole_id_in_the_search_field_opens_the_call(console: Console) -> None:
    name = console.calls["completed"]
    with console.signed_in("cleo") as cleo:
        answer = cleo.get("/calls/", params={"q": name})
        assert (answer.status_code, answer.headers["location"]) == (302, f"/calls/{name}/")
        assert "run-7" not in cleo.get("/calls/", params={"q": "run-7"}).headers.get("location", "")
        assert cleo.get("/calls/", params={"q": "run-7"}).text.count('class="link-row"') == 1


def test_overview_and_api_agree_with_the_ledger(console: Console) -> None:
    ((spent,),) = console.rows(
        "SELECT sum(posted_nano + overrun_nano)::bigint FROM routing_ledger_window WHERE budget = 'organisation-monthly'"
    )
    assert console.rows("SELECT sum(cost_nano)::bigint FROM routing_call") == [(spent,)]
    with console.bearer(console.tokens["finance"]) as finn:
        budgets = {b["name"]: b for b in finn.get("/budgets/").json()["items"]}
    whole = budgets["organisation-monthly"]
    assert whole["spent"] == f"{spent // 10**9}.{spent % 10**9:09d}".rstrip("0")
    ((pending,),) = console.rows(
        "SELECT sum(reserved_nano)::bigint FROM routing_attempt WHERE state IN ('reserved', 'started', 'unknown')"
    )
    assert whole["pending"] == f"{pending // 10**9}.{pending % 10**9:09d}".rstrip("0")


def test_setting_a_stop_and_lifting_it_in_single_operator_mode(console: Console) -> None:
    with console.signed_in("ada") as ada:
        ada.get("/stops/")
        wrong = console.post(ada, "/stops/", target="model||no-such-model", reason="x")
        assert wrong.status_code == 422
        assert console.rows("SELECT count(*) FROM policies_stop WHERE lifted_at IS NULL") == [(0,)]
        done = console.post(
            ada, "/stops/", target="model||gemini-flash", reason="wrong answers", until="4"
        )
        assert (done.status_code, done.headers["location"]) == (302, "/stops/")
        page = _words(ada.get("/stops/").text)
        assert "wrong answers" in page
        ((stop,),) = console.rows("SELECT id FROM policies_stop WHERE lifted_at IS NULL")
        assert "1 stop is on" in _words(ada.get("/").text)
        console.post(ada, f"/stops/{stop}/lift/")
    rows = console.rows(
        "SELECT actor, lifted_by, scope->>'name' FROM policies_stop WHERE id = %s", stop
    )
    assert rows == [("member:ada@acme.example", "member:ada@acme.example", "gemini-flash")]


def test_a_stop_of_everything_stands_on_every_page_of_everybody(console: Console) -> None:
    told = "Every call is stopped. Prompts leaked at a provider."
    with console.signed_in("ada") as ada, console.signed_in("mallory") as mallory:
        ada.get("/stops/")
        console.post(ada, "/stops/", target="everything||", reason="Prompts leaked at a provider")
        pages = [_words(mallory.get(path).text) for path in ("/", "/settings/", "/documents/")]
        ((stop,),) = console.rows("SELECT id FROM policies_stop WHERE lifted_at IS NULL")
        console.post(ada, f"/stops/{stop}/lift/")
        after = _words(mallory.get("/").text)
    assert [told in page for page in pages] == [True, True, True]
    assert "Every call is stopped" not in after


@pytest.mark.parametrize("name", ["cleo", "tariq", "finn", "rui", "mallory"])
def test_nobody_but_an_admin_sets_a_stop(console: Console, name: str) -> None:
    before = console.rows("SELECT count(*) FROM policies_stop")
    with console.signed_in(name) as member:
        member.get("/stops/")
        assert console.post(member, "/stops/", target="everything||", reason="x").status_code == 403
    assert console.rows("SELECT count(*) FROM policies_stop") == before


def test_a_token_is_shown_once_and_works_until_it_is_revoked(console: Console) -> None:
    with console.signed_in("finn") as finn:
        finn.get("/settings/")
        made = console.post(finn, "/settings/", name="report")
        token = re.search(r"mdp_[a-z0-9]{8}_[\w-]{43}", made.text)
        assert token is not None
        assert made.headers["cache-control"] == "no-store"
        assert token[0] not in finn.get("/settings/").text
        with console.bearer(token[0]) as script:
            assert script.get("/budgets/").status_code == 200
            console.post(finn, f"/settings/tokens/{token[0][4:12]}/revoke/")
            assert script.get("/budgets/").status_code == 401


def test_a_failed_sign_in_is_an_entry_without_what_was_typed(console: Console) -> None:
    with console.visitor() as visitor:
        page = visitor.get("/account/login/").text
        token = page.split('name="csrfmiddlewaretoken" value="', 1)[1].split('"', 1)[0]
        form = {
            "login": "cleo@acme.example",
            "password": "guess-guess-guess",
            "csrfmiddlewaretoken": token,
        }
        answer = visitor.post("/account/login/", data=form, headers={"referer": console.url})
    assert answer.status_code == 200
    ((body,),) = console.rows("SELECT body FROM audit_entry WHERE kind = 'signin.failed'")
    assert b'"subject":"member:cleo@acme.example"' in bytes(body)
    assert b"guess" not in bytes(body)


@pytest.mark.parametrize("path", ["signup/", "email/", "password/reset/"])
def test_pages_of_allauth_that_the_console_does_not_have(console: Console, path: str) -> None:
    with console.signed_in("tariq") as tariq:
        assert tariq.get(f"/account/{path}").status_code == 404


MENU = (
    ("Overview", "ada cleo finn rui mallory"),
    ("Review queue", "ada cleo rui"),
    ("Calls", "ada cleo finn rui mallory"),
    ("Playground", "ada cleo mallory"),
    ("Change requests", "ada cleo finn rui mallory"),
    ("Documents", "ada cleo finn rui mallory"),
    ("Models", "ada cleo finn rui mallory"),
    ("Stops", "ada cleo"),
    ("Exit drills", "ada cleo"),
    ("Budgets", "ada cleo finn mallory"),
    ("Spend", "ada cleo finn mallory"),
    ("Statements", "ada cleo finn"),
    ("Exports", "ada cleo finn mallory"),
    ("Audit log", "ada cleo"),
    ("Use cases", "ada cleo"),
    ("Holds and erasures", "ada cleo"),
    ("API keys", "ada cleo mallory"),
    ("Members", "ada cleo finn rui mallory"),
    ("Tenants", "ada cleo finn rui mallory"),
    ("Settings", "ada cleo finn rui mallory"),
)
"""Every line of the menu in its order, and whose roles can use it."""


@pytest.mark.parametrize("name", ["ada", "cleo", "finn", "rui", "mallory"])
def test_the_menu_shows_what_the_roles_can_use(console: Console, name: str) -> None:
    with console.signed_in(name) as member:
        page = member.get("/").text
    menu = page.split('<nav class="menu"', 1)[1].split("</nav>", 1)[0]
    seen = [line for line, people in MENU if name in people.split()]
    assert re.findall(r"</svg><span>([^<]+)</span>", menu) == seen


def test_every_page_carries_the_strict_policy_and_a_request_id(console: Console) -> None:
    with console.visitor() as visitor:
        answer = visitor.get("/account/login/")
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert "<style" not in answer.text
    assert "style=" not in answer.text
