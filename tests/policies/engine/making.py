"""Writes the corpus: `python -m tests.policies.engine.making` adds the worlds that are not there yet; what is there stays.

A world is its checked documents, its calls, and a source of chance for what its answers say.
"""

# ruff: noqa: E501  # the table of facts

import base64
import json
from collections.abc import Iterable, Iterator
from random import Random

from policies.documents.document import Document
from policies.documents.parse import parse_text
from policies.documents.whole import check_whole, not_yet_executed
from policies.engine.answer import output_of
from policies.engine.bundle import Bundle
from policies.engine.check import check
from policies.engine.compile import compile_bundle
from policies.engine.decide import decide
from policies.engine.facts import (
    BudgetFacts,
    Facts,
    KeyFacts,
    RequestFacts,
    RunFacts,
    StopFact,
    UserFacts,
    draw_of,
    encode,
)
from policies.engine.weigh import encode_facts, weigh
from tests.policies.engine.corpus import FOLDER, Case, stored_bundle
from tests.policies.engine.varied import TEXTS, WORLDS, answers, calls, calmer
from tests.policies.engine.world import documents

World = tuple[str, list[Document], Iterable[Facts], Random]


def worlds() -> Iterator[World]:
    """Name, documents, calls, chance."""
    yield "world", documents(), cases(), Random(0)  # noqa: S311  # not for secrets
    for name, (seed, count, make) in WORLDS.items():
        random = Random(seed)  # noqa: S311  # as above
        found = parse_text("\n---\n".join(make(random)) + "\n", f"{name}.yaml")
        problems = check_whole(found) + not_yet_executed(found)
        if problems:
            raise ValueError("\n".join(map(str, problems)))
        given = list(calls(random, count))
        yield name, found, list(map(calmer, given)) if name.startswith("calm") else given, random


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
    """Write every world that is not there."""
    FOLDER.mkdir(exist_ok=True)
    for name, found, given, random in worlds():
        at = FOLDER / f"{name}.bundle.json"
        if at.exists():
            continue
        forms = check(found)
        stored = {
            "text": compile_bundle(1, found, forms).text.decode(),
            "checked": base64.b64encode(forms.encode()).decode(),
        }
        at.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        lines = [
            json.dumps(case, ensure_ascii=False)
            for case in decided(stored_bundle(at), given, random)
        ]
        (FOLDER / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def decided(of: Bundle, given: Iterable[Facts], random: Random) -> Iterator[Case]:
    """Each call decided, and where its answer is checked, one answer weighed."""
    for facts in given:
        decision = decide(of, facts)
        recorded = encode(facts).decode()
        yield Case(decision.effect, decision.digest.hex(), recorded)
        checks = decision.plan.checks if decision.plan else None
        if checks is not None:
            answer = answers(random, len(checks.tiers), decision.digest.hex())
            text = random.choice(TEXTS)
            weighed = weigh(of, facts, answer, output_of(text))
            yield Case(
                weighed.action, weighed.digest.hex(), recorded, encode_facts(answer).decode(), text
            )


if __name__ == "__main__":
    write()
