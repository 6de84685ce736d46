"""Structured logs: one JSON object a line, with the call id where there is one, never with content.

An exception is logged as its type and its places. Its message is left out unless it is of a kind that cannot quote what
a caller sent: a message is content until proven otherwise.
"""

import logging.config
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import psycopg
import structlog
from redis.exceptions import RedisError

_FRAMES = 12
_ABOUT_ITSELF = {"08", "40", "53", "55", "57", "58"}
"""Classes of PostgreSQL's errors: connections, rollbacks, resources, locks, operators, the system."""
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def safe_message(error: BaseException) -> str:
    """What may be said about an error: the system's, Redis' and PostgreSQL's words about themselves, never about a value.

    PostgreSQL quotes values even in its first line ("invalid input syntax for type integer: …").
    """
    if isinstance(error, psycopg.Error):
        state = error.sqlstate or ""
        about_itself = state[:2] in _ABOUT_ITSELF or (
            not state and isinstance(error, psycopg.OperationalError)
        )
        return f"{state} {error.diag.message_primary or error if about_itself else ''}".strip()
    if isinstance(error, OSError | RedisError | ImportError):
        return str(error)
    return ""


def places(
    _logger: object, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace `exc_info` by the error's type, its safe message and where it came from."""
    found = event.pop("exc_info", None)
    error = _error_of(found)
    if error is None:
        return event
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    event["error"] = type(error).__name__
    event["error_message"] = safe_message(error)
    event["error_at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def _error_of(found: object) -> BaseException | None:
    if found is True:
        found = sys.exc_info()
    if isinstance(found, BaseException):
        return found
    if isinstance(found, tuple) and len(found) == 3 and isinstance(found[1], BaseException):
        return found[1]
    return None


def _drop_arguments(
    _logger: object, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Libraries put whole requests into a record's extra fields: keep ours alone."""
    for name in ("request", "_record", "_from_structlog", "data", "args"):
        event.pop(name, None)
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.ExtraAdder(allow={"status_code"}),
]


def configuration(level: str) -> dict[str, Any]:
    """The standard library's logging, rendered like our own."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [
                    structlog.stdlib.ExtraAdder(allow=set()),
                    places,
                    _drop_arguments,
                    structlog.processors.JSONRenderer(sort_keys=True),
                ],
            }
        },
        "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["out"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True, "level": level},
            # two lines a call would cost a twentieth of the worker, one for each due job thirty megabytes a day;
            # the log of calls is the audit log
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "openai": {"level": "WARNING"},
            "anthropic": {"level": "WARNING"},
        },
    }


def configure(standard: dict[str, Any]) -> None:
    """Set up structlog and the standard library, once a process."""
    logging.config.dictConfig(standard)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED[:-1],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
