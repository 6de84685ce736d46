"""What `bench replay` replays: a draft that denies a part, routes a part otherwise, holds a part, and leaves the rest alone."""

from collections import Counter

from policies.engine.bundle import Bundle
from policies.engine.facts import encode
from policies.order.ids import new_id
from policies.replay.core import Two
from policies.replay.values import Given
from routing.bench import again
from tests.policies.engine.small import compiled, organisation


def bundle(text: str) -> Bundle:
    return compiled([organisation(dataClasses=list(again.CLASSES)), *text.split("---\n")])


def test_the_draft_denies_reroutes_and_holds_and_some_calls_stay_undecided() -> None:
    base, draft = bundle(again.documents()), bundle(f"{again.documents()}---\n{again.draft()}")
    two, found = Two(base, draft), Counter[str]()
    for tenant, asked in again.shapes():
        call = new_id()
        facts = encode(again._facts(call, tenant, asked))
        given = Given(call.bytes, 1, tenant, facts, reads=0, records=1)
        found[two.look(given, base.scope(tenant).reads).kind] += 1
    assert found == {
        "denied": 32, "rerouted": 10, "held": 8, "undecidable": 64, "unchanged": 78,
    }  # fmt: skip
