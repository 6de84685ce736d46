"""Engines of earlier numbers, as they were, so that what was decided once can be decided again for ever.

A bundle's text names its engine. `compile.load_bundle` hands a text of an earlier number to that engine, and `decide`,
`weigh` and `trace` hand it the bundle that it made: no other code knows that there are several.

To change what a decision says: `python -m tests.policies.engine.freeze N` copies `policies.engine` and
`policies.documents` as they are into `older/engine_N`; enter its engine in `OLDER`, raise `ENGINE` in `decision.py`, and
write the corpus of the new number. The corpus of the old one stays, and the copy decides it.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple


class Engine(NamedTuple):
    """The functions of an engine, on its own bundles."""

    load: Callable[[int, bytes, bytes], Any]
    decide: Callable[..., Any]
    weigh: Callable[..., Any]
    trace: Callable[..., Any]


OLDER: Final[dict[int, Engine]] = {}
"""By number. Engine 1 is the current one."""
