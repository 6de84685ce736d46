"""Decide again: what the stored facts and the bundle's own text come to, in a process that knows nothing else.

As a program (`python -m policies.decisions.again`) it reads one msgpack map and writes JSON. It loads no Django, no
database and no configuration: only the engine, the bundle's bytes and the facts.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from controlplane.kernel.errors import MandateError, Unavailable
from policies.engine.answer import output_of
from policies.engine.compile import load_bundle
from policies.engine.decide import decide
from policies.engine.decision import ENGINE
from policies.engine.facts import decode
from policies.engine.weigh import decode_facts, weigh

_SECONDS = 20.0
_ROOT = Path(__file__).resolve().parents[2]


class Job(msgspec.Struct, frozen=True):
    """What the fresh process is given: nothing that it could not read from an export."""

    revision: int
    text: bytes
    checked: bytes
    facts: tuple[bytes, ...]
    weighed: tuple[tuple[bytes, bytes, str], ...] = ()
    """For each answer the facts of its call, its own, and what it said."""


@dataclass(frozen=True, slots=True)
class Again:
    """What came out: one digest (hex) for each of the facts and then of the answers, the engine, the bundle's digest.

    `error` says why there is none.
    """

    engine: int
    bundle: str
    digests: tuple[str, ...]
    error: str = ""


def in_fresh_process(job: Job) -> Again:
    """Run the job in a new Python process. Raises Unavailable when it did not end in time or broke."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "policies.decisions.again"],
            input=msgspec.msgpack.encode(job),
            capture_output=True,
            cwd=_ROOT,
            timeout=_SECONDS,
            check=False,
            env={"PYTHONHASHSEED": "random", "PYTHONDONTWRITEBYTECODE": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable("deciding again took too long; try again") from error
    if done.returncode:
        raise Unavailable(
            "the process that decides again broke; its words are in the service's log"
        )
    found: Mapping[str, object] = json.loads(done.stdout)
    return msgspec.convert(found, Again)


def run(job: Job) -> Again:
    """The job itself."""
    bundle = sha256(job.text).hexdigest()
    try:
        compiled = load_bundle(job.revision, job.text, job.checked)
        digests = [decide(compiled, decode(facts)).digest.hex() for facts in job.facts]
        for facts, answer, text in job.weighed:
            found = weigh(compiled, decode(facts), decode_facts(answer), output_of(text))
            digests.append(found.digest.hex())
    except MandateError as error:
        return Again(ENGINE, bundle, (), error.message)
    return Again(compiled.engine, bundle, tuple(digests))


if __name__ == "__main__":
    sys.stdout.buffer.write(
        msgspec.json.encode(run(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)))
    )
