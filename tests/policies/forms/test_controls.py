"""What a form shows: every field of every kind has a control with a label, and errors stand at theirs."""

import re
from html.parser import HTMLParser

import pytest
from django.template.loader import render_to_string

from policies.documents.kinds import KINDS
from policies.documents.parse import parse_text
from policies.forms.controls import Control, Known, controls, walk
from policies.forms.form import blank, opened, posted, told
from policies.forms.shapes import NEW, Flat
from policies.forms.words import HELP, KIND_SENTENCES, LABELS, label_of
from tests.policies.documents.test_kinds import SPECS, whole

NOTHING = Known()
KNOWN = Known(
    references={"Model": ["large", "small"], "Provider": ["p"]},
    tenants=[("", "Acme"), ("insurance", "Insurance")],
    data_classes=("public", "personal"),
)


def example(kind: str) -> str:
    (document,) = parse_text(whole(kind, SPECS[kind]))
    return document.source


def tree(text: str, known: Known = NOTHING) -> dict[str, Control]:
    form = opened(text)
    return {c.name: c for c in walk(controls(form.kind, form.flat, told(form), known))}


class Browser(HTMLParser):
    """What a browser would post of a page, buttons left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sent: dict[str, list[str]] = {}
        self.select = self.area = ""
        self.first: str | None = None
        self.ids: list[str] = []
        self.named: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.named += [given["for"] or ""] if tag == "label" and "for" in given else []
        name = given.get("name") or ""
        if tag == "input" and (
            given.get("type") not in ("radio", "checkbox") or "checked" in given
        ):
            self.sent.setdefault(name, []).append(given.get("value") or "")
        elif tag == "select":
            self.select, self.first = name, None
        elif tag == "option" and ("selected" in given or self.first is None):
            self.first = given.get("value") or ""
            self.sent[self.select] = [self.first]
        elif tag == "textarea":
            self.area = name
            self.sent[name] = [""]

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            # a browser drops the first line end of a text area
            self.sent[self.area] = [self.sent[self.area][0].removeprefix("\n")]
            self.area = ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.sent[self.area][0] += data


def page(kind: str, flat: Flat, known: Known = KNOWN) -> Browser:
    browser = Browser()
    for control in controls(kind, flat, {}, known):
        browser.feed(
            render_to_string("policies/forms/control.html", {"control": control, "here": "/x/"})
        )
    return browser


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_browser_posts_of_an_untouched_form_is_the_text(kind: str) -> None:
    text = example(kind)
    form = opened(text)
    browser = page(kind, form.flat)
    assert posted(kind, text, browser.sent).text == text
    assert {k: v for k, v in browser.sent.items() if v not in ([""], [])} == {
        k: v for k, v in form.flat.items() if v not in ([""], [])
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_has_an_id_of_its_own_and_a_label(kind: str) -> None:
    browser = page(kind, opened(example(kind)).flat)
    assert len(browser.ids) == len(set(browser.ids))
    assert [name for name in browser.named if name not in browser.ids] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_a_control(kind: str) -> None:
    form = blank(kind, "x")
    names = {c.name for c in walk(controls(kind, form.flat, {}, Known()))}
    assert {f"spec.{name}" for name in KINDS[kind].fields} <= names
    assert {"metadata.name", "metadata.labels", "metadata.owner"} <= names
    assert ("metadata.tenant" in names) is KINDS[kind].tenanted


LATER = ("prices.tiers", "requiredLabels.values", "requiredLabels.default")
"""What stands in an item of a list that an example leaves empty."""


def test_every_kind_has_a_sentence_and_no_words_are_about_nothing() -> None:
    assert list(KIND_SENTENCES) == list(KINDS)
    used = set()
    for kind in KINDS:
        for name in tree(example(kind)):
            path = re.sub(r"\.[0-9]+(?=\.|$)", "", name).removeprefix("spec.")
            parts = path.split(".")
            used |= {f"{kind}.{path}", ".".join(parts[-2:]), parts[-1]}
    assert [key for key in HELP if key not in used and key not in LATER] == []
    assert [key for key in LABELS if key not in used] == []


def test_labels_are_words() -> None:
    assert label_of("Model", "spec.maxOutputTokens") == "Max output tokens"
    assert label_of("Route", "spec.retry.on") == "Try again after"
    assert label_of("Permission", "metadata.tenant") == "Belongs to"


def test_a_strategy_shows_the_fields_of_its_type() -> None:
    head = "apiVersion: mandate/v1\nkind: Route\nmetadata: {name: r}\nspec:\n  useCase: u\n  strategy: "
    shown = {
        word: sorted(
            name.removeprefix("spec.strategy.")
            for name in tree(f"{head}{{type: {word}}}\n")
            if name.startswith("spec.strategy.") and name.count(".") == 2
        )
        for word in ("single", "fallback", "weighted", "cascade", "consensus", "human", "other")
    }
    assert shown == {
        "single": ["model", "type"],
        "fallback": ["models", "type"],
        "weighted": ["models", "type"],
        "cascade": ["otherwise", "tiers", "type"],
        "consensus": ["agree", "models", "type"],
        "human": ["queue", "type"],
        "other": ["type"],
    }


def test_a_condition_knows_its_place() -> None:
    found = tree(example("Permission"))
    assert (found["spec.when"].shape, found["spec.when"].place) == ("condition", "call")
    assert found["spec.message"].result == "string"
    assert tree(example("EscalationRule"))["spec.when"].place == "response"
    assert tree(example("Route"))["spec.strategy.tiers.0.accept"].place == "accept"
    without = opened(example("Permission")).flat | {"spec.on": []}
    new = {c.name: c for c in walk(controls("Permission", without, {}, Known()))}
    assert new["spec.when"].place == ""


def test_references_are_chosen_and_a_dangling_one_stays() -> None:
    found = tree(example("Model"), KNOWN)
    assert [o.value for o in found["spec.provider"].options] == ["", "p"]
    dangling = tree(example("Model").replace("provider: p", "provider: gone"), KNOWN)
    assert [(o.value, o.chosen) for o in dangling["spec.provider"].options] == [
        ("", False),
        ("p", False),
        ("gone", True),
    ]
    assert dangling["spec.provider"].value == "gone"


def test_errors_stand_at_their_controls() -> None:
    text = example("Budget").replace("25000.00", "much").replace("month", "moon")
    found = tree(text)
    assert found["spec.limit"].errors == (
        "must be an amount in quotes like \"25000.00\", not text ('much')",
    )
    assert found["spec.period"].errors[0].startswith("must be one of day, week, month")
    assert found["spec.limit"].described_by == "c-spec-limit-h c-spec-limit-e"
    assert {name for name, control in found.items() if control.errors} == {
        "spec.limit",
        "spec.period",
    }


def test_a_row_that_was_added_is_empty_and_posts_nothing() -> None:
    text = example("Model")
    form = opened(text)
    flat = form.flat | {"spec.prices.7.@": [NEW]}
    assert posted("Model", text, page("Model", flat).sent).text == text
