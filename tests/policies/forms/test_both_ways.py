"""Form and YAML are two views of one thing: nothing is lost between them, for every kind and any document."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from controlplane.kernel.principal import ROLES
from policies.documents.document import to_yaml
from policies.documents.kinds import KINDS
from policies.documents.parse import parse_text
from policies.documents.routes import ERROR_CLASSES
from policies.forms import edit
from policies.forms.form import Filled, opened, posted
from policies.forms.shapes import NEW, ROW, Flat
from tests.policies.documents.test_kinds import SPECS, whole
from tests.policies.documents.test_round_trip import bodies

SLOW = settings(
    deadline=None,
    max_examples=6,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[
        HealthCheck.filter_too_much,
        HealthCheck.too_slow,
        HealthCheck.large_base_example,
    ],
)


def drawn(kind: str, data: st.DataObject, *, typed: bool = False) -> str:
    """The YAML of any valid document; `typed`: as from a browser, no carriage return, no empty condition or row."""

    def fitting(body: dict[str, Any]) -> bool:
        told = set(KINDS[kind].check(body["spec"]))
        strange = typed and ("\\r" in json.dumps(body) or _odd(body["spec"]))
        return not told and not strange

    body = data.draw(bodies(kind))
    # what is refused between its fields is rare enough in most kinds; then the example stands in
    return to_yaml(body if fitting(body) else parse_text(whole(kind, SPECS[kind]))[0].body)


def _odd(value: Any) -> bool:
    if isinstance(value, dict):
        blank = [
            k
            for k in ("when", "accept", "message", "task", "answer")
            if value.get(k, "x").strip() == ""
        ]
        return bool(blank) or any(map(_odd, value.values()))
    return isinstance(value, list) and ({} in value or any(map(_odd, value)))


def fresh(flat: Flat) -> dict[str, list[str]]:
    """The same form with every row new, as if it had been typed."""
    return {name: [NEW] if name.endswith(ROW) else values for name, values in flat.items()}


CHOICES = {*ROLES, *ERROR_CLASSES, "user", "key", "team", "run"}


def bare(value: Any) -> Any:
    """A body without what is empty, which a new form cannot tell from absent; choices are a set."""
    if isinstance(value, dict):
        kept = {k: bare(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v not in ("", [], {}, None)}
    if not isinstance(value, list):
        return value
    words = [v for v in value if isinstance(v, str) and v in CHOICES]
    return sorted(set(words)) if words == value else [bare(v) for v in value]


def body_of(filled: Filled) -> dict[str, Any]:
    assert filled.problems == ()
    assert filled.document is not None
    return filled.document.body


@pytest.mark.parametrize("kind", KINDS)
@SLOW
@given(st.data())
def test_a_form_that_nobody_touched_leaves_every_byte(kind: str, data: st.DataObject) -> None:
    text = drawn(kind, data)
    form = opened(text)
    assert (form.kind, form.text, form.problems) == (kind, text, ())
    again = posted(kind, text, form.flat)
    assert again.text == text
    assert opened(again.text).flat == form.flat


@pytest.mark.parametrize("kind", KINDS)
@SLOW
@given(st.data())
def test_a_form_typed_anew_says_the_same(kind: str, data: st.DataObject) -> None:
    form = opened(drawn(kind, data, typed=True))
    typed = posted(kind, "", fresh(form.flat))
    assert bare(body_of(typed)) == bare(body_of(form))
    assert posted(kind, "", fresh(opened(typed.text).flat)).text == typed.text


@pytest.mark.parametrize("kind", KINDS)
@SLOW
@given(st.data())
def test_any_document_can_be_made_of_any_other(kind: str, data: st.DataObject) -> None:
    before, after = drawn(kind, data), opened(drawn(kind, data, typed=True))
    made = posted(kind, before, fresh(after.flat))
    assert bare(body_of(made)) == bare(body_of(after))
    # with the rows it had, as far as there are any
    kept = posted(kind, before, after.flat)
    assert bare(body_of(kept)) == bare(body_of(after))


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_is_changed_in_place_and_never_written_anew(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every single control of every kind can be emptied, and filled again, by position."""
    (document,) = parse_text(whole(kind, SPECS[kind]))
    form = opened(document.source)
    anew: list[object] = []
    dump = edit._dump

    def noted(value: object, width: int, **more: bool) -> str:
        if isinstance(value, dict) and "apiVersion" in value:
            anew.append(value)
        return dump(value, width, **more)

    monkeypatch.setattr(edit, "_dump", noted)
    for name, values in form.flat.items():
        if "@" in name:
            continue
        without = posted(kind, document.source, {k: v for k, v in form.flat.items() if k != name})
        back = posted(kind, without.text, opened(without.text).flat | {name: values})
        assert back.text.count("\n") >= 4
        assert anew == [], name
