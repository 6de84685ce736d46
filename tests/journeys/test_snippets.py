"""Every Python snippet that the console offers is run against a live installation with the real clients; curl too."""

import subprocess
import sys
import types

import openai
import pytest

from policies.ui.snippets import snippets
from tests.journeys.installation import Installation


class ChatOpenAI:
    """Stands in for LangChain's class of this name, which is that client with these three settings."""

    def __init__(self, *, base_url: str, api_key: str, model: str) -> None:
        self._client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0)
        self._model = model

    def invoke(self, text: str) -> object:
        messages = [{"role": "user", "content": text}]
        answer = self._client.chat.completions.create(model=self._model, messages=messages)
        self._client.close()
        return answer.choices[0].message


@pytest.mark.parametrize("name", ["openai", "anthropic", "langchain"])
def test_python_runs_as_printed(
    mandate: Installation,
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in = types.ModuleType("langchain_openai")
    stand_in.ChatOpenAI = ChatOpenAI
    monkeypatch.setitem(sys.modules, "langchain_openai", stand_in)
    made = {s.name: s for s in snippets(mandate.url, "one", mandate.keys["j-permit/desk"])}
    before = len(mandate.upstream.arrivals())
    space: dict[str, object] = {}
    exec(compile(made[name].text, name, "exec"), space)  # noqa: S102 - the snippet is ours, and running it is the test
    client = space.get("client")
    if client is not None:
        client.close()
    assert capsys.readouterr().out.strip() != ""
    assert len(mandate.upstream.arrivals()) == before + 1


def test_curl_runs_as_printed(mandate: Installation) -> None:
    made = {s.name: s for s in snippets(mandate.url, "one", mandate.keys["j-permit/desk"])}
    done = subprocess.run(
        ["sh", "-c", made["curl"].text.replace("curl ", "curl -sS ", 1)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert '"finish_reason"' in done.stdout
