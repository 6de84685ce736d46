"""What `policy plan` says of the calls of the last days: the replay of a plan, waited for, with its progress."""

from collections.abc import Iterator
from time import sleep
from typing import Final

from controlplane.kernel.errors import MandateError, Unauthenticated, Unavailable
from policies.folders.folder import Local
from policies.management.targets import Json
from policies.management.work import Work

POLL_SECONDS: Final = 1.0
QUEUED_SECONDS = 30.0
"""How long it may wait for a jobs worker before `plan` goes on without it."""
_OPEN: Final = ("queued", "running")


def replay(work: Work, local: Local, plan: Json) -> Json | None:
    """The replay of a plan at its end; None where there is none, or nobody asked for one. A plan stands without it."""
    if work.options["no_replay"] or not plan["items"] or plan["refusals"]:
        return None
    try:
        return _waited(work, work.target.replay(local.folder, work.wanted))
    except (Unavailable, Unauthenticated):
        raise
    except MandateError as error:
        work.complain(f"no replay: {error.message}")
        return None


def lines(found: Json | None) -> Iterator[str]:
    """The same for a person."""
    if found is None:
        return
    if found["state"] == "done":
        yield f"replay of the last {found['days']} days:"
        yield from (f"    {sentence}" for sentence in found["says"])
        yield f"    digest {found['digest']}"
    elif found["state"] == "queued":
        yield "replay: no jobs worker took it yet; it waits for one"
    else:
        why = f": {found['told']}" if found["told"] else ""
        yield f"replay: it is {found['state']}{why}"


def _waited(work: Work, found: Json) -> Json:
    """Until its end; one that nobody takes is left in the queue."""
    left, said = QUEUED_SECONDS, ""
    while found["state"] in _OPEN:
        if found["state"] == "queued":
            if left <= 0:
                return found
            left -= POLL_SECONDS
        line = f"replay: {found['percent']} % of {found['days']} days, {found['calls']:,} calls"
        if line != said:
            work.complain(line)
        said = line
        sleep(POLL_SECONDS)
        found = work.target.replayed(found["id"])
    return found
