"""`python -m tests.policies.engine.fuzz COUNT [SEED]`: no input makes parsing, checking, compiling or deciding raise what is not drawn.

Each case changes something that is right: the text of a document, a condition, the facts of a call, a stored bundle, a whole set
of documents. What comes out is a result or one of our errors; anything else ends the run and shows the input.
"""

# ruff: noqa: E501, S311  # tables; nothing here is secret

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any, Final

from controlplane.kernel.errors import MandateError
from policies.documents.document import to_yaml
from policies.documents.parse import document_from_body, parse_text
from policies.documents.whole import check_whole, not_yet_executed
from policies.engine import facts as recorded
from policies.engine.answer import output_of
from policies.engine.bundle import Bundle
from policies.engine.cel import compile_expression
from policies.engine.check import check, check_text
from policies.engine.checking import NO_ANSWER
from policies.engine.compile import compile_bundle, load_bundle
from policies.engine.cost import cost_of
from policies.engine.decide import decide, deliberate
from policies.engine.decision import encode
from policies.engine.expectations import broken, policy_tests
from policies.engine.explain import trace
from policies.engine.forms import Form
from policies.engine.rules import VARIABLES
from policies.engine.schema import EVERYWHERE, MODEL, PLACES
from policies.engine.weigh import decode_facts, weigh
from policies.engine.wire import read
from tests.policies.engine.corpus import FOLDER, bundles
from tests.policies.engine.varied import FUNCTIONS, ON_MODEL, TEXTS, WORLDS
from tests.policies.engine.world import WORLD

Case = Callable[[Random], None]
TOKENS: Final = (
    "", "0", "-1", "1e999", "999999999999999999999", "null", "true", "~", "[]", "{}", "[", "]", "{", "}", ":", ": ", "- ", "\n", "\n---\n", "'", '"', "|", ">-", "#", "\t",
    "&a ", "*a", "!!str ", "\x00", "\ud800", "\U0001f98a", "é", "\ufeff", "..", "spec", "metadata", "tenant", "when", "x" * 70, "2026-02-30", "9999-12-31", "0001-01-01",
    "&&", "||", "!", "?", "(", ")", "==", "in", "+", "/", "%", ".exists(x, ", ".map(x, ", ".filter(x, x)", "request.labels", "request.tools", "now", "output.json", "model.name",
    "matches('(a+)+')", "matches('^a*')", "duration('", "timestamp('", "1u", "b''", "r'", "has(", "size(", "type(", "dyn(", "-9223372036854775808", "18446744073709551616u",
)  # fmt: skip
SCALARS: Final[tuple[Any, ...]] = (
    "", "x", "m0", "p", "a", "b", "desk", "everyone", 0, 1, -1, 2**53, 1.5, True, False, None, [], {}, ["x"], "2026-02-30", "9999-12-31", "0.5", "1e9", "true", "1 / 0 == 1",
    "request.labels.x == 'y'", "single", "cascade", "hard", "soft", "permit", "forbid", "call", "model", "month", "Pacific/Apia", "localtime", "USD", "secret:x",
)  # fmt: skip


def changed(random: Random, text: str) -> str:
    """A text with a few changes."""
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(text) + 1)
        end = min(len(text), at + random.choice((0, 1, 1, 5, 40)))
        other = random.randrange(len(text) + 1)
        part = random.choice(
            (*TOKENS[:8], random.choice(TOKENS), text[other : other + random.randrange(60)])
        )
        text = text[:at] + part + text[end:]
    return text


