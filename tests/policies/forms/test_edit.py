"""What a form changes in the author's own text, to the byte: comments, order, quotes and layout of the rest stay."""

import pytest

from policies.forms.form import NoForm, opened, posted, told

MODEL = """# prices are checked each month
apiVersion: mandate/v1
kind: Model
metadata: {name: gpt-mini} # as callers know it
spec:
  # the account in Frankfurt
  provider: openai   # ours
  contextWindow: 1000
  maxOutputTokens: 100 # small on purpose
  regions: [us, eu]
  prices:
    # last year
    - {from: 2026-01-01, currency: USD, inputPerMillion: "0.25", outputPerMillion: "2.00"}
    # this year
    - from: 2026-02-01
      currency: USD
      inputPerMillion: "0.25"  # in
      outputPerMillion: "2.00"
  # the end
  lifecycle: {state: active}
"""
RULE = """apiVersion: mandate/v1
kind: Permission
metadata: {name: eu}
spec:
  effect: forbid
  on: model
  when: >-   # four lines
    tenant.region == "eu"
    && !("eu" in model.regions)
  message: '"may not go to " + model.name'
"""
ROUTE = """apiVersion: mandate/v1
kind: Route
metadata: {name: r}
spec:
  useCase: u
  strategy:
    type: fallback # in order
    models:
    - a # the first
    # cheaper
    - b
    - c
  retry: {attempts: 3, on: [timeout, overloaded]}
"""


def changed(text: str, **changes: str | list[str] | None) -> str:
    """The text after these controls were changed; dots are written as two underscores, None takes a control away."""
    form = opened(text)
    flat = {name: list(values) for name, values in form.flat.items()}
    for written, value in changes.items():
        name = written.replace("__", ".").replace("AT", "@")
        if value is None:
            del flat[name]
        else:
            flat[name] = [value] if isinstance(value, str) else value
    return posted(form.kind, text, flat).text


def test_a_value_is_replaced_where_it_stands() -> None:
    assert changed(MODEL, spec__provider="anthropic") == MODEL.replace(
        "openai   # ours", "anthropic   # ours"
    )
    assert changed(MODEL, spec__prices__1__inputPerMillion="0.30") == MODEL.replace(
        '"0.25"  # in', '"0.30"  # in'
    )
    assert changed(MODEL, spec__prices__0__outputPerMillion="2.5") == MODEL.replace(
        '"2.00"}', '"2.5"}'
    )


def test_a_value_is_taken_away_with_its_line() -> None:
    assert changed(MODEL, spec__maxOutputTokens="") == MODEL.replace(
        "  maxOutputTokens: 100 # small on purpose\n", ""
    )
    assert changed(MODEL, spec__regions=None) == MODEL.replace("  regions: [us, eu]\n", "")
    assert changed(ROUTE, spec__retry__attempts="") == ROUTE.replace("attempts: 3, ", "")
    assert changed(ROUTE, spec__retry__on=[]) == ROUTE.replace(", on: [timeout, overloaded]", "")
    assert changed(MODEL, spec__prices__1__from="") == MODEL.replace(
        "- from: 2026-02-01\n      currency", "- currency"
    )


def test_a_value_is_added_in_the_order_of_its_kind() -> None:
    assert changed(MODEL, spec__tier="small") == MODEL.replace(
        "# ours\n", "# ours\n  tier: small\n"
    )
    assert changed(MODEL, spec__lifecycle__sunsetOn="2027-01-01") == MODEL.replace(
        "{state: active}", "{state: active, sunsetOn: 2027-01-01}"
    )
    assert changed(MODEL, metadata__description="a\nb") == MODEL.replace(
        "{name: gpt-mini}", '{name: gpt-mini, description: "a\\nb"}'
    )
    assert changed(ROUTE, spec__task="x: y") == ROUTE.replace(
        "useCase: u\n", "useCase: u\n  task: 'x: y'\n"
    )


def test_rows_are_added_moved_and_taken_away_whole() -> None:
    assert changed(MODEL, spec__prices__0__AT=None) == MODEL.replace(
        MODEL[MODEL.index("    - {from: 2026-01-01") : MODEL.index("    # this year")], ""
    )
    assert changed(ROUTE, spec__strategy__models__3__AT="new", spec__strategy__models__3="d") == (
        ROUTE.replace("    - c\n", "    - c\n    - d\n")
    )
    moved = changed(
        ROUTE,
        spec__strategy__models__0__AT="1",
        spec__strategy__models__0="b",
        spec__strategy__models__1__AT="0",
        spec__strategy__models__1="a",
    )
    assert moved == ROUTE.replace(
        "    - a # the first\n    # cheaper\n    - b\n",
        "    # cheaper\n    - b\n    - a # the first\n",
    )


def test_words_of_a_list_keep_their_places() -> None:
    assert changed(MODEL, spec__regions="eu\nde") == MODEL.replace("[us, eu]", "[eu, de]")
    assert changed(ROUTE, spec__retry__on=["overloaded", "timeout"]) == ROUTE
    assert changed(ROUTE, spec__retry__on=["worker_lost", "timeout"]) == ROUTE.replace(
        "overloaded]", "worker_lost]"
    )


