"""A provider whose address leads into the machine or to a cloud's metadata: no connection is made, ever."""

from pathlib import Path
from typing import Any

import openai
import pytest

from tests.journeys import world
from tests.journeys.installation import Installation, call_of

KEY = "j-loopback/desk"
ASK: Any = [{"role": "user", "content": "Who lives there?"}]


def nobody_knocked(mandate: Installation) -> bool:
    mandate.trap.settimeout(0.0)
    try:
        mandate.trap.accept()[0].close()
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize("name", world.REFUSED)
def test_what_leads_there_as_it_is_written_is_not_published(
    mandate: Installation, tmp_path: Path, name: str
) -> None:
    before = mandate.rows("SELECT revision FROM policies_control")
    url = world.REFUSED[name].format(trap=mandate.trap.getsockname()[1])
    (tmp_path / "inward.yaml").write_text(world.provider(name, url))
    ok, _, errors = mandate.operator.run("policy", "apply", str(tmp_path))
    assert not ok
    assert "inward.yaml:6:" in errors
    assert "spec.baseUrl" in errors
    assert mandate.rows("SELECT revision FROM policies_control") == before


@pytest.mark.parametrize("name", world.RESOLVED)
def test_the_attempt_fails_without_a_connection(mandate: Installation, name: str) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        mandate.openai(KEY).chat.completions.create(model=name, messages=ASK, max_tokens=9)
    call = call_of(raised.value.response.headers)
    (attempt,) = mandate.attempts(call)
    assert (attempt["state"], attempt["error_class"], attempt["posted_nano"]) == (
        "failed",
        "refused_account",
        0,
    )
    assert mandate.entries(call) == [
        "call.admitted",
        "attempt.started",
        "attempt.failed",
        "call.failed",
    ]
    assert nobody_knocked(mandate)


def test_a_secret_goes_to_no_host_that_its_operator_did_not_list(
    mandate: Installation, tmp_path: Path
) -> None:
    before = mandate.rows("SELECT revision FROM policies_control")
    (tmp_path / "elsewhere.yaml").write_text(
        "apiVersion: mandate/v1\nkind: Provider\nmetadata: {name: elsewhere, tenant: j-loopback}\n"
        "spec: {type: openai, baseUrl: http://localhost:9/v1, credential: secret:journey}\n"
    )
    ok, _, errors = mandate.operator.run("policy", "apply", str(tmp_path))
    assert not ok
    assert "elsewhere.yaml:4:" in errors
    assert 'secret "journey" may be sent to 127.0.0.1' in errors
    assert mandate.rows("SELECT revision FROM policies_control") == before
