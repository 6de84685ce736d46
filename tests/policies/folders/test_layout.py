"""`policy fmt`: one layout; the meaning, the quotes and every comment stay."""

from pathlib import Path

import pytest

from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments
from policies.folders.layout import laid_out
from tests.policies.engine import world

MESSY = """\
# all of this is about claims
kind: Budget   # what it is
apiVersion: mandate/v1
metadata: {name: a,   tenant: b}   # who

spec:
    # how much
    limit:   "100.00"
    period: month # calendar


    scope:
        tenant: b
    owner: 'finn@acme.example'
    alerts: [50,80,
       95]  # percent
    # the end
---
apiVersion: mandate/v1
kind: Route
metadata:
  labels: {x: "1"}
  name: r
spec:
  strategy:
    type: cascade
    tiers:
    - {models: [a, b], accept: 'confidence.score >= 0.85'}
    # second
    -  models: [c] # big
       accept: |
           confidence.score
             > 1
    otherwise: {escalate: desk, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: bbbbbbbbbbbbbbbbbbbbbbbbbbbbb, ccccccc: "ddddd ddddd"}
  useCase: x
"""
NEAT = """\
# all of this is about claims
apiVersion: mandate/v1
kind: Budget  # what it is
metadata: {name: a, tenant: b}  # who

spec:
  scope:
    tenant: b
  owner: 'finn@acme.example'
  period: month  # calendar
  # how much
  limit: "100.00"
  alerts:
    - 50
    - 80
    - 95  # percent
# the end
---
apiVersion: mandate/v1
kind: Route
metadata:
  name: r
  labels: {x: "1"}
spec:
  useCase: x
  strategy:
    type: cascade
    tiers:
      - {models: [a, b], accept: 'confidence.score >= 0.85'}
      # second
      - models: [c]  # big
        accept: |
          confidence.score
            > 1
    otherwise:
      escalate: desk
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: bbbbbbbbbbbbbbbbbbbbbbbbbbbbb
      ccccccc: "ddddd ddddd"
"""


def test_one_layout_and_every_comment() -> None:
    assert laid_out(MESSY) == NEAT


def test_what_is_laid_out_stays() -> None:
    once = laid_out(MESSY)
    assert laid_out(once) == once


def test_the_documents_of_a_whole_world_mean_the_same() -> None:
    text = Path(world.__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    after = laid_out(text)
    assert [d.body for d in parse_text(after)] == [d.body for d in parse_text(text)]
    assert laid_out(after) == after
    assert after.count("#") == text.count("#")


@pytest.mark.parametrize(
    "text",
    [
        "a: |+\n  x\n\n\nb: 1\n",
        "a: |2\n    x\n",
        "? {a: 1}\n: b\n",
        "- a\n- b\n",
        "# nothing here\n",
    ],
)
def test_what_has_no_other_layout_stays_as_it_is(text: str) -> None:
    assert laid_out(text) == text


def test_line_ends_and_marks_of_bytes_are_the_one_kind() -> None:
    assert laid_out("\ufeffa:   1\r\nb: '2'\r\n") == "a: 1\nb: '2'\n"


def test_what_is_no_yaml_is_told_at_its_place() -> None:
    with pytest.raises(InvalidDocuments) as raised:
        laid_out("a: [1\n", "x.yaml")
    (problem,) = raised.value.problems
    assert (problem.file, problem.line) == ("x.yaml", 2)
