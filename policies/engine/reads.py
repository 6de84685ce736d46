"""What the rules of a bundle read of a caller's own words, and facts with only that in the clear.

Labels and names of tools are free text of the caller. A decision records those that a rule names by a constant; what is
left is one commitment for each field, or absent. No rule can tell the two apart: it does not look there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from policies.engine.facts import RequestFacts
from policies.engine.wire import Checked, Node

LABELS: Final = "request.labels"
TOOLS: Final = "request.tools"
Commit = Callable[[str, bytes], str]
"""Domain and value to a commitment (hex)."""

_canonical = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class Reads:
    """Names of labels and tools that rules look for; `every_…` where a rule looks at all there are."""

    labels: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    every_label: bool = False
    every_tool: bool = False

    def __or__(self, other: "Reads") -> "Reads":
        return Reads(
            self.labels | other.labels,
            self.tools | other.tools,
            self.every_label or other.every_label,
            self.every_tool or other.every_tool,
        )

    def sees_label(self, name: str) -> bool:
        """Whether a rule may look at this label."""
        return self.every_label or name in self.labels

    def sees_tool(self, name: str) -> bool:
        """Whether a rule may look for this tool."""
        return self.every_tool or name in self.tools


NOTHING: Final = Reads()


def mentions(text: str) -> bool:
    """Whether a condition could read any of it; cheap, and never wrongly false."""
    return "labels" in text or "tools" in text


def reads_of(checked: Checked) -> Reads:
    """What one checked condition reads: by a constant name, else all of it."""
    found = NOTHING
    for one in _uses(checked.root):
        found |= one
    return found


def _uses(node: Node) -> Iterator[Reads]:
    todo = [node]
    while todo:
        current = todo.pop()
        named = _by_name(current)
        if named is not None:
            yield named
        elif current.kind == "ident" and _plain(current) == LABELS:
            yield Reads(every_label=True)
        elif current.kind == "ident" and _plain(current) == TOOLS:
            yield Reads(every_tool=True)
        else:
            todo += current.parts


def _by_name(node: Node) -> Reads | None:
    """`labels["k"]`, `labels.k`, `has(labels.k)`, `"k" in labels`, `"t" in tools`; None for anything else."""
    if node.kind in {"select", "test"} and _plain(node.parts[0]) == LABELS:
        return Reads(labels=frozenset({node.name}))
    if node.kind != "call" or len(node.parts) != 2 or node.name not in {"_[_]", "@in"}:
        return None
    name, where = node.parts if node.name == "@in" else node.parts[::-1]
    if name.kind != "const" or not isinstance(name.value, str):
        return None
    if _plain(where) == LABELS:
        return Reads(labels=frozenset({name.value}))
    if node.name == "@in" and _plain(where) == TOOLS:
        return Reads(tools=frozenset({name.value}))
    return None


def _plain(node: Node) -> str:
    return node.name.removeprefix(".") if node.kind == "ident" else ""


def reads_of_document(kind: str, name: str, spec: Mapping[str, Any]) -> Reads:
    """What a document reads beside its conditions: labels of a scope, those it requires; a Tool names itself."""
    scope = spec.get("scope")
    labels = scope.get("labels") if isinstance(scope, Mapping) else None
    required = [one["name"] for one in spec.get("requiredLabels") or ()]
    return Reads(
        labels=frozenset([*(labels or ()), *required]),
        tools=frozenset({name} if kind == "Tool" else ()),
    )


def project(asked: RequestFacts, reads: Reads, commit: Commit) -> RequestFacts:
    """The facts of a request with only what rules read in the clear, the rest committed."""
    kept = {name: value for name, value in asked.labels.items() if reads.sees_label(name)}
    rest = {name: value for name, value in asked.labels.items() if not reads.sees_label(name)}
    unread = tuple(name for name in asked.tools if not reads.sees_tool(name))
    return msgspec.structs.replace(
        asked,
        labels=kept,
        labels_committed=commit("labels", _canonical.encode(rest)) if rest else "",
        tools=tuple(name for name in asked.tools if reads.sees_tool(name)),
        tools_committed=commit("tools", _canonical.encode(unread)) if unread else "",
    )


def undecidable(recorded: RequestFacts, then: Reads, now: Reads) -> Sequence[str]:
    """What rules would read now that these facts, recorded for the rules of `then`, only have committed.

    Empty: the facts decide as the whole request would. Names of labels and tools come first, then "every label" and
    "every tool".
    """
    found: list[str] = []
    if recorded.labels_committed:
        found += sorted(now.labels - then.labels)
    if recorded.tools_committed:
        found += sorted(now.tools - then.tools)
    if recorded.labels_committed and now.every_label:
        found.append("every label")
    if recorded.tools_committed and now.every_tool:
        found.append("every tool")
    return found
