"""One thing that is worth a look; never a reason to refuse."""

from typing import Literal

import msgspec

from policies.documents.document import Identity

Kind = Literal[
    "never-matches", "always-matches", "shadowed", "contradicted", "unpriced", "unreachable-model", "sunset",
    "uncallable-route", "unreachable-budget", "use-case-review", "exception-expires",
]  # fmt: skip


class Finding(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A document and what is odd about it. `line` counts in its own text (0: the whole); `others` are held against it."""

    kind: Kind
    document: Identity
    message: str
    line: int = 0
    others: tuple[Identity, ...] = ()

    @property
    def about(self) -> frozenset[Identity]:
        """Every document that it tells something of: who may not read one of them does not see it."""
        return frozenset((self.document, *self.others))


class Analysis(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """All that was found. `examined` situations were tried; of the rules in `undecided` it cannot be told whether they match."""

    findings: tuple[Finding, ...]
    examined: int
    undecided: tuple[Identity, ...] = ()
