"""What the calls of one run came to so far: a fact for the next one."""

from controlplane.kernel.money import format_nano
from policies.engine.facts import RunFacts
from routing.calls.pool import Database, ask

_SO_FAR = """
SELECT count(*), coalesce(sum(cost_nano), 0)::bigint,
       coalesce(extract(epoch FROM mandate_now() - min(admitted_at)), 0)::bigint
  FROM routing_call WHERE run = %s::text AND tenant = %s::text AND state <> 'denied'
"""


async def so_far(db: Database, tenant: str, run: str) -> RunFacts:
    """The run's calls, cost (decimal, our currency) and seconds since its first; nothing for a call without a run.

    `run` is the tenant's commitment to its name, as the calls' rows have it.
    """
    if not run:
        return RunFacts()
    calls, cost_nano, seconds = await ask(db, _SO_FAR, (run, tenant))
    return RunFacts(id=run, calls=calls, cost=format_nano(cost_nano), seconds=seconds)
