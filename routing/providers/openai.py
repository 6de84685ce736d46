"""Accounts at OpenAI and at servers that speak its chat completions, through the official SDK."""

from typing import cast

import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream

from routing.dialects.registry import spoken_by
from routing.exchange import DialectName
from routing.providers.http import Outgoing
from routing.transport.guarded import GuardedTransport

_NEVER = httpx2.Timeout(None)
_PATHS: dict[DialectName, str] = {
    "openai.chat": "/chat/completions",
    "openai.responses": "/responses",
}


class OpenAIAccount:
    """One account: `POST {base_url}/chat/completions`, and `/responses` where the type of provider has it."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        transport: GuardedTransport,
        *,
        provider_type: str = "openai",
        limit_field: str = "",
    ) -> None:
        self._provider_type = provider_type
        self.limit_field = limit_field
        http = httpx2.AsyncClient(
            transport=transport,
            timeout=_NEVER,
            follow_redirects=False,
            trust_env=False,
            headers={"accept-encoding": "identity"},
        )
        self._client = AsyncOpenAI(
            api_key=api_key or "none",
            base_url=base_url,
            timeout=_NEVER,
            max_retries=0,
            http_client=http,
        )
        # the SDK would take these from the environment
        self._client.organization = None
        self._client.project = None

    def speaks(self, caller: DialectName) -> DialectName:
        """Chat completions; responses for those who speak them themselves."""
        return spoken_by(self._provider_type, caller)

    async def post(self, sent: Outgoing, *, connect_seconds: float) -> httpx2.Response:
        """The vendor's answer, also an error answer; raises httpx2 errors when there is none."""
        path = _PATHS[sent.dialect]
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
        except openai.APIStatusError as error:
            return error.response
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, httpx2.HTTPError):
                raise error.__cause__ from None
            raise
        # asked for as a raw response, it is one, also when it is a stream
        return cast("httpx2.Response", answer)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()
