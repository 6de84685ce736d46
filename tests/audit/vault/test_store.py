import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.conf import settings

from audit.vault.store import KEY_BYTES, BadKeyName, KeyStore, KeyUnreadable

NAME = "tenant/insurance/2026-11"
RACER = """
import sys
from pathlib import Path
from audit.vault.store import KeyStore
store = KeyStore(Path(sys.argv[1]))
print(b"".join(store.get_or_create(f"subject/t/user/{number}") for number in range(50)).hex())
"""


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "store")


def test_a_key_is_made_once_and_kept(store: KeyStore, tmp_path: Path) -> None:
    assert store.get(NAME) is None
    key = store.get_or_create(NAME)
    assert len(key) == KEY_BYTES
    assert store.get_or_create(NAME) == store.get(NAME) == key
    assert KeyStore(tmp_path / "store").get(NAME) == key
    assert store.get_or_create("tenant/insurance/2026-12") != key


def test_key_files_are_read_by_nobody_else(store: KeyStore, tmp_path: Path) -> None:
    store.get_or_create(NAME)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["2026-11.key"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    folders = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_processes_that_race_get_the_same_keys(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path)],
            cwd=settings.BASE_DIR,
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    outputs = {racer.communicate(timeout=30)[0] for racer in racers}
    assert len(outputs) == 1
    assert len(outputs.pop().strip()) == 50 * KEY_BYTES * 2
    assert not list(tmp_path.rglob(".*"))


def test_threads_that_race_get_the_same_key(store: KeyStore) -> None:
    made: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: made.append(store.get_or_create(NAME))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [made[0]] * 8


def test_a_destroyed_key_is_gone_in_every_process_at_once(store: KeyStore, tmp_path: Path) -> None:
    other = KeyStore(tmp_path / "store")
    key = store.get_or_create(NAME)
    assert other.get(NAME) == key
    assert not store.destroyed(NAME)
    assert [store.destroy(NAME), store.destroy(NAME)] == [True, False]
    assert (other.get(NAME), store.get(NAME)) == (None, None)
    assert other.destroyed(NAME)
    assert all(key not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    newer = other.get_or_create(NAME)
    assert newer != key
    assert store.get(NAME) == newer
    assert store.destroyed(NAME)


def test_what_was_never_made_cannot_be_destroyed(store: KeyStore) -> None:
    assert store.destroy(NAME) is False
    assert store.destroyed(NAME) is False


@pytest.mark.parametrize("name", ["", "/", "a//b", "a/", "a\0b", "a\nb"])
def test_names_that_could_mean_another_place_are_refused(store: KeyStore, name: str) -> None:
    with pytest.raises(BadKeyName):
        store.get_or_create(name)


@pytest.mark.parametrize("name", ["../../etc/x", "./a", "a/..", "é/ß", "a.key", "%2e%2e/a"])
def test_no_name_leaves_the_folder(store: KeyStore, tmp_path: Path, name: str) -> None:
    key = store.get_or_create(name)
    inside = [path for path in (tmp_path / "store").rglob("*.key") if path.is_file()]
    assert [path.read_bytes() for path in inside] == [key]
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_different_names_never_share_a_key(store: KeyStore) -> None:
    names = ["a/b", "a/b.key", "a%2Fb", "a/b/c", "a.b", "a/b.key.destroyed"]
    assert len({store.get_or_create(name) for name in names}) == len(names)


def test_a_file_that_is_no_key_is_never_guessed_at(store: KeyStore, tmp_path: Path) -> None:
    store.get_or_create(NAME)
    (file,) = tmp_path.rglob("*.key")
    file.write_bytes(b"short")
    with pytest.raises(KeyUnreadable, match="5 bytes instead of 32"):
        KeyStore(tmp_path / "store").get_or_create(NAME)


def test_memory_is_bounded(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.vault.store._REMEMBERED", 3)
    keys = [store.get_or_create(f"n/{number}") for number in range(10)]
    assert [store.get(f"n/{number}") for number in range(10)] == keys
    assert len(store._known) <= 3
