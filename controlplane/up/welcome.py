"""What a newcomer reads when everything runs, and the same facts for programs in `welcome.json` (0600)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, cast

from controlplane.places import write_private

WELCOME_FILE = "welcome.json"


class Person(TypedDict):
    """A demo member who can sign in."""

    name: str
    email: str
    password: str
    roles: Sequence[str]


class Welcome(TypedDict):
    """Exactly the fields of `welcome.json`."""

    console: str
    api: str
    anthropic_api: str
    route: str
    keys: Mapping[str, str]
    people: Sequence[Person]
    tokens: Mapping[str, str]


def read(home: Path) -> Welcome | None:
    """What the first start was told: keys and passwords are shown once, and kept only here."""
    path = home / WELCOME_FILE
    if not path.is_file():
        return None
    kept: Welcome = json.loads(path.read_text(encoding="utf-8"))
    return kept


def write(home: Path, facts: Welcome) -> None:
    """Keep it, readable by us alone."""
    write_private(home / WELCOME_FILE, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def compose(console: str, told: Mapping[str, object]) -> Welcome:
    """The facts for this address from what seeding told: route, keys, people, tokens (each may be missing)."""
    return Welcome(
        console=console,
        api=f"{console}/v1",
        anthropic_api=console,
        route=str(told.get("route", "")),
        keys=cast("Mapping[str, str]", told.get("keys", {})),
        people=cast("Sequence[Person]", told.get("people", [])),
        tokens=cast("Mapping[str, str]", told.get("tokens", {})),
    )


def render(facts: Welcome, elapsed_seconds: float) -> str:
    """The printed welcome: where, who, a key, and two ways to call that work as printed."""
    parts = ["", f"  Mandate is running: {facts['console']}", ""]
    if facts["people"]:
        parts += ["  Sign in as", *_people(facts["people"]), ""]
    if facts["keys"] and facts["route"]:
        parts += _calls(facts)
    parts += [
        "  The same facts lie in welcome.json of MANDATE_HOME. Ctrl-C stops everything.",
        f"  Ready after {elapsed_seconds:.0f} s.",
        "",
    ]
    return "\n".join(parts)


def _people(people: Sequence[Person]) -> list[str]:
    width = max(len(person["email"]) for person in people)
    return [
        f"    {person['email']:<{width}}  {person['password']}  {', '.join(person['roles'])}"
        for person in people
    ]


def _calls(facts: Welcome) -> list[str]:
    owner, key = next(iter(facts["keys"].items()))
    body = json.dumps(
        {
            "model": facts["route"],
            "messages": [{"role": "user", "content": "Water came through the roof."}],
        }
    )
    headers = f"-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json'"
    return [
        f"  An API key ({owner})",
        f"    {key}",
        "",
        "  Call it from a shell",
        f"    curl -s {facts['api']}/chat/completions {headers} -d '{body}'",
        "",
        "  or from Python, with the client you already have",
        "",
        "from openai import OpenAI",
        f'client = OpenAI(base_url="{facts["api"]}", api_key="{key}")',
        'messages = [{"role": "user", "content": "Water came through the roof."}]',
        f'answer = client.chat.completions.create(model="{facts["route"]}", messages=messages)',
        "print(answer.choices[0].message.content)",
        "",
    ]
