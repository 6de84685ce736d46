"""`policy validate | fmt | test | plan | diff | apply | export`: what a pipeline runs over a folder of documents.

Exit codes: 0 fine; 1 something is wrong or was refused; 2 there are differences (`plan` and `diff` with `--exit-code`, and
`fmt --check`); 3 it could not be asked: wrong usage, no such server, no valid token.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Final

from django.core.management.base import CommandError

from policies.documents.parse import yaml_files
from policies.documents.problems import InvalidDocuments, Problem
from policies.folders.applying import Said
from policies.folders.junit import Case
from policies.folders.layout import laid_out
from policies.folders.values import escaped
from policies.management import replaying
from policies.management.cli import with_caret
from policies.management.targets import Json, Target
from policies.management.work import Work, read_file

WRONG: Final = 1
DIFFERENT: Final = 2
_POLL_SECONDS: Final = 5.0


def validate(work: Work) -> None:
    """Every error at its place; what `apply` would refuse is told, and is no error yet."""
    try:
        local, plan = work.planned()
    except InvalidDocuments as error:
        work.report("policy validate", _by_file(work.options["dir"], error.problems))
        _invalid(work, error)
        raise
    refused = [local.place(Problem(**problem)) for problem in plan["refusals"]]
    for problem in refused:
        work.complain(f"apply would refuse: {with_caret(problem)}")
    work.report("policy validate", _by_file(work.options["dir"], []))
    work.say(f"{plan['documents']} documents are right")
    told = [problem._asdict() for problem in refused]
    work.say_json({"ok": True, "documents": plan["documents"], "problems": [], "refusals": told})


def fmt(work: Work) -> None:
    """Rewrites the files whose layout differs. Raises InvalidDocuments before anything is written."""
    folder: Path = work.options["dir"]
    changed = []
    for path, before in yaml_files(folder):
        after = laid_out(before, str(path))
        if after != before:
            changed.append((path, before, after))
    for path, before, after in changed:
        if not work.options["check"]:
            path.write_text(after, encoding="utf-8")
            work.say(str(path))
            continue
        for line in difflib.unified_diff(
            before.splitlines(), after.splitlines(), str(path), str(path), lineterm=""
        ):
            work.say(line)
    work.say_json({"changed": [str(path) for path, _, _ in changed]})
    if changed and work.options["check"]:
        raise CommandError(f"{_files(len(changed))} not laid out", returncode=DIFFERENT)


def test(work: Work) -> None:
    """Runs every PolicyTest of the whole; one that misses what it expects fails."""
    try:
        local, plan = work.planned()
    except InvalidDocuments as error:
        work.report("policy test", _by_file(work.options["dir"], error.problems))
        _invalid(work, error)
        raise
    cases, failed = [], 0
    for found in plan["tests"]:
        place = Problem(found["file"], found["line"], found["column"], "spec.expect", "")
        problems = [local.place(place._replace(message=miss)) for miss in found["misses"]]
        name = "/".join(part for part in (found["tenant"], found["name"]) if part)
        cases.append(Case("PolicyTest", name, problems))
        failed += bool(problems)
        work.say(f"{'failed' if problems else 'passed'}  {name}")
        for problem in problems:
            work.complain(with_caret(problem))
    work.report("policy test", cases)
    for rule in plan["uncovered"]:
        work.say(f"no test decides {rule}")
    work.say(f"{len(cases) - failed} passed, {failed} failed")
    work.say_json(
        {
            "ok": not failed,
            "passed": len(cases) - failed,
            "failed": failed,
            "tests": plan["tests"],
            "uncovered": plan["uncovered"],
        }
    )
    if failed:
        raise CommandError(_count(failed, "test") + " failed", returncode=WRONG)


def plan(work: Work) -> None:
    """What would change, in words, what that would have done to the calls of the last days, and whose approval it needs."""
    local, found = work.planned()
    for line in plan_lines(found):
        work.say(line)
    for problem in found["refusals"]:
        placed = local.place(Problem(**problem))
        work.complain(f"apply would refuse: {with_caret(placed)}")
    replayed = replaying.replay(work, local, found)
    for line in replaying.lines(replayed):
        work.say(line)
    work.say_json({**found, "replay": replayed})
    if found["items"] and work.options["exit_code"]:
        raise CommandError("there are differences", returncode=DIFFERENT)


def plan_lines(found: Json) -> Iterator[str]:
    """A plan for a person to read."""
    for item in found["items"]:
        yield from _item_lines(item)
    marks = [item["mark"] for item in found["items"]]
    if not marks:
        yield f"nothing to change: revision {found['revision']} is in force"
    else:
        counts = f"{marks.count('+')} to create, {marks.count('~')} to change, {marks.count('-')} to delete"
        yield f"plan over revision {found['revision']}: {counts}"
    failed = [test for test in found["tests"] if test["misses"]]
    if found["tests"]:
        yield f"tests: {len(found['tests']) - len(failed)} passed, {len(failed)} failed"
    yield from (
        f"look at {one['file']}:{one['line']} {one['message']}" for one in found["findings"]
    )
    for one in found["examples"]:
        place = "/".join(part for part in (one["tenant"], one["team"]) if part)
        facts = f" with {', '.join(one['facts'])}" if one["facts"] else ""
        yield f"{one['change']}: {place} asking for {one['route']}{facts}"
    for need in found["needs"]:
        roles = " or ".join(need["roles"])
        yield f"needs {_count(need['count'], 'approval')} by {roles} for {need['kind']}"
    if found["digest"]:
        yield f"content {found['digest']}"
    yield f"source {found['sourceDigest']}"


def _item_lines(item: Json) -> Iterator[str]:
    yield f"{item['mark']} {named(item)}"
    yield from (f"    {sentence}" for sentence in item["says"])
    yield f"    touches: {item['touches']}"
    if item["owner"] == "console":
        yield "    the console wrote it: apply needs --take"
    if item["drift"]:
        yield f"    published was changed since Git had it at {item['drift']}"
    if item["file"]:
        yield f"    {item['file']}:{item['line']}"


def diff(work: Work) -> None:
    """What DIR has and is not published, what differs, and what is published and DIR does not have."""
    _, found = work.planned()
    published = work.target.published(work.wanted.tenant)
    kept = {(i["kind"], i["tenant"], i["name"]) for i in found["present"]}
    missing = [i for i in published["items"] if (i["kind"], i["tenant"], i["name"]) not in kept]
    gone = [item for item in missing if item["origin"] == "git"]
    for item in found["items"]:
        work.say(f"{item['mark']} {named(item)}")
        for line in item["diff"].splitlines():
            work.say(f"    {line}")
    for item in gone:
        work.say(f"- {named(item)}: published from Git, not in {work.options['dir']}")
    # what the folder says counts, not what it once said: where it says what is published, nothing drifted
    moved = {(i["kind"], i["tenant"], i["name"]) for i in found["items"]}
    drift = [
        item
        for item in published["items"]
        if item["drift"]
        and ((one := (item["kind"], item["tenant"], item["name"])) in moved or one not in kept)
    ]
    for item in drift:
        at = f"{item['path']}:{item['line']} of {item['commit'] or 'the folder'}"
        work.say(f"! {named(item)}: differs from Git at {at}")
    more = len(missing) - len(gone)
    if more:
        work.say(
            f"{_count(more, 'document')} of the console {'is' if more == 1 else 'are'} in no folder"
        )
    differs = bool(found["items"] or gone or drift)
    if not differs:
        work.say(f"no difference to revision {found['revision']}")
    only = [{k: i[k] for k in ("kind", "tenant", "name", "origin")} for i in missing]
    work.say_json(
        {
            "revision": found["revision"],
            "items": found["items"],
            "onlyPublished": only,
            "drift": [named(i) for i in drift],
        }
    )
    if differs and work.options["exit_code"]:
        raise CommandError("there are differences", returncode=DIFFERENT)


def apply(work: Work) -> None:
    """A change request of DIR; published where that needs nobody else."""
    local = work.local()
    folder: Path = work.options["dir"]
    title = work.options["title"] or f"policy apply {folder.resolve().name}"
    review: Path | None = work.options["attestation"]
    said = Said(
        title=title,
        reason=work.options["reason"],
        attestation=read_file(review, "an attestation") if review else "",
    )
    try:
        done = work.target.apply(local.folder, work.wanted, said)
    except InvalidDocuments as error:
        raise local.placed(error) from error
    done = _waited(work, done)
    work.say_json({key: value for key, value in done.items() if key != "lines"})
    for line in apply_lines(done, work.target):
        work.say(line)
    if done.get("state") in ("checks", "withdrawn") or (
        done.get("state") == "draft" and work.options["wait"]
    ):
        raise CommandError("not published", returncode=WRONG)


def apply_lines(done: Json, target: Target) -> Iterator[str]:
    """What became of it, for a person."""
    yield from (f"Git keeps {name} now" for name in done.get("handed", []))
    if "id" not in done:
        yield f"nothing to change: revision {done['revision']} is in force"
        return
    if done["state"] != "published":
        yield "handed in as a change request, not published"
    yield from done["lines"]
    page = target.url(f"/change-requests/{done['id']}/")
    if done["state"] == "published":
        flag = ", flagged: one person published alone" if done["flagged"] else ""
        yield f"revision {done['revision']} is in force, digest {done['digest']}{flag}"
        return
    for check in done["failed"]:
        yield f"does not pass: {check['told']}"
        yield from (f"  {p[0]}:{p[1]}:{p[2]} {p[3]}: {p[4]}" for p in check["problems"])
    why = f": {done['missing']}" if done["missing"] else ""
    words = "waits for approval" if done["state"] == "approval" else f"is in state {done['state']}"
    yield f"change request {done['id']} {words}{why}"
    yield page


def export(work: Work) -> None:
    """One file for each document; `$(` is written so that it stays literal."""
    found = work.target.published(work.wanted.tenant)
    for item in found["items"]:
        parts = filter(None, (item["tenant"], item["kind"]))
        path = work.options["dir"].joinpath(*parts, f"{item['name']}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(escaped(item["source"]), encoding="utf-8")
    work.say(f"{len(found['items'])} documents of revision {found['revision']} written")
    work.say_json({"documents": len(found["items"]), "revision": found["revision"]})


def named(item: Json) -> str:
    """`Route insurance/claims-triage`."""
    tenant = f"{item['tenant']}/" if item["tenant"] else ""
    return f"{item['kind']} {tenant}{item['name']}"


def _waited(work: Work, done: Json) -> Json:
    left = work.options["wait"]
    while "id" in done and done["state"] in ("approval", "scheduled") and left > 0:
        sleep(min(_POLL_SECONDS, left))
        left -= _POLL_SECONDS
        done = {**done, **work.target.change(done["id"])}
    return done


def _invalid(work: Work, error: InvalidDocuments) -> None:
    work.say_json({"ok": False, "problems": [p._asdict() for p in error.problems]})


def _by_file(folder: Path, problems: list[Problem]) -> list[Case]:
    """One case for each file, right or wrong; and what is wrong in none of them."""
    found: dict[str, list[Problem]] = {}
    if folder.is_dir():
        found = {
            str(p): []
            for p in sorted(folder.rglob("*"))
            if p.suffix in (".yaml", ".yml") and p.is_file()
        }
    for problem in problems:
        found.setdefault(problem.file, []).append(problem)
    return [Case(str(folder), name, told) for name, told in found.items()]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _files(number: int) -> str:
    return f"{_count(number, 'file')} {'is' if number == 1 else 'are'}"
