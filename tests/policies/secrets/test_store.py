"""Where a secret may go, and that its value shows nowhere."""

import logging
from pathlib import Path

import pytest

from policies.secrets.store import Secret, Secrets, SecretUnavailable, secret_name

VALUE = "sk-very-secret-0123"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "openai").write_text(f"{VALUE}\n")
    (tmp_path / "openai.hosts").write_text("api.openai.com\nproxy.acme.example:8443\n")
    return tmp_path


def test_a_file_and_its_hosts(folder: Path) -> None:
    found = Secrets(folder, {}).get("secret:openai")
    assert found.value == VALUE
    assert found.hosts == {"api.openai.com", "proxy.acme.example:8443"}


def test_the_environment(tmp_path: Path) -> None:
    environ = {"MANDATE_SECRET_MY_LLM": VALUE, "MANDATE_SECRET_MY_LLM_HOSTS": "a.example, [::1]:80"}
    found = Secrets(tmp_path, environ).get("my-llm")
    assert (found.value, set(found.hosts)) == (VALUE, {"a.example", "[::1]:80"})


def test_a_file_wins_over_the_environment(folder: Path) -> None:
    environ = {"MANDATE_SECRET_OPENAI": "other", "MANDATE_SECRET_OPENAI_HOSTS": "evil.example"}
    found = Secrets(folder, environ).get("openai")
    assert (found.value, "evil.example" in found.hosts) == (VALUE, False)


def test_the_value_is_in_no_text(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    secrets = Secrets(folder, {})
    found = secrets.get("openai")
    logging.getLogger("test").warning("%s %r %r", found, found, vars(secrets))
    problem = secrets.problem("openai", "https://evil.example/v1")
    assert VALUE not in repr(found) + str(found) + caplog.text + str(problem)
    assert str(found) == "secret:openai"


@pytest.mark.parametrize(
    ("base_url", "allowed"),
    [
        ("https://api.openai.com/v1", True),
        ("https://API.OpenAI.com./v1", True),
        ("https://api.openai.com:443/v1", True),
        ("https://proxy.acme.example:8443/v1", True),
        ("http://api.openai.com/v1", True),
        ("https://api.openai.com:8443/v1", False),
        ("https://proxy.acme.example/v1", False),
        ("https://evil.api.openai.com/v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("https://api.openai.com@evil.example/v1", False),
        ("https://evil.example/api.openai.com", False),
        ("https://evil.example#api.openai.com", False),
        ("ftp://api.openai.com/v1", False),
        ("not a url", False),
        ("", False),
    ],
)
def test_where_it_may_go(folder: Path, base_url: str, allowed: bool) -> None:
    assert Secrets(folder, {}).allowed("secret:openai", base_url) is allowed


def test_a_refusal_names_the_hosts(folder: Path) -> None:
    assert Secrets(folder, {}).problem("secret:openai", "https://evil.example/v1") == (
        'secret "openai" may be sent to api.openai.com, proxy.acme.example:8443, '
        "not to evil.example; an operator lists hosts beside it"
    )


def test_without_hosts_it_goes_nowhere(folder: Path) -> None:
    (folder / "openai.hosts").unlink()
    assert Secrets(folder, {}).problem("openai", "https://api.openai.com/v1") == (
        'secret "openai" may be sent to nowhere, not to api.openai.com; '
        "an operator lists hosts beside it"
    )


def test_a_missing_secret_says_where_it_belongs(tmp_path: Path) -> None:
    assert Secrets(tmp_path, {}).allowed("secret:my-llm", "https://a.example") is False
    with pytest.raises(SecretUnavailable, match="MANDATE_SECRET_MY_LLM_HOSTS") as caught:
        Secrets(tmp_path, {}).get("secret:my-llm")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["", "../etc/passwd", "a/b", "A", ".hidden", "openai.hosts", "x" * 64, "ä", "a b", "a\n"],
)
def test_names_that_are_none(folder: Path, name: str) -> None:
    with pytest.raises(SecretUnavailable, match="does not name a secret"):
        Secrets(folder, {}).get(f"secret:{name}")


def test_names() -> None:
    assert secret_name("secret:open-ai_2") == secret_name("open-ai_2") == "open-ai_2"


@pytest.mark.parametrize("value", [b"two\nlines", b"nul\0", "schlüssel".encode(), b"\xff\xfe"])
def test_values_that_no_header_can_carry(folder: Path, value: bytes) -> None:
    (folder / "openai").write_bytes(value)
    with pytest.raises(SecretUnavailable, match="characters that no header can carry") as caught:
        Secrets(folder, {}).get("openai")
    assert "lines" not in str(caught.value)


def test_a_large_or_unreadable_file(folder: Path) -> None:
    (folder / "openai").write_bytes(b"x" * 20_000)
    with pytest.raises(SecretUnavailable, match="larger than"):
        Secrets(folder, {}).get("openai")
    (folder / "folder").mkdir()
    with pytest.raises(SecretUnavailable, match="cannot be read: Is a directory"):
        Secrets(folder, {}).get("folder")


def test_bad_hosts_are_named(folder: Path) -> None:
    (folder / "openai.hosts").write_text("https://api.openai.com")
    with pytest.raises(SecretUnavailable, match=r'"https://api\.openai\.com" is not a host'):
        Secrets(folder, {}).get("openai")


def test_it_is_read_again_after_a_while(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(folder, {})
    first = secrets.get("openai")
    (folder / "openai").write_text("new")
    assert secrets.get("openai") is first
    monkeypatch.setattr("policies.secrets.store.time.monotonic", lambda: 1e9)
    assert secrets.get("openai") == Secret("openai", "new", first.hosts)
