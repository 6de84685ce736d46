"""PURE: ready configuration for the clients that people already have: only the base URL, the key and the model change."""

from collections.abc import Iterator
from dataclasses import dataclass

PLACEHOLDER = "mdt_…"


@dataclass(frozen=True, slots=True)
class Snippet:
    """One client's configuration as text. `python` says whether it is a program that runs as it stands."""

    name: str
    title: str
    text: str
    python: bool = False
    note: str = ""


def snippets(origin: str, route: str, key: str = PLACEHOLDER) -> tuple[Snippet, ...]:
    """Every client's, for an installation at `https://ai.acme.example`, a route, and a key or its placeholder."""
    return (*_sdks(origin, route, key), *_agents(origin, route, key))


def _sdks(origin: str, route: str, key: str) -> Iterator[Snippet]:
    yield Snippet(
        "openai",
        "openai, Python",
        f"""\
from openai import OpenAI

client = OpenAI(
    base_url="{origin}/v1",
    api_key="{key}",
)
answer = client.chat.completions.create(
    model="{route}",
    messages=[{{"role": "user", "content": "Hail damage on a parked car"}}],
)
print(answer.choices[0].message.content)
""",
        python=True,
    )
    yield Snippet(
        "openai-js",
        "openai, JavaScript",
        f"""\
import OpenAI from "openai";

const client = new OpenAI({{
  baseURL: "{origin}/v1",
  apiKey: "{key}",
}});
const answer = await client.chat.completions.create({{
  model: "{route}",
  messages: [{{ role: "user", content: "Hail damage on a parked car" }}],
}});
console.log(answer.choices[0].message.content);
""",
    )
    yield Snippet(
        "anthropic",
        "anthropic, Python",
        f"""\
from anthropic import Anthropic

client = Anthropic(
    base_url="{origin}",
    api_key="{key}",
)
answer = client.messages.create(
    model="{route}",
    max_tokens=400,
    messages=[{{"role": "user", "content": "Hail damage on a parked car"}}],
)
print(answer.content[0].text)
""",
        python=True,
        note="The SDK adds /v1 by itself.",
    )
    yield Snippet(
        "langchain",
        "LangChain",
        f"""\
from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url="{origin}/v1",
    api_key="{key}",
    model="{route}",
)
print(model.invoke("Hail damage on a parked car").content)
""",
        python=True,
    )


def _agents(origin: str, route: str, key: str) -> Iterator[Snippet]:
    yield Snippet(
        "curl",
        "curl",
        f"""\
curl {origin}/v1/chat/completions \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{route}", "messages": [{{"role": "user", "content": "Hail damage on a parked car"}}]}}'
""",
    )
    yield Snippet(
        "claude-code",
        "Claude Code",
        f"""\
export ANTHROPIC_BASE_URL="{origin}"
export ANTHROPIC_AUTH_TOKEN="{key}"
export ANTHROPIC_MODEL="{route}"
""",
        note="And every agent that reads ANTHROPIC_BASE_URL.",
    )
    yield Snippet(
        "codex",
        "Codex",
        f"""\
# ~/.codex/config.toml; the key comes from the environment: export MANDATE_KEY="{key}"
model = "{route}"
model_provider = "mandate"

[model_providers.mandate]
name = "Mandate"
base_url = "{origin}/v1"
env_key = "MANDATE_KEY"
wire_api = "responses"
""",
    )
    yield Snippet(
        "environment",
        "Other agents",
        f"""\
export OPENAI_BASE_URL="{origin}/v1"
export OPENAI_API_KEY="{key}"
export OPENAI_MODEL="{route}"
""",
        note="For agents and frameworks that read OPENAI_BASE_URL.",
    )
