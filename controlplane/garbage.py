"""The collector of cyclic garbage, set for processes that live long and make few cycles."""

import gc

YOUNG = 50_000


def settle() -> None:
    """Call once everything is loaded: what is there stays, and the young generation is looked at seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
