"""Accounts at Anthropic, through the official SDK."""

from typing import cast

import anthropic
import httpx2
from anthropic import AsyncAnthropic, AsyncStream

from routing.dialects.registry import spoken_by
from routing.exchange import DialectName
from routing.providers.http import Outgoing
from routing.transport.guarded import GuardedTransport

_NEVER = httpx2.Timeout(None)


class AnthropicAccount:
    """One account: `POST {base_url}/v1/messages`; a base URL that ends in `/v1` is understood."""

    limit_field = ""

    def __init__(self, base_url: str, api_key: str, transport: GuardedTransport) -> None:
        http = httpx2.AsyncClient(
            transport=transport,
            timeout=_NEVER,
            follow_redirects=False,
            trust_env=False,
            headers={"accept-encoding": "identity"},
        )
        self._client = AsyncAnthropic(
            api_key=api_key or "none",
            base_url=base_url.rstrip("/").removesuffix("/v1"),
            timeout=_NEVER,
            max_retries=0,
            http_client=http,
            open_telemetry=False,
        )

    def speaks(self, caller: DialectName) -> DialectName:
        """Messages, whoever asks."""
        return spoken_by("anthropic", caller)

    async def post(self, sent: Outgoing, *, connect_seconds: float) -> httpx2.Response:
        """The vendor's answer, also an error answer; raises httpx2 errors when there is none."""
        path = "/v1/messages"
        try:
            answer = await self._client.post(
                f"{path}?{sent.query}" if sent.query else path,
                cast_to=httpx2.Response,
                content=sent.body,
                options={
                    "headers": sent.headers,
                    "timeout": httpx2.Timeout(None, connect=connect_seconds),
                    "max_retries": 0,
                },
                stream=sent.stream,
                stream_cls=AsyncStream[object],
            )
        except anthropic.APIStatusError as error:
            return error.response
        except anthropic.APIConnectionError as error:
            if isinstance(error.__cause__, httpx2.HTTPError):
                raise error.__cause__ from None
            raise
        # asked for as a raw response, it is one, also when it is a stream
        return cast("httpx2.Response", answer)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()
