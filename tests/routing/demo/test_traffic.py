"""Traffic is bounded, comes with the right keys, and survives whatever the other side does."""

import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from routing.demo.traffic import SCRIPTS, Plan, run


class Api:
    """Stands for /v1: notes what came, answers by route."""

    def __init__(self) -> None:
        self.came: list[tuple[str, dict[str, object]]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.came.append((request.headers["authorization"], body))
        if body["model"] == "coding":
            return web.json_response({"error": {}}, status=403)
        if body["model"] == "replies" and request.transport is not None:
            request.transport.abort()
        return web.json_response({"choices": []})


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    found = Api()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    found.url = f"http://{host}:{port}/v1"
    yield found
    await runner.cleanup()


async def test_calls_come_for_as_long_as_was_asked(api: Api) -> None:
    keys = {team: f"mdt_{team}" for team in {s.team for s in SCRIPTS}}
    began = time.monotonic()
    told = await run(Plan(api=api.url, keys=keys, seconds=1.5, rate=50, seed=7))
    assert time.monotonic() - began >= 1.5
    assert told.total() == len(api.came) >= 20
    assert set(told) == {"200", "403", "broken"}
    assert {key for key, _ in api.came} == {f"Bearer mdt_{team}" for team in keys}
    assert {body["stream"] for _, body in api.came} == {True, False}


async def test_a_team_without_a_key_does_not_call(api: Api) -> None:
    told = await run(Plan(api=api.url, keys={"group/data-science": "mdt_x"}, seconds=0.3, rate=50))
    assert told.total() == len(api.came) > 0
    assert {body["model"] for _, body in api.came} <= {"coding", "summaries"}


async def test_no_key_no_call(api: Api) -> None:
    assert (await run(Plan(api=api.url, keys={}, seconds=0.3, rate=50))).total() == 0
    assert api.came == []