def varied(random: Random, value: Any) -> Any:
    """A value of JSON with one part changed, left out or written twice."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(list(value))
        if random.random() < 0.1:
            return {k: v for k, v in value.items() if k != name}
        return value | {name: varied(random, value[name])}
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        return [
            *value[:at],
            varied(random, value[at]),
            *value[at + 1 :],
            *value[: random.randrange(2)],
        ]
    alike = [other for other in SCALARS if type(other) is type(value)]
    return random.choice(alike if alike and random.random() < 0.6 else SCALARS)


def given(random: Random, facts: Any) -> Any:
    """Facts with one part as another call has it, most of the time; else with anything."""
    other = json.loads(random.choice(calls()))
    if (
        random.random() < 0.2
        or not isinstance(facts, dict)
        or not isinstance(facts.get("request"), dict)
    ):
        return varied(random, facts)
    name = random.choice(list(other))
    if name == "request" and random.random() < 0.7:
        field = random.choice(list(other["request"]))
        changed = (
            random.choice((other["request"][field], 2**63 - 1, 0, "ü"))
            if random.random() < 0.3
            else other["request"][field]
        )
        return facts | {"request": facts["request"] | {field: changed}}
    return facts | {name: other[name]}


@cache
def sources() -> list[str]:
    """The text of every document of the worlds."""
    texts = WORLD.read_text(encoding="utf-8").split("---\n")
    return texts + [text for seed, _, make in WORLDS.values() for text in make(Random(seed))]


@cache
def stored() -> list[tuple[str, Bundle]]:
    """Every bundle of the corpus, with its name."""
    return [(name, of) for name, (of, _) in bundles().items()]


@cache
def calls() -> list[str]:
    """The facts of every call of the corpus."""
    return [case.facts for _, cases in bundles().values() for case in cases]


@cache
def answers() -> list[tuple[Bundle, str, str]]:
    """Every answer that was weighed: its bundle, the facts of the call, its own."""
    return [(of, c.facts, c.answer) for of, cases in bundles().values() for c in cases if c.answer]


def a_text(random: Random) -> None:
    """The text of a document; what can be read is written and read again as the same."""
    for document in parse_text(changed(random, random.choice(sources())), "a.yaml"):
        (same,) = parse_text(to_yaml(document.body))
        assert same.body == document.body


def a_body(random: Random) -> None:
    """A document as the API sends it."""
    body = parse_text(random.choice(sources()))[0].body
    other = varied(random, varied(random, body))
    if isinstance(other, dict):
        document_from_body(other)


def a_condition(random: Random) -> None:
    """A condition; one that is right comes to a value or an error on whatever is known."""
    place = random.choice(list(PLACES))
    found = check_text(
        place,
        random.choice(("bool", "bool", "string")),
        changed(random, random.choice((*FUNCTIONS, *ON_MODEL))),
    )
    if isinstance(found, Form):
        checked = read(found.checked)
        assert cost_of(checked) >= 0
        program = compile_expression(checked, VARIABLES)
        call = random.choice(environments())
        program.evaluate(
            call,
            random.choice((MODELS, NO_ANSWER))
            if place != "rules"
            else (random.choice(TEXTS), None, {}, {}),
        )


def facts_of_a_call(random: Random) -> None:
    """Facts, decided under a bundle that they may have nothing to do with, and explained."""
    value = json.loads(random.choice(calls()))
    for _ in range(random.randrange(1, 3)):
        value = given(random, value)
    facts = recorded.decode(json.dumps(value).encode())
    _, of = random.choice(stored())
    assert decide(of, facts).digest
    if random.random() < 0.1:
        trace(of, facts)


def an_answer(random: Random) -> None:
    """Facts of an answer, weighed."""
    of, call, answer = random.choice(answers())
    weigh(
        of,
        recorded.decode(call.encode()),
        decode_facts(json.dumps(varied(random, json.loads(answer))).encode()),
        output_of(changed(random, random.choice(TEXTS))),
    )


def a_stored_bundle(random: Random) -> None:
    """The bytes of a bundle, or of its checked conditions."""
    name, of = random.choice(stored())
    raw = json.loads((FOLDER / f"{name}.bundle.json").read_text(encoding="utf-8"))["checked"]
    text, checked = of.text, base64.b64decode(raw)
    if random.random() < 0.5:
        text = json.dumps(varied(random, json.loads(text))).encode()
    else:
        at = random.randrange(len(checked))
        checked = (
            checked[:at]
            + random.randbytes(random.randrange(3))
            + checked[at + random.randrange(3) :]
        )
    load_bundle(1, text, checked)


def documents(random: Random) -> None:
    """A whole set of documents, from text to decisions."""
    seed, _, make = random.choice(list(WORLDS.values()))
    made = make(Random(seed))
    for _ in range(random.choice((1, 1, 2))):
        at = random.randrange(len(made))
        made[at] = json.dumps(varied(random, json.loads(made[at])))
    found = parse_text("\n---\n".join(made) + "\n", "a.yaml")
    if check_whole(found) or not_yet_executed(found):
        return
    of = compile_bundle(1, found, check(found))
    for _ in range(10):
        encode(decide(of, recorded.decode(random.choice(calls()).encode())))
    for test in policy_tests(of):
        broken(of, test, "2026-11-24T12:00:00.000Z")


@cache
def environments() -> list[tuple[Any, ...]]:
    """What conditions of a call read, by the calls of one world."""
    of, cases = bundles()["functions"]
    views = (deliberate(of, recorded.decode(case.facts.encode())).view for case in cases)
    return [view.environment for view in views if view is not None]


MODELS: Final = ("m0", "p", "small", ("eu",), ("chat",), ("public",), "active")
assert len(MODELS) == len(MODEL)
assert len(EVERYWHERE) == 24
WEIGHTS: Final[dict[Case, int]] = {
    facts_of_a_call: 450, a_condition: 250, a_text: 150, a_body: 60, an_answer: 80, a_stored_bundle: 6, documents: 4,
}  # fmt: skip
"""How often each is tried, of a thousand; the last two take as long as a hundred of the others."""


def cases(seed: int) -> Iterator[tuple[int, Case]]:
    """Seeds with what is tried with them, without end."""
    random = Random(seed)
    while True:
        (target,) = random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        yield random.getrandbits(48), target


def run(count: int, seed: int) -> dict[str, int]:
    """So many cases; how many of them came to a result. Raises what is not drawn, with the case in a note."""
    whole: dict[str, int] = {}
    for _, (number, target) in zip(range(count), cases(seed), strict=False):
        try:
            target(Random(number))
        except MandateError:
            continue
        except BaseException as error:
            error.add_note(f"fuzz: {target.__name__}(Random({number}))")
            raise
        whole[target.__name__] = whole.get(target.__name__, 0) + 1
    return whole


def main(arguments: list[str]) -> int:
    """COUNT cases in steps of 20,000, each with its own seed."""
    count, seed = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 1
    began, done = time.monotonic(), 0
    while done < count:
        step = min(20_000, count - done)
        results = run(step, seed + done)
        done += step
        sys.stdout.write(f"{done:,} cases, {time.monotonic() - began:.0f} s, results {results}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
