"""The buttons of a form change rows and keep what was typed."""

import pytest

from policies.forms.rows import added, operated

FLAT = {
    "spec.models.0.@": ["0"],
    "spec.models.0": ["a"],
    "spec.models.2.@": ["1"],
    "spec.models.2": ["b"],
    "spec.models.20.@": ["new"],
    "spec.models.20": ["c"],
    "spec.task": ["typed"],
}


def order(flat: dict[str, list[str]]) -> list[tuple[str, str]]:
    numbers = sorted(int(k.split(".")[2]) for k in flat if k.endswith(".@"))
    return [(flat[f"spec.models.{n}.@"][0], flat[f"spec.models.{n}"][0]) for n in numbers]


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("down:spec.models.0", [("1", "b"), ("0", "a"), ("new", "c")]),
        ("up:spec.models.20", [("0", "a"), ("new", "c"), ("1", "b")]),
        ("up:spec.models.0", [("0", "a"), ("1", "b"), ("new", "c")]),
        ("down:spec.models.20", [("0", "a"), ("1", "b"), ("new", "c")]),
        ("up:spec.models.9", [("0", "a"), ("1", "b"), ("new", "c")]),
        ("remove:spec.models.2", [("0", "a"), ("new", "c")]),
        ("again", [("0", "a"), ("1", "b"), ("new", "c")]),
        ("up:", [("0", "a"), ("1", "b"), ("new", "c")]),
    ],
)
def test_rows_move_whole(told: str, wanted: list[tuple[str, str]]) -> None:
    after = operated(FLAT, told)
    assert order(after) == wanted
    assert after["spec.task"] == ["typed"]


def test_a_new_row_comes_last() -> None:
    after = operated(FLAT, "add:spec.models")
    assert after["spec.models.21.@"] == ["new"]
    assert added(FLAT, "add:spec.models") == "spec.models.21"
    assert operated({}, "add:spec.prices") == {"spec.prices.0.@": ["new"]}


def test_an_optional_group_comes_and_goes_with_all_that_is_in_it() -> None:
    shown = operated(FLAT, "show:spec.canary")
    assert shown["spec.canary.@on"] == ["1"]
    typed = shown | {"spec.canary.model": ["m"], "spec.canaryx": ["y"]}
    assert operated(typed, "hide:spec.canary") == FLAT | {"spec.canaryx": ["y"]}
    assert added(FLAT, "show:spec.canary") == "spec.canary"
    assert added(FLAT, "hide:spec.canary") == ""
