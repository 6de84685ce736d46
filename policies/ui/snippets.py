"""PURE: ready configuration for the clients that people already have: only the base URL, the key and the model change."""

from dataclasses import dataclass, replace

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
    filled = {"{origin}": origin, "{route}": route, "{key}": key}
    return tuple(replace(one, text=_filled(one.text, filled)) for one in _TABLE)


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


_TABLE = (
    Snippet(
        "openai",
        "openai, Python",
        """\
from openai import OpenAI

client = OpenAI(
    base_url="{origin}/v1",
    api_key="{key}",
)
answer = client.chat.completions.create(
    model="{route}",
    messages=[{"role": "user", "content": "Hail damage on a parked car"}],
)
print(answer.choices[0].message.content)
""",
        python=True,
    ),
    Snippet(
        "openai-js",
        "openai, JavaScript",
        """\
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "{origin}/v1",
  apiKey: "{key}",
});
const answer = await client.chat.completions.create({
  model: "{route}",
  messages: [{ role: "user", content: "Hail damage on a parked car" }],
});
console.log(answer.choices[0].message.content);
""",
    ),
    Snippet(
        "anthropic",
        "anthropic, Python",
        """\
from anthropic import Anthropic

client = Anthropic(
    base_url="{origin}",
    api_key="{key}",
)
answer = client.messages.create(
    model="{route}",
    max_tokens=400,
    messages=[{"role": "user", "content": "Hail damage on a parked car"}],
)
print(answer.content[0].text)
""",
        python=True,
        note="The SDK adds /v1 by itself.",
    ),
    Snippet(
        "langchain",
        "LangChain",
        """\
from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url="{origin}/v1",
    api_key="{key}",
    model="{route}",
)
print(model.invoke("Hail damage on a parked car").content)
""",
        python=True,
    ),
    Snippet(
        "curl",
        "curl",
        """\
curl {origin}/v1/chat/completions \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "{route}", "messages": [{"role": "user", "content": "Hail damage on a parked car"}]}'
""",
    ),
    Snippet(
        "claude-code",
        "Claude Code",
        """\
export ANTHROPIC_BASE_URL="{origin}"
export ANTHROPIC_AUTH_TOKEN="{key}"
export ANTHROPIC_MODEL="{route}"
""",
        note="And every agent that reads ANTHROPIC_BASE_URL.",
    ),
    Snippet(
        "codex",
        "Codex",
        """\
# ~/.codex/config.toml; the key comes from the environment: export MANDATE_KEY="{key}"
model = "{route}"
model_provider = "mandate"

[model_providers.mandate]
name = "Mandate"
base_url = "{origin}/v1"
env_key = "MANDATE_KEY"
wire_api = "responses"
""",
    ),
    Snippet(
        "environment",
        "Other agents",
        """\
export OPENAI_BASE_URL="{origin}/v1"
export OPENAI_API_KEY="{key}"
export OPENAI_MODEL="{route}"
""",
        note="For agents and frameworks that read OPENAI_BASE_URL.",
    ),
)
