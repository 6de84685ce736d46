"""The committed corpus: decisions that must have the same bytes for ever, on every Python.

`python -m tests.policies.engine.corpus` writes it.
A change of any digest means that `ENGINE` must be raised, and the old engine kept.
"""

# ruff: noqa: E501  # the table of facts

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from policies.engine.bundle import Bundle
from policies.engine.compile import load_bundle
from policies.engine.decide import decide
from policies.engine.facts import (
    BudgetFacts,
    Facts,
    KeyFacts,
    RequestFacts,
    RunFacts,
    StopFact,
    UserFacts,
    decode,
    draw_of,
    encode,
)  # fmt: skip

FOLDER = Path(__file__).with_name("corpus")
BUNDLE = FOLDER / "bundle.json"
DECISIONS = FOLDER / "decisions.json"


def bundle() -> Bundle:
    """The bundle as it was stored: its text and its checked forms."""
    stored = json.loads(BUNDLE.read_text(encoding="utf-8"))
    return load_bundle(1, stored["text"].encode(), base64.b64decode(stored["checked"]))


def misses() -> list[str]:
    """The cases whose decision has other bytes now."""
    compiled = bundle()
    return [
        f"{number}: {case['effect']}"
        for number, case in enumerate(json.loads(DECISIONS.read_text(encoding="utf-8")))
        if decide(compiled, decode(case["facts"].encode())).digest.hex() != case["digest"]
    ]


def cases() -> Iterator[Facts]:
    """Calls of every kind, from a fixed seed."""
    random = Random(20261124)  # noqa: S311  # not for secrets
    tenants = [
        ("insurance", "claims"),
        ("insurance", "underwriting"),
        ("retail", "support"),
        ("insurance", "nobody"),
    ]
    for number in range(220):
        tenant, team = random.choices(tenants, (5, 5, 5, 1))[0]
        some = random.sample
        yield Facts(
            now=random.choice([*["2026-11-24T09:30:00.000Z"] * 6, "2026-11-24T03:10:00.500Z", "2026-12-10T00:00:00.000Z", "2027-10-01T22:30:00.000Z", "2027-01-01T04:59:59.999Z"]),
            call=f"{number:032x}",
            tenant=tenant,
            team=team,
            key=KeyFacts(id=f"key{number % 7}", labels={"env": "prod"} if number % 3 else {}),
            route=random.choice(["claims-triage", "claims-triage", "writing", "writing", "writing", "single", "single", "claims-triage", "priceless", "unvalidated"]),
            request=RequestFacts(
                dialect=random.choice(["openai.chat", "anthropic.messages"]),
                data_classes=tuple(some(["public", "internal", "personal", "personal", "internal", "health", "secret"], random.choice([0, 0, 0, 1]))),
                needs=tuple(some(["tools", "vision", "json_schema"], random.choice([0, 0, 0, 0, 0, 1, 2]))),
                input_tokens_max=random.randrange(1, 300_000),
                input_tokens_estimate=random.choice([10, 20, 900, 900, 8000, 150_000]),
                output_tokens_asked=random.choice([0, 0, 0, 256, 256, 4096, 16_000]),
                stream=random.random() < 0.3,
                n=random.choice([1, 1, 1, 2, 8]),
                language=random.choice(["", "de", "en"]),
                labels=random.choice([{}, {"purpose": "test"}, {"depth": "2"}, {"depth": "3"}, {}, {}, {"purpose": "none"}, {"depth": "9"}, {"depth": "ü"}]),
            ),
            draw=draw_of(random.randbytes(8)),
            user=UserFacts(known=True, ref=f"{number % 5:064x}") if number % 2 else UserFacts(),
            run=RunFacts(id=f"run{number % 9}", calls=random.choice([*range(12), 1001]), cost=random.choice(["0.00", "0.00", "1.50", "2.50", "12.345678901", "12.30", "50.00", "50.01"]), seconds=7),
            budgets=(BudgetFacts(name="insurance-monthly", share_used_permille=random.choice([10, 899, 950])),),
            stops=tuple(some([StopFact(kind="model", name="claude-small"), StopFact(kind="provider", name="openai"), StopFact(kind="key", name="key1")], random.choice([0, 0, 0, 1]))),
            breakers_open=random.choice([(), (), ("llama-small",)]),
            clamp=random.choice([0, 0, 0, 33]),
            exclude=random.choice([(), (), (), (), ("gpt-mini",)]),
        )  # fmt: skip


def write() -> None:
    """Write bundle and decisions of the world as it is now."""
    from policies.engine.check import check  # reading the corpus needs no checker
    from tests.policies.engine.world import documents, world  # as above

    checked = base64.b64encode(check(documents()).encode()).decode()
    FOLDER.mkdir(exist_ok=True)
    BUNDLE.write_text(
        json.dumps({"text": world().text.decode(), "checked": checked}, indent=1) + "\n",
        encoding="utf-8",
    )
    compiled = bundle()
    made = []
    for given in cases():
        decision = decide(compiled, given)
        made.append(
            {
                "facts": encode(given).decode(),
                "effect": decision.effect,
                "digest": decision.digest.hex(),
            }
        )
    DECISIONS.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
