"""The only way out: aiohttp under httpx, guarded and bounded; for providers under their official SDKs.

Redirects are never followed, proxies and credentials of the environment are ignored, cookies are
not kept, an answer larger than its bound is cut. Every failure becomes an httpx error that says
whether a connection was made: the SDKs' own aiohttp transport reports a connection lost in
mid-answer as a failure to connect, which would make a processed call look unprocessed.
"""

import io
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
import httpx2
from aiohttp.abc import AbstractResolver
from yarl import URL

from policies.secrets.hosts import DEFAULT_PORTS, BadAddress, address_of
from routing.transport.guard import AddressRefused, Guard, GuardedResolver, GuardedSockets

CONNECTIONS = 4_000
KEEP_ALIVE_SECONDS = 20.0
LARGEST_ANSWER = 64 * 1024 * 1024
_AT_ONCE = 1024 * 1024


class RefusedError(httpx2.ConnectError):
    """The guard refused the address. Nothing was sent."""


class TooLargeError(httpx2.ReadError):
    """The answer is larger than its bound."""


class EncodedError(httpx2.DecodingError):
    """The answer is compressed although `identity` was asked for."""


class GuardedTransport(httpx2.AsyncBaseTransport):
    """One provider account's connections, all in one event loop.

    Making one raises RefusedError when the address may not be called as it is written.
    """

    def __init__(
        self,
        base_url: str,
        hosts: frozenset[str],
        *,
        resolver: AbstractResolver | None = None,
        largest_answer: int = LARGEST_ANSWER,
    ) -> None:
        try:
            self._address = address_of(base_url)
            self._guard = Guard(hosts)
            self._guard.check_host(self._address)
        except (BadAddress, AddressRefused) as error:
            raise RefusedError(str(error)) from None
        self._resolver = resolver
        self._largest = largest_answer
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; the answer's body is still to be read. Raises httpx2 errors."""
        self._check(request)
        session = self._session or self._open()
        connect = request.extensions.get("timeout", {}).get("connect")
        content = request.content
        with _translated():
            response = await session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                # aiohttp warns of large bytes and copies them at once
                data=io.BytesIO(content) if len(content) > _AT_ONCE else content,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(connect=connect, sock_connect=connect),
            )
        if response.headers.get("content-encoding", "identity") != "identity":
            response.close()
            raise EncodedError("the answer is compressed although identity was asked for")
        return httpx2.Response(
            response.status,
            # httpx would keep cookies and send them with the next caller's request
            headers=[pair for pair in response.raw_headers if pair[0].lower() != b"set-cookie"],
            stream=_Body(response, self._largest),
            request=request,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _check(self, request: httpx2.Request) -> None:
        """The SDK may only go to the account's own origin, which was checked when this was made."""
        url, here = request.url, self._address
        port = url.port or DEFAULT_PORTS.get(url.scheme)
        if url.host != here.host or port != here.port or url.scheme != here.scheme:
            raise RefusedError("the request leaves the account's own address")

    def _open(self) -> aiohttp.ClientSession:
        scheme = self._address.scheme
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS,
            limit_per_host=0,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            resolver=GuardedResolver(self._guard, scheme, self._resolver),
            socket_factory=GuardedSockets(self._guard, scheme),
            ssl=_tls() if scheme == "https" else False,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("user-agent", "accept", "accept-encoding", "content-type"),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self._session


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse, largest: int) -> None:
        self._response = response
        self._left = largest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._response.content
        with _translated():
            while data := await content.readany():
                self._left -= len(data)
                if self._left < 0:
                    self._response.close()
                    raise TooLargeError("the answer is larger than its bound")
                yield data

    async def aclose(self) -> None:
        if self._response.content.is_eof():
            self._response.release()
        else:
            self._response.close()


def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=True)


@contextmanager
def _translated() -> Iterator[None]:
    """The errors of aiohttp as those of httpx2. Their texts may quote the URL, so only their kind is kept."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx2.ConnectTimeout("no connection in time") from error
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, AddressRefused):
            raise RefusedError(str(error.os_error)) from None
        raise httpx2.ConnectError(_why(error)) from error
    except aiohttp.ServerTimeoutError as error:
        raise httpx2.ReadTimeout("no answer in time") from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise httpx2.ReadError(type(error).__name__) from error


def _why(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the name does not resolve"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the certificate is not valid"
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS failed"
    return error.os_error.strerror or "no connection"