def test_a_folded_condition_keeps_its_lines() -> None:
    form = opened(RULE)
    assert form.flat["spec.when"] == ['tenant.region == "eu"\n&& !("eu" in model.regions)']
    after = changed(RULE, spec__when='tenant.region == "us"\n&& true\n&& !("eu" in model.regions)')
    assert after == RULE.replace('"eu"\n    &&', '"us"\n    && true\n    &&').replace(
        ">-   # four lines", ">- # four lines"
    )
    assert changed(RULE, spec__when="true") == RULE.replace(
        '>-   # four lines\n    tenant.region == "eu"\n    && !("eu" in model.regions)', '"true"'
    )
    assert changed(RULE, spec__message='"it\'s " + model.name') == RULE.replace(
        "'\"may not go to \" + model.name'", "'\"it''s \" + model.name'"
    )
    assert changed(RULE, spec__message="'a'\n+ 'b'") == RULE.replace(
        "'\"may not go to \" + model.name'", "|-\n    'a'\n    + 'b'"
    )


def test_another_type_of_strategy_keeps_what_both_have() -> None:
    after = changed(ROUTE, spec__strategy__type="consensus", spec__strategy__agree="2")
    assert after == ROUTE.replace("fallback # in order", "consensus # in order").replace(
        "    - c\n", "    - c\n    agree: 2\n"
    )
    single = changed(ROUTE, spec__strategy__type="single", spec__strategy__model="a")
    assert single == ROUTE.replace(
        "fallback # in order", "single # in order\n    model: a"
    ).replace("\n    models:\n    - a # the first\n    # cheaper\n    - b\n    - c", "")


def test_wrong_values_are_kept_and_told_at_their_controls() -> None:
    form = opened(MODEL)
    flat = form.flat | {"spec.contextWindow": ["many"], "spec.prices.1.from": ["2026-02-30"]}
    after = posted("Model", MODEL, flat)
    assert after.text == MODEL.replace("contextWindow: 1000", "contextWindow: many").replace(
        "2026-02-01", "2026-02-30"
    )
    assert told(after) == {
        "spec.contextWindow": ["must be a whole number from 1 to 100000000, not text ('many')"],
        "spec.prices.1.from": ["must be a day like 2026-11-01, not text ('2026-02-30')"],
    }
    again = opened(after.text)
    assert again.flat == flat
    assert told(again) == told(after)


@pytest.mark.parametrize(
    ("written", "name", "kept"),
    [
        ("limit: 25000.00", "spec.limit", 'limit: "25000.00"'),
        ('limit: "1"\n  hard: "true"', "spec.hard", 'limit: "1"\n  hard: true'),
        ('limit: "1"\n  alerts: ["50"]', "spec.alerts[0]", 'limit: "1"\n  alerts: [50]'),
    ],
)
def test_a_value_of_the_wrong_type_is_written_as_its_field_has_it(
    written: str, name: str, kept: str
) -> None:
    text = f"apiVersion: mandate/v1\nkind: Budget\nmetadata: {{name: b}}\nspec:\n  period: month\n  {written}\n"
    form = opened(text)
    assert [p.path for p in form.problems] == [name]
    after = posted("Budget", text, form.flat)
    assert (after.text, after.problems) == (text.replace(written, kept), ())


def test_unknown_and_doubled_fields_stay_and_stay_errors() -> None:
    text = MODEL.replace("  regions", "  surprise: {a: [1]}\n  provider: again\n  regions")
    form = opened(text)
    after = posted("Model", text, form.flat | {"spec.contextWindow": ["5"]})
    assert after.text == text.replace("1000", "5")
    assert [p.path for p in after.problems] == ["spec.surprise", "spec.provider"]
    assert list(told(after)) == ["spec", "spec.provider"]


def test_json_of_others_is_a_part_of_yaml_and_a_broken_one_comes_back() -> None:
    text = (
        "apiVersion: mandate/v1\nkind: Validator\nmetadata: {name: v}\nspec:\n  type: json_schema\n"
        "  schema:\n    # what a label is\n    type: object\n    required: [label]\n"
    )
    name = "spec.schema.@yaml"
    form = opened(text)
    assert form.flat[name] == ["type: object\nrequired: [label]"]
    after = posted("Validator", text, form.flat | {name: ["type: object # any\nrequired:\n- a"]})
    assert after.text.endswith(
        "  schema:\n    # what a label is\n    type: object # any\n    required:\n    - a\n"
    )
    assert after.problems == ()
    broken = posted("Validator", text, form.flat | {name: ["type: [object\nx: 1"]})
    assert told(broken) == {"spec.schema": ["must be a mapping"]}
    assert opened(broken.text).flat[name] == ["type: [object\nx: 1"]


def test_a_new_document_is_written_whole() -> None:
    made = posted(
        "Budget",
        "",
        {"metadata.name": ["b"], "spec.limit": ["25000.00"], "spec.period": ["month"], "spec.alerts": ["50\n80"]},
    )  # fmt: skip
    assert made.text == (
        "apiVersion: mandate/v1\nkind: Budget\nmetadata:\n  name: b\nspec:\n  period: month\n"
        '  limit: "25000.00"\n  alerts:\n  - 50\n  - 80\n'
    )
    assert made.problems == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not YAML"),
        ("", "has 0 documents; a form is about one"),
        (MODEL + "---\n" + MODEL, "has 2 documents; a form is about one"),
        (MODEL.replace("kind: Model", "kind: Modle"), 'did you mean "Model"'),
        ("- a", "a document is a mapping"),
    ],
)
def test_what_no_form_can_show(text: str, words: str) -> None:
    with pytest.raises(NoForm, match=words.replace("[", "\\[")):
        opened(text)
