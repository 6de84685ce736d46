"""PURE: what a replay came to in words, and as the API and the command line tell it."""

from collections.abc import Mapping
from typing import Any, Final

from controlplane.kernel.money import format_nano
from policies.replay.results import Part
from policies.replay.values import CHANGES, Counts, shown

WORDS: Final[Mapping[str, str]] = {
    "denied": "denied",
    "held": "held for a person",
    "permitted": "permitted",
    "rerouted": "re-routed",
    "altered": "on other terms",
    "undecidable": "undecidable",
}


def sentence(counts: Counts) -> str:
    """The sums in one sentence: "412 of 143,208 calls would fare otherwise: 380 re-routed, …; 6 are undecidable"."""
    if not counts.calls:
        return "No call was decided in this time."
    calls = f"{counts.calls:,} call{'s' if counts.calls != 1 else ''}"
    parts = [(getattr(counts, kind), WORDS[kind]) for kind in CHANGES]
    named = ", ".join(f"{n:,} {word}" for n, word in sorted(parts, key=lambda p: -p[0]) if n)
    said = (
        f"{counts.changed:,} of {calls} would fare otherwise: {named}"
        if counts.changed
        else f"None of {calls} would fare otherwise"
    )
    if counts.undecidable:
        said += f"; {counts.undecidable:,} {'are' if counts.undecidable != 1 else 'is'} undecidable"
    return f"{said}."


def undecidable(counts: Counts) -> str:
    """What could not be decided, by the field that is missing; empty where all could."""
    if not counts.undecidable:
        return ""
    fields = ", ".join(f"{name} ({number:,})" for name, number in sorted(counts.fields.items()))
    return (
        f"Undecidable, and not counted as unchanged: {fields} was not recorded or has been erased."
    )


def unknown(counts: Counts) -> str:
    """Where nobody knows what the rules about answers would have said; empty where everybody does."""
    if not counts.unknown:
        return ""
    verb = "have" if counts.unknown != 1 else "has"
    return (
        f"{counts.unknown:,} of them {verb} rules about the answer whose outcome is unknown: "
        "no answer of that model is recorded."
    )


def drilled(counts: Counts, currency: str) -> str:
    """What an exit drill shows: how much is still served."""
    if not counts.served_before:
        return "Nothing was served in this time, so nothing can be said."
    kept = counts.served_after
    share = f"{kept * 100 / counts.served_before:.1f} %".replace(".0 %", " %")
    change = words_of(counts.cost_nano, currency)
    return (
        f"{share} of what was served still would be: {kept:,} of {counts.served_before:,} calls, "
        f"{change} in this time."
    )


def words_of(cost_nano: int, currency: str) -> str:
    """A difference of cost in words."""
    if not cost_nano:
        return "at the same cost"
    amount = format_nano(abs(cost_nano))
    return f"{amount} {currency} {'dearer' if cost_nano > 0 else 'cheaper'}"


def body(part: Part) -> dict[str, Any]:
    """The sums that a viewer sees, for programs."""
    return {
        "sentence": sentence(part.counts),
        "whole": part.whole,
        "currency": part.currency,
        "basis": part.said["cost"]["basis"],
        "counts": shown(part.counts),
        "tenants": [{"tenant": name, **shown(part.tenants[name])} for name in sorted(part.tenants)],
    }
