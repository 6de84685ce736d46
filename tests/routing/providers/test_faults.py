"""What a bad network and a bad server do to an attempt: its class, and whether it may have been billed."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from routing.providers.base import ProviderError, Timeouts
from routing.providers.registry import Providers
from routing.transport import guarded as transport
from tests.routing.providers.asking import answer, request, secrets_for, streamed, target
from tests.routing.providers.servers import Handler, http, read_request, says, serving

KINDS = pytest.mark.parametrize("kind", ["openai", "anthropic"])
ASKED = request("openai.chat", "the secret prompt")
STREAMED = request("openai.chat", "the secret prompt", stream=True)


@asynccontextmanager
async def at_server(handler: Handler) -> AsyncIterator[tuple[Providers, str]]:
    async with serving(handler) as url:
        providers = Providers(secrets_for(url.removeprefix("http://")))
        yield providers, url
        await providers.close()


async def failure(handler: Handler, kind: str, *, stream: bool = False) -> ProviderError:
    """How an attempt at this server fails."""
    async with at_server(handler) as (providers, url):
        at = target(kind, url, timeouts=Timeouts(connect=1, first_token=2, stall=2, total=2))
        with pytest.raises(ProviderError) as caught:
            await (streamed if stream else answer)(providers, STREAMED if stream else ASKED, at)
    assert "secret prompt" not in str(caught.value)
    return caught.value


@KINDS
async def test_nobody_listens(kind: str) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    providers = Providers(secrets_for(f"127.0.0.1:{port}"))
    with pytest.raises(ProviderError, match="no connection") as caught:
        await answer(providers, ASKED, target(kind, f"http://127.0.0.1:{port}"))
    await providers.close()
    assert (caught.value.error_class, caught.value.maybe_processed) == ("server_error", False)


@KINDS
async def test_nobody_accepts(kind: str) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        providers = Providers(secrets_for(f"127.0.0.1:{port}"))
        at = target(kind, f"http://127.0.0.1:{port}", timeouts=Timeouts(connect=0.3))
        with pytest.raises(
            ProviderError, match=r"the connection took longer than 0\.3 s"
        ) as caught:
            await answer(providers, ASKED, at)
        await providers.close()
        for filler in fillers:
            filler.close()
    assert (caught.value.error_class, caught.value.maybe_processed) == ("timeout", False)


@KINDS
@pytest.mark.parametrize("stream", [False, True])
async def test_hung_up_before_an_answer(kind: str, stream: bool) -> None:
    error = await failure(says(), kind, stream=stream)
    assert (error.error_class, error.maybe_processed) == ("server_error", True)


@KINDS
async def test_hung_up_in_mid_answer(kind: str) -> None:
    whole = http("200 OK", b'{"id": "x", "choices": []}', b"content-type: application/json")
    error = await failure(says(whole[:-9]), kind)
    assert (error.error_class, error.maybe_processed) == ("server_error", True)


@KINDS
@pytest.mark.parametrize("stream", [False, True])
async def test_not_http(kind: str, stream: bool) -> None:
    error = await failure(says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), kind, stream=stream)
    assert (error.error_class, error.maybe_processed) == ("server_error", True)


@KINDS
@pytest.mark.parametrize("stream", [False, True])
async def test_a_redirect_is_not_followed(kind: str, stream: bool) -> None:
    asked: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_request(reader))
        writer.write(http("200 OK", b"{}"))

    async with serving(elsewhere) as other:
        moved = http("307 Temporary Redirect", b"", b"location: " + other.encode() + b"/v1")
        error = await failure(says(moved), kind, stream=stream)
    assert (error.error_class, error.status, error.maybe_processed) == (
        "refused_account",
        307,
        False,
    )
    assert asked == []


@KINDS
async def test_a_compressed_answer_is_not_unpacked(kind: str) -> None:
    error = await failure(says(http("200 OK", b"x" * 9, b"content-encoding: gzip")), kind)
    assert "compressed" in str(error)
    assert (error.error_class, error.maybe_processed) == ("server_error", True)


@KINDS
@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_without_end_is_cut(
    kind: str, status: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults: Any = transport.GuardedTransport.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "largest_answer", 100_000)
    error = await failure(says(http(status, b" " * 200_000)), kind, stream=stream)
    assert "larger than its bound" in str(error)
    assert error.error_class == "server_error"


@KINDS
async def test_an_html_refusal_has_no_body_for_the_caller(kind: str) -> None:
    page = http("400 Bad Request", b"<html>nginx</html>", b"content-type: text/html")
    error = await failure(says(page), kind)
    assert (error.error_class, error.body) == ("refused_request", None)


@KINDS
async def test_a_gateway_that_gave_up_may_have_cost(kind: str) -> None:
    error = await failure(says(http("504 Gateway Timeout", b"{}")), kind)
    assert (error.error_class, error.maybe_processed) == ("timeout", True)
    error = await failure(says(http("502 Bad Gateway", b"{}")), kind)
    assert (error.error_class, error.maybe_processed) == ("server_error", True)


async def test_a_stream_that_only_pings_has_no_first_token() -> None:
    async def pings(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        for _ in range(100):
            writer.write(b'event: ping\ndata: {"type": "ping"}\n\n')
            await writer.drain()
            await asyncio.sleep(0.05)

    async with at_server(pings) as (providers, url):
        at = target("anthropic", url, timeouts=Timeouts(first_token=0.4))
        with pytest.raises(ProviderError, match="the first token") as caught:
            await streamed(providers, STREAMED, at)
    assert caught.value.error_class == "timeout"


async def test_a_plain_answer_where_a_stream_was_asked_for() -> None:
    body = b'{"id":"x","object":"chat.completion","choices":[]}'
    error = await failure(says(http("200 OK", body)), "openai", stream=True)
    assert (error.error_class, error.maybe_processed) == ("server_error", True)


async def test_cookies_are_not_kept() -> None:
    seen: list[bytes] = []

    async def sets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append(await read_request(reader))
            writer.write(http("400 Bad Request", b"{}", b"set-cookie: who=you; path=/"))
            await writer.drain()

    async with at_server(sets) as (providers, url):
        for _ in range(2):
            with pytest.raises(ProviderError):
                await answer(providers, ASKED, target("openai", url))
    assert len(seen) == 2
    assert b"cookie" not in seen[1].lower()
    assert b"accept-encoding: identity" in seen[1].lower()


async def test_connections_are_used_again() -> None:
    heads: list[bytes] = []
    connections = 0

    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            heads.append(await read_request(reader))
            writer.write(http("429 Too Many Requests", b"{}", b"retry-after: 3"))
            await writer.drain()

    async with at_server(keeps) as (providers, url):
        for _ in range(3):
            with pytest.raises(ProviderError):
                await answer(providers, ASKED, target("openai", url))
    assert (len(heads), connections) == (3, 1)


async def test_a_connection_to_another_origin_is_refused() -> None:
    made = transport.GuardedTransport("https://api.vendor.example/v1", frozenset())
    for url in ("https://other.example/v1/x", "http://api.vendor.example/v1/x"):
        with pytest.raises(transport.RefusedError, match="leaves the account's own address"):
            await made.handle_async_request(httpx2.Request("POST", url, content=b"{}"))
    await made.aclose()
