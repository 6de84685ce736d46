"""The table of what crosses dialects: read from support.yaml, rendered as docs/dialects.md.

`python -m tests.routing.dialects.support` writes the page.
"""

from pathlib import Path
from typing import Any

import yaml

CLAIMS = ("carried", "left out", "routed around", "refused")
TABLE = Path(__file__).with_name("support.yaml")
PAGE = Path(__file__).parents[3] / "docs" / "dialects.md"
HEAD = """\
# What crosses from one dialect to another

A caller speaks one dialect, the model that is chosen may speak another. Between two models of one dialect every field is
carried byte for byte: only the model, the token limit and (in a stream) the request for usage are replaced, by position.
When dialects are crossed, each field has one of four fates. None is dropped in silence.

| fate | meaning |
| --- | --- |
| carried | the other dialect says the same |
| left out | a hint that changes no answer's meaning; it is not sent, and that is reported |
| routed around | the other dialect has no place for it: its models are passed over; a call that has no other model is refused |
| refused | its form is not the dialect's own: 400 where it would have to cross; a model of the same dialect gets it as it is |

An answer crosses with its text, tool calls, finish and usage. Thinking blocks of one vendor are signed for that vendor and
stay out. Sampling controls (`temperature`, `top_p`) were removed from Anthropic's API version 2026-10-21: a crossing request
that has them asks for version 2023-06-01; a model that no longer takes them answers 400, which the caller sees.

This page is made from the table that the tests check, example by example: `python -m tests.routing.dialects.support`.
"""


def rows() -> dict[str, list[dict[str, Any]]]:
    """The rows by the dialect of the caller."""
    found: dict[str, list[dict[str, Any]]] = yaml.safe_load(TABLE.read_text())
    return found


def page() -> str:
    """docs/dialects.md."""
    parts = [HEAD]
    pairs = (("openai.chat", "anthropic.messages"), ("anthropic.messages", "openai.chat"))
    for caller, model in pairs:
        parts.append(f"\n## `{caller}` to `{model}`\n")
        parts.append(f"| field | to `{caller}` | to `{model}` |\n| --- | --- | --- |")
        for row in rows()[caller]:
            about = f": {row['about']}" if "about" in row else ""
            parts.append(f"| `{row['field']}`{about} | carried | {row['claim']} |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
