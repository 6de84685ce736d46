"""A caller who comes while PostgreSQL is away is told to come back, in the caller's dialect."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from routing import wire
from routing.gateway import Web


class Away:
    """Keys that are not remembered any more and cannot be read."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def authenticate(self, _presented: str) -> object:
        raise self._error


@pytest.mark.parametrize("error", [OperationalError("away"), PoolTimeout("away")])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/models"])
async def test_an_unknown_key_is_told_to_come_back(error: Exception, path: str) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    web = cast("Web", SimpleNamespace(draining=False, keys=Away(error)))
    scope = {"path": path, "method": "POST", "headers": [(b"authorization", b"Bearer mdt_x_y")]}
    await wire.build(web)(scope, receive, send)
    headers = dict(sent[0]["headers"])
    assert sent[0]["status"] == 503
    assert headers[b"retry-after"] == b"2"
