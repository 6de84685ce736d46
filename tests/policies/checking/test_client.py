"""The checker in its child process: same answers, and it may die, hang or rest."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.kernel.errors import Unavailable
from policies.checking import client
from policies.checking.client import Checker, check_condition, check_sources
from policies.checking.messages import OneCondition
from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments, Problem
from policies.engine import wire
from policies.engine.check import check
from policies.engine.forms import Form
from tests.architecture.source import ROOT
from tests.policies.texts import permission

QUESTION = OneCondition("call", "bool", "request.stream")


@pytest.fixture
def checker() -> Iterator[Checker]:
    """A checker of this test's own."""
    found = Checker()
    yield found
    found.close()


def gone(pid: int) -> bool:
    """Whether no process has this id any more, not even an unreaped one."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_documents_get_the_forms_that_a_check_in_process_gives() -> None:
    texts = [permission("a", when="request.stream"), permission("b", when="run.calls > 3")]
    sources = [(f"{i}.yaml", text) for i, text in enumerate(texts)]
    own = check([d for file, text in sources for d in parse_text(text, file)])
    found = check_sources(sources)
    assert (found.checker, found.places) == (own.checker, own.places)
    # the checker's bytes vary; what they say and where does not
    told = {key: (form.text, form.file, form.line, form.spans) for key, form in own.forms.items()}
    assert told == {k: (f.text, f.file, f.line, f.spans) for k, f in found.forms.items()}
    assert [wire.read(f.checked).root for f in found.forms.values()] == [
        wire.read(f.checked).root for f in own.forms.values()
    ]


def test_every_problem_comes_back_with_file_line_and_column() -> None:
    texts = [permission("a", when="request.nothing"), permission("b", when="run.calls")]
    with pytest.raises(InvalidDocuments) as error:
        check_sources([(f"{i}.yaml", text) for i, text in enumerate(texts)])
    assert [(p.file, p.line, p.column, p.path) for p in error.value.problems] == [
        ("0.yaml", 7, 17, "spec.when"),
        ("1.yaml", 7, 10, "spec.when"),
    ]
    assert error.value.problems[1].message == "must be a bool, not int"


def test_one_condition_gives_a_form_that_evaluates() -> None:
    found = check_condition("call", 'tenant.region == "eu"')
    assert isinstance(found, Form)
    assert (found.text, found.line, found.file) == ('tenant.region == "eu"', 1, "<condition>")
    assert wire.read(found.checked).root.kind == "call"


def test_a_wrong_condition_is_told_at_its_place_in_the_text() -> None:
    found = check_condition("call", "request.stream &&\n  model.tier == 'small'")
    assert isinstance(found, list)
    assert [(p.line, p.column) for p in found] == [(2, 8)]
    assert "model.tier" in found[0].message or '"model"' in found[0].message


def test_a_place_or_result_that_cannot_be_is_a_problem() -> None:
    assert check_condition("nowhere", "true") == [
        Problem("<condition>", 1, 1, "", 'there is no place "nowhere" for a bool')
    ]
    found = check_condition("call", "true", "banana")
    assert isinstance(found, list)
    assert found[0].message == 'there is no place "call" for a banana'


def test_a_result_of_another_type_is_told() -> None:
    found = check_condition("model", "model.name", "bool")
    assert isinstance(found, list)
    assert [p.message for p in found] == ["must be a bool, not string"]
    assert isinstance(check_condition("model", "model.name", "string"), Form)


def test_this_process_never_loads_the_checker() -> None:
    code = (
        "import sys\nfrom policies.checking.client import check_condition\n"
        "print(check_condition('call', '1'))\n"
        "print([m for m in sys.modules if 'cel_expr' in m or m == 'policies.engine.check'])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines()[1] == "[]"
    assert told.stderr == ""


def test_a_checker_that_was_killed_is_started_again(checker: Checker) -> None:
    assert checker.ask(QUESTION).form is not None
    first = checker.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert checker.ask(QUESTION).form is not None
    assert checker.pid != first
    assert gone(first)


def test_a_checker_that_dies_of_its_question_is_an_error_and_the_next_question_works(
    checker: Checker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ENCODER", _Garbage())
    with pytest.raises(Unavailable, match="ended twice"):
        checker.ask(QUESTION)
    assert checker.pid is None
    monkeypatch.undo()
    assert checker.ask(QUESTION).form is not None


class _Garbage:
    def encode(self, _: object) -> bytes:
        return b"{"


def test_a_checker_that_does_not_answer_is_ended() -> None:
    checker = Checker(answer_seconds=0.2)
    pid = _stopped(checker)
    with pytest.raises(Unavailable, match=r"did not answer within 0\.2 s"):
        checker.ask(QUESTION)
    assert gone(pid)
    assert checker.pid is None


def _stopped(checker: Checker) -> int:
    """Its child, started and held up."""
    checker._answer_seconds = 30
    checker.ask(QUESTION)
    checker._answer_seconds = 0.2
    assert checker.pid is not None
    os.kill(checker.pid, signal.SIGSTOP)
    return checker.pid


def test_an_idle_checker_is_ended_and_comes_back() -> None:
    checker = Checker(idle_seconds=0.05)
    checker.ask(QUESTION)
    deadline = time.monotonic() + 30
    while checker.pid is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert checker.pid is None
    assert checker.ask(QUESTION).form is not None
    checker.close()


def test_threads_get_their_own_answers(checker: Checker) -> None:
    found: dict[int, str] = {}

    def work(number: int) -> None:
        form = checker.ask(OneCondition("call", "bool", f"run.calls > {number}")).form
        found[number] = form.text if form else ""

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: f"run.calls > {n}" for n in range(8)}


def test_the_child_ends_with_its_parent() -> None:
    code = (
        "import os\nfrom policies.checking import client\n"
        "client.check_condition('call', 'true')\nprint(client._CHECKER.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == -signal.SIGKILL
    pid, deadline = int(told.stdout), time.monotonic() + 30
    while not _over(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _over(pid)


def _over(pid: int) -> bool:
    """Ended: gone, or waiting for whoever adopted it."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
            == "Z"
        )
    except FileNotFoundError:
        return True


def test_the_child_has_nothing_of_our_environment(
    checker: Checker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANDATE_SECRET_OPENAI", "sk-never")
    checker.ask(QUESTION)
    environment = Path(f"/proc/{checker.pid}/environ").read_bytes()
    assert b"sk-never" not in environment
    assert b"DATABASE" not in environment
