"""The table of what crosses dialects: read from support.yaml, rendered as docs/dialects.md.

`python -m tests.routing.dialects.support` writes the page.
"""

from pathlib import Path
from typing import Any

import yaml

CLAIMS = ("carried", "left out", "routed around", "refused")
ASKED = {
    "openai.chat": ("anthropic.messages",),
    "openai.responses": ("openai.chat", "anthropic.messages"),
    "anthropic.messages": ("openai.chat",),
}
"""The other dialects in which a caller's models are asked; `spoken_by` names no other, as a test shows."""
TABLE = Path(__file__).with_name("support.yaml")
PAGE = Path(__file__).parents[3] / "docs" / "dialects.md"
HEAD = """\
# What crosses from one dialect to another

A caller speaks one dialect, the model that is chosen may speak another. Between two models of one dialect every field is
carried byte for byte: only the model, the token limit and (in a stream) the request for usage are replaced, by position; of
a response also what we do ourselves (`store`, `background`, `previous_response_id`), so that nothing is kept at the vendor.
A provider of type `openai` speaks both of its dialects and is asked in the caller's; the others speak one.
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

Where a provider bills more cheaply at a lower priority, a caller of OpenAI's dialects may ask for it: `service_tier: flex`
goes to models whose price has a `batchFactor` below 1 at providers of type `openai`, `openai-compatible` and `sandbox`; the
others are no candidates, and the refusal names them. A caller may not ask for `priority` and other dearer tiers. Anthropic's
`auto` and `standard_only` pass.

What is billed is the tier that the *answer* names, asked for or not, whole or at the end of a stream (`service_tier`,
Anthropic's `usage.service_tier`): `flex` and `batch` at the `batchFactor`, `priority` at the `priorityFactor`, in full where it
names none. What is held is the full price, and times the `priorityFactor` where there is one. A dearer tier without a price is
booked at the plain one and told as `price.missing` (ADR 48). A vendor's endpoint for batches (`/v1/batches`) is not offered yet.

Tools that an answer asks for are read the same way in every dialect (function, custom and legacy calls, items, blocks; plain or
streamed) and each is decided at stage `tool` where rules have a say; a tool that was not offered is no part of an answer then.

This page is made from the table that the tests check, example by example: `python -m tests.routing.dialects.support`.
"""


def rows() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The rows by the dialects of caller and model."""
    table: dict[str, list[dict[str, Any]]] = yaml.safe_load(TABLE.read_text())
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for caller, asked in ASKED.items():
        for row in table[caller]:
            claims = row.pop("to", None) or dict.fromkeys(asked, row)
            assert claims.keys() == set(asked), row
            for model, claim in claims.items():
                found.setdefault((caller, model), []).append(row | claim)
    return found


def page() -> str:
    """docs/dialects.md."""
    parts, table = [HEAD], rows()
    for caller, asked in ASKED.items():
        parts.append(f"\n## `{caller}` to {' and '.join(f'`{model}`' for model in asked)}\n")
        heads = " | ".join(f"to `{model}`" for model in (caller, *asked))
        parts.append(f"| field | {heads} |\n| --- |{' --- |' * (1 + len(asked))}")
        for cells in zip(*(table[caller, model] for model in asked), strict=True):
            about = f": {cells[0]['about']}" if "about" in cells[0] else ""
            claims = " | ".join(cell["claim"] for cell in cells)
            parts.append(f"| `{cells[0]['field']}`{about} | carried | {claims} |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
