"""The whole of it: one function over a bundle."""

from policies.analysis.conditions import Matching
from policies.analysis.finding import Analysis
from policies.analysis.reach import reaching
from policies.analysis.situations import World
from policies.engine.bundle import Bundle


def analyse(bundle: Bundle, now: str) -> Analysis:
    """Everything that is odd about a bundle at a moment (RFC 3339 in UTC), rules first. Bounded by a count, not by a clock."""
    matching = Matching(World(bundle, now))
    rules = list(matching.findings())
    undecided = tuple(matching.undecided)
    found = [*rules, *reaching(matching)]
    return Analysis(findings=tuple(found), examined=matching.examined, undecided=undecided)
