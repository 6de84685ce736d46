"""Calls that keep the demo alive: over HTTP like any caller's, of every team, some streamed, some denied. Bounded."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx2

TIMEOUT_SECONDS = 60.0
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Script:
    """One kind of call: whose key, which route, what is asked, how often among all (`weight`)."""

    team: str
    route: str
    texts: Sequence[str]
    weight: int
    headers: Mapping[str, str] = field(default_factory=dict)
    lengths: Sequence[int] = (200, 400, 800)
    """One of these is the `max_tokens` of a call."""


_LETTER = (
    "Dear Sir or Madam, in the night of the third a pipe burst in the flat above ours. Parquet and wallpaper of two "
    "rooms, a wardrobe, a carpet and a piano of 1987 are damaged; the plumber's and the drying firm's invoices are "
    "enclosed, 1,840.50 and 2,310.00. The policy is with us since 2011, the sum insured was last raised in 2022, and the "
    "deductible is, as far as we know, 300 for each event. We lived with relatives for nine days. Our neighbour's "
    "liability insurer has asked us to turn to you first. Please tell us what else you need. "
)

_LUGGAGE = (
    "The hotel kept our luggage and the rental car was scratched. What do we pay? "
    "[[sandbox model=llama-4-scout say=unclear]] [[sandbox model=claude-haiku-4-5 say=unclear]] "
    """[[sandbox model=claude-opus-4-5 say='{"line": "travel", "payout": 820.0}']]"""
)


SCRIPTS = (
    Script(
        "insurance/claims",
        "claims-triage",
        (
            "Water came through the ceiling after the storm last night. Which line, how urgent?",
            "My parked car was scratched; there is a witness. Which line, how urgent?",
            "We had to leave the hotel after a fire alarm and lost two days. Which line, how urgent?",
            "The basement is under water and the heating is out. [[sandbox latency=400ms]] Which line?",
        ),
        8,
    ),
    Script(
        "insurance/claims",
        "claims-triage",
        ("A tree fell on the garage. [[sandbox fail=overloaded times=1]] Which line, how urgent?",),
        2,
    ),
    Script(
        "insurance/underwriting",
        "extraction",
        (
            f"Read the sum insured, the deductible and the parties from this letter: {_LETTER}[[sandbox tokens=900]]",
            f"List every amount, date and party of this file: {_LETTER * 4}[[sandbox tokens=1400]]",
        ),
        4,
        lengths=(1200, 1600, 2400),
    ),
    Script("insurance/claims", "summaries", ("Summarise the minutes of the claims board.",), 2),
    Script(
        "retail/support", "replies", ("Draft a reply: the customer moved and wants a copy.",), 4
    ),
    Script("retail/support", "summaries", ("Summarise our public terms in ten lines.",), 2),
    Script(
        "group/data-science",
        "coding",
        (
            "Write a function that parses IBANs, with its tests. [[sandbox tokens=1100]]",
            "Why does this loader read each file twice? Mend it. [[sandbox tokens=1500]]",
        ),
        3,
        lengths=(1600, 2400),
    ),
    Script("group/data-science", "summaries", ("Summarise this paper's abstract.",), 1),
    Script(
        "insurance/claims",
        "payouts",
        (
            "The hail of Friday: panes broken: 3. What do we pay?",
            "A stone hit my windscreen. What do we pay?",
            """The suitcase never arrived. [[sandbox say='{"line": "travel", "payout": 640.0}']]""",
        ),
        3,
    ),
    # no small model finds a line for it: the largest answers
    Script(
        "insurance/claims",
        "payouts",
        (_LUGGAGE,),
        1,
    ),
    # denied: each by another rule
    Script(
        "retail/support",
        "replies",
        ("The customer asks about her operation.",),
        2,
        {"x-mandate-data-classes": "health"},
    ),
    Script("retail/support", "coding", ("Write a scraper.",), 1),
    Script(
        "insurance/underwriting",
        "claims-triage",
        ("The vault's code is in the annex.",),
        1,
        {"x-mandate-data-classes": "secret"},
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where to call (`…/v1`), with which keys by team, for how long, how often a second, and from which random seed."""

    api: str
    keys: Mapping[str, str]
    seconds: float
    rate: float
    seed: int = 0


async def run(plan: Plan) -> Counter[str]:
    """Call until the time is over; how often each status came (`200`, `403`, …, `broken`)."""
    told: Counter[str] = Counter()
    scripts = [s for s in SCRIPTS if s.team in plan.keys]
    draw = random.Random(plan.seed)  # noqa: S311 - which demo call comes next is no secret
    slots = asyncio.Semaphore(AT_ONCE)
    ends = time.monotonic() + plan.seconds
    async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client, asyncio.TaskGroup() as group:
        while scripts and time.monotonic() < ends:
            (script,) = draw.choices(scripts, [s.weight for s in scripts])
            body = body_of(script, draw)
            await slots.acquire()
            group.create_task(_call(client, plan, script, body, told)).add_done_callback(
                lambda _: slots.release()
            )
            await asyncio.sleep(draw.expovariate(plan.rate))
    return told


def body_of(script: Script, draw: random.Random) -> dict[str, object]:
    """One request of the script."""
    return {
        "model": script.route,
        "messages": [{"role": "user", "content": draw.choice(script.texts)}],
        "max_tokens": draw.choice(script.lengths),
        "stream": draw.random() < 0.3,
        "user": f"person-{draw.randrange(40)}",
    }


async def _call(
    client: httpx2.AsyncClient,
    plan: Plan,
    script: Script,
    body: dict[str, object],
    told: Counter[str],
) -> None:
    headers = {"authorization": f"Bearer {plan.keys[script.team]}", **script.headers}
    url = f"{plan.api}/chat/completions"
    try:
        async with client.stream("POST", url, json=body, headers=headers) as answer:
            async for _ in answer.aiter_bytes():
                pass
            told[str(answer.status_code)] += 1
    except httpx2.HTTPError:
        told["broken"] += 1
