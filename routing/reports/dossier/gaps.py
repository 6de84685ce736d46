"""PURE: what is missing, said plainly. A gap is a fact about the records; whether it is a fault, people decide."""

from collections.abc import Iterator
from datetime import date, timedelta

from audit.ui.words import count
from routing.reports.dossier.values import Dossier, Supposed


def gaps(found: Dossier, supposed: Supposed) -> tuple[str, ...]:
    """Every gap, one sentence each."""
    return (
        *_validation(found, supposed.today),
        *_oversight(found, supposed),
        *_tests(found),
        *_records(found),
        *_money(found, supposed),
    )


def _validation(found: Dossier, today: date) -> Iterator[str]:
    head = found.head
    said = head.validation
    if not said:
        yield "The use case was never validated; calls to it are denied."
    elif str(said.get("validUntil", "")) < head.last.isoformat():
        yield f"Its validation lapsed on {said.get('validUntil')}; calls are denied from the day after."
    elif str(said.get("on", "")) > head.first.isoformat():
        yield f"Its validation is of {said.get('on')}, after the first day of this period."
    if said and not said.get("evidence"):
        yield "The validation names no evidence."
    if not head.review_on:
        yield "No date is set for its next review."
    elif head.review_on < today.isoformat():
        yield f"Its review was due on {head.review_on}."


def _oversight(found: Dossier, supposed: Supposed) -> Iterator[str]:
    if not supposed.holds and not supposed.escalations:
        yield "No rule can hold a call for a person: nothing escalates, and no permission holds."
    elif found.figures.calls and not found.cases:
        yield "No call of this period was held or sampled for a person."
    if found.late:
        yield f"{count(found.late)} review case{'s were' if found.late > 1 else ' was'} not decided by the time due."
    if found.head.mode == "single-operator":
        yield "The organisation is in single-operator mode: one person may draft, approve and publish."


def _tests(found: Dossier) -> Iterator[str]:
    tests = found.tests
    if not tests.results:
        yield "No policy test supposes a call of this use case."
    failed = [one.name for one in tests.results if not one.passed]
    if failed:
        yield f"Policy tests that fail: {', '.join(failed)}."
    if tests.uncovered:
        yield (
            f"{len(tests.uncovered)} of {tests.rules} rules are decided by no policy test: "
            f"{', '.join(tests.uncovered)}."
        )


def _records(found: Dossier) -> Iterator[str]:
    log = found.log
    if log.first_at is None or log.first_at.date() > found.head.first:
        since = f"the log begins on {log.first_at.date()}" if log.first_at else "the log is empty"
        yield f"Logs are missing for a part of this period: {since}."
    if log.whole_held_at is None:
        yield "The whole log was never checked and found to hold."
    elif log.whole_held_at.date() < found.head.last - timedelta(days=2):
        yield f"The whole log was last checked and found to hold on {log.whole_held_at.date()}."
    unknown = sum(used.unknown for used in found.figures.models)
    if unknown:
        yield f"The cost of {count(unknown)} attempt{'s' if unknown > 1 else ''} is not known yet."
    if not found.head.routes:
        yield "No route serves this use case."
    elif not found.figures.calls:
        yield "There were no calls in this period."


def _money(found: Dossier, supposed: Supposed) -> Iterator[str]:
    if found.head.routes and not supposed.budgets:
        yield "No budget bounds what it may cost."
