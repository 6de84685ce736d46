import subprocess
import sys

import pytest

from routing.dialects.registry import changes, dialect, obstacles, spoken_by
from tests.routing.dialects.material import chat, messages

LEFT_OUT = "was left out: a model of another dialect has no place for it"


def test_dialects_are_known_by_name() -> None:
    for name in ("openai.chat", "openai.responses", "anthropic.messages"):
        assert dialect(name).name == name
    with pytest.raises(KeyError):
        dialect("openai.realtime")


def test_providers_speak_their_dialect_and_those_inside_the_callers() -> None:
    assert spoken_by("azure-openai", "anthropic.messages") == "openai.chat"
    assert spoken_by("anthropic", "openai.chat") == "anthropic.messages"
    assert spoken_by("sandbox", "anthropic.messages") == "anthropic.messages"
    assert spoken_by("openai", "openai.responses") == "openai.responses"
    assert spoken_by("openai", "anthropic.messages") == "openai.chat"
    assert spoken_by("openai-compatible", "openai.responses") == "openai.chat"


def test_obstacles_are_those_of_the_other_dialect_only() -> None:
    request = chat(seed=7, n=2)
    assert obstacles(request, "anthropic") == ["seed", "n above 1"]
    assert obstacles(request, "gemini") == []
    assert obstacles(request, "rules") == []
    assert obstacles(messages(top_k=3), "openai") == ["top_k"]


def test_changes_are_reported_in_words() -> None:
    assert changes(chat(metadata={"a": "b"}), "anthropic", max_output_tokens=9) == [
        f"metadata {LEFT_OUT}"
    ]
    assert changes(chat(metadata={"a": "b"}), "openai", max_output_tokens=9) == []
    request = messages(max_tokens=4000, thinking={"type": "enabled", "budget_tokens": 2000})
    assert changes(request, "openai", max_output_tokens=9) == [f"thinking {LEFT_OUT}"]
    assert changes(request, "anthropic", max_output_tokens=1024) == [
        "thinking was left out: its budget of 2000 tokens does not fit the limit of 1024"
    ]


def test_the_codecs_load_neither_django_nor_an_sdk() -> None:
    code = (
        "import sys, routing.dialects, routing.dialects.registry\n"
        "heavy = {'django', 'celery', 'openai', 'anthropic', 'pydantic', 'httpx2', 'psycopg'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
