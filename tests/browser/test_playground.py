"""The playground decides for free, and says who may use it. Sending is a journey: it needs the web process."""

from tests.browser.world import Console


def _tables(console: Console) -> list[tuple[int, ...]]:
    return console.rows(
        "SELECT (SELECT count(*) FROM routing_call), (SELECT count(*) FROM routing_attempt), "
        "(SELECT count(*) FROM policies_decision), (SELECT count(*) FROM vault_content), "
        "(SELECT count(*) FROM policies_api_key)"
    )


def test_only_decide_shows_the_decision_and_writes_nothing(console: Console) -> None:
    before = _tables(console)
    with console.signed_in("tariq") as tariq:
        answer = console.post(
            tariq,
            "/playground/",
            place="insurance/claims",
            route="claims-triage",
            message="Sort this claim",
            do="decide",
        )
    assert answer.status_code == 200
    assert "Nothing was sent" in answer.text
    assert "claims-may-call" in answer.text
    assert "eu-data-stays-in-eu" in answer.text
    assert _tables(console) == before


def test_a_denial_is_told_with_its_rule_and_owner(console: Console) -> None:
    with console.signed_in("tariq") as tariq:
        answer = console.post(
            tariq,
            "/playground/",
            place="insurance/claims",
            route="claims-triage",
            message="x",
            data_classes="secret",
            do="decide",
        )
    assert "secrets-go-nowhere" in answer.text
    assert "Data of the class secret may not be sent to any model." in answer.text


def test_a_process_without_the_walk_says_that_it_cannot_send(console: Console) -> None:
    before = _tables(console)
    with console.signed_in("tariq") as tariq:
        page = tariq.get("/playground/").text
        answer = console.post(
            tariq,
            "/playground/",
            place="insurance/claims",
            route="claims-triage",
            message="x",
            do="send",
        )
    assert 'value="send"' not in page
    assert "This process makes no calls; open the console of the web process." in answer.text
    # the team's key is made before: it costs nothing and opens nothing
    assert [row[:4] for row in _tables(console)] == [row[:4] for row in before]


def test_bad_input_keeps_what_was_typed(console: Console) -> None:
    with console.signed_in("tariq") as tariq:
        answer = console.post(
            tariq,
            "/playground/",
            place="insurance/claims",
            route="claims-triage",
            message="My own words",
            max_tokens="many",
            do="decide",
        )
    assert "max_tokens is &quot;many&quot;: leave it empty" in answer.text
    assert "My own words</textarea>" in answer.text


def test_nobody_calls_as_a_team_of_others(console: Console) -> None:
    before = _tables(console)
    asked = {"route": "claims-triage", "message": "x"}
    with console.signed_in("mallory") as mallory:
        page = mallory.get("/playground/").text
        answer = console.post(mallory, "/playground/", place="insurance/claims", do="send", **asked)
    assert "insurance/claims" not in page
    # a place that is not one's own counts as not chosen
    assert ">retail/support<" in answer.text
    with console.signed_in("ada") as ada:
        refused = console.post(ada, "/playground/", place="insurance/claims", do="send", **asked)
    assert "are made by its own developers, authors and admins." in refused.text
    assert [row[:4] for row in _tables(console)] == [row[:4] for row in before]
    for name in ("rui", "finn"):
        with console.signed_in(name) as other:
            assert other.get("/playground/").status_code == 403
