"""Logs carry the call id and never content."""

import io
import json
import logging
import logging.config
from collections.abc import Iterator

import psycopg
import pytest
import structlog

from controlplane import env, logs

PROMPT = "the patient's name is Erika Mustermann"


@pytest.fixture
def heard() -> io.StringIO:
    out = io.StringIO()
    wanted = logs.configuration("INFO")
    wanted["handlers"]["out"]["stream"] = out
    logging.config.dictConfig(wanted)
    return out


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    logging.config.dictConfig(logs.configuration("INFO"))


def lines(heard: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in heard.getvalue().splitlines()]


def test_a_line_is_one_object_with_the_bound_call(heard: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(call="call_0199"):
        structlog.get_logger("routing.gateway").info("call.admitted", revision=7)
    (line,) = lines(heard)
    assert line.pop("timestamp")
    assert line == {
        "event": "call.admitted",
        "call": "call_0199",
        "revision": 7,
        "level": "info",
        "logger": "routing.gateway",
    }


def test_an_unknown_errors_message_is_content_and_left_out(heard: io.StringIO) -> None:
    try:
        int(PROMPT)
    except ValueError as error:
        structlog.get_logger("x").exception("call.broke")
        structlog.get_logger("x").error("call.broke", exc_info=error)
        logging.getLogger("django.request").exception("Internal Server Error: /x")
    assert PROMPT not in heard.getvalue()
    assert len(lines(heard)) == 3
    for line in lines(heard):
        assert (line["error"], line["error_message"]) == ("ValueError", "")
        assert line["error_at"][-1].endswith(
            " test_an_unknown_errors_message_is_content_and_left_out"
        )


def test_extra_fields_of_libraries_are_dropped(heard: io.StringIO) -> None:
    logging.getLogger("celery").warning(
        "Task received", extra={"data": {"args": PROMPT}, "body": PROMPT}
    )
    assert PROMPT not in heard.getvalue()
    assert lines(heard)[0]["event"] == "Task received"


def test_postgresql_may_speak_of_itself_but_not_of_values() -> None:
    with psycopg.connect(env.database_url(), autocommit=True) as link:
        with pytest.raises(psycopg.DataError) as refused:
            link.execute("SELECT %s::int", [PROMPT])
        assert PROMPT in str(refused.value)
        assert logs.safe_message(refused.value) == "22P02"
        link.execute("SET statement_timeout = 1")
        with pytest.raises(psycopg.OperationalError) as slow:
            link.execute("SELECT pg_sleep(1)")
        assert logs.safe_message(slow.value) == "57014 canceling statement due to statement timeout"


def test_an_address_that_does_not_answer_is_named() -> None:
    with pytest.raises(psycopg.OperationalError) as away:
        psycopg.connect("postgresql://u@127.0.0.1:1/x")
    assert "port 1 failed" in logs.safe_message(away.value)


def test_the_systems_own_words_may_be_said() -> None:
    assert logs.safe_message(FileNotFoundError(2, "No such file", "/keys/pepper")) == (
        "[Errno 2] No such file: '/keys/pepper'"
    )
