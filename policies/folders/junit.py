"""PURE: results as JUnit XML, which every pipeline reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from policies.documents.problems import Problem


@dataclass(frozen=True, slots=True)
class Case:
    """One file that was checked, or one test that ran: it passes without problems."""

    group: str
    name: str
    problems: Sequence[Problem] = ()


def junit(suite: str, cases: Sequence[Case]) -> str:
    """One suite; each problem is a failure at its file and line."""
    failed = sum(bool(case.problems) for case in cases)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuite name={_attribute(suite)} tests={_attribute(len(cases))} failures={_attribute(failed)}>",
    ]
    for case in cases:
        head = f"  <testcase classname={_attribute(case.group)} name={_attribute(case.name)}"
        if not case.problems:
            lines.append(f"{head}/>")
            continue
        first = case.problems[0]
        lines.append(f"{head} file={_attribute(first.file)} line={_attribute(first.line)}>")
        lines += [f"    <failure message={_attribute(problem)}/>" for problem in case.problems]
        lines.append("  </testcase>")
    return "\n".join([*lines, "</testsuite>", ""])


def _attribute(value: object) -> str:
    # XML 1.0 has no place for control characters, not even as references
    return quoteattr("".join(c if c.isprintable() else " " for c in str(value)))
