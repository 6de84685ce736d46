"""The README and the pages under docs/ say what is there: commands, lines to paste, variables, links, rooms, headings."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from controlplane.up import welcome
from routing import admission, flow, gateway, relay, sweep, worker
from routing.calls import sweeping

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OURS = {"audit", "policies", "routing", "controlplane"}
FACTS = welcome.compose(
    "http://127.0.0.1:8000",
    {"route": "claims-triage", "keys": {"insurance/claims": "mdt_YOURKEY"}, "people": []},
)
LONGEST_ADR_WORDS = 400


def section(title: str) -> str:
    """The text below a heading, up to the next of its level."""
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def code(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for found, block in blocks if found == language]


def named_commands(text: str) -> set[str]:
    """Every `manage.py NAME` of a page."""
    return set(re.findall(r"manage\.py ([a-z_]+)", text))


def rows(text: str) -> list[str]:
    """The first column of every table row, headings and rules left out."""
    cells = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    return [cell for cell in cells if cell.startswith("`")]


def printed() -> list[str]:
    """What `make up` prints for these facts, line by line."""
    return [line.strip() for line in welcome.render(FACTS, 1.0).splitlines()]


def test_the_python_lines_are_those_that_up_prints() -> None:
    (block,) = code(section("Five minutes"), "python")
    lines = block.splitlines()
    start = printed().index(lines[0])
    assert len(lines) == 5
    assert printed()[start : start + 5] == lines
    assert printed()[start + 5] == ""


def test_the_curl_line_is_the_one_that_up_prints() -> None:
    (block,) = code(section("Five minutes"), "sh")
    assert block.strip() in printed()


def test_the_python_lines_are_python() -> None:
    (block,) = code(section("Five minutes"), "python")
    compile(block, "README.md", "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_command_exists(page: Path) -> None:
    known = get_commands()
    assert sorted(named_commands(page.read_text(encoding="utf-8")) - known.keys()) == []


def test_every_command_of_ours_is_named() -> None:
    ours = {name for name, app in get_commands().items() if app in OURS}
    through_make = {"up", "down", "reset"}
    assert sorted(ours - named_commands(README) - through_make) == []


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"`(?:[A-Z]+=\S+ )?make ([a-z]+)", README))
    assert named - targets == set()
    assert {"up", "down", "reset", "quick", "test", "check"} <= named


def test_every_subcommand_is_understood() -> None:
    pairs = set(
        re.findall(r"`(?:python manage\.py )?(policy|keys|stop|audit|demo) ([a-z]+)", README)
    )
    for command, action in sorted(pairs):
        parser = load_command_class(get_commands()[command], command).create_parser(
            "manage.py", command
        )
        assert re.search(rf"\b{action}\b", parser.format_help()), (command, action)
    assert len(pairs) >= 18


def test_every_command_to_paste_is_understood() -> None:
    lines = [line for block in code(README, "") for line in block.splitlines()]
    commands = [shlex.split(line)[2:] for line in lines if "manage.py" in line]
    for name, *arguments in commands:
        parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
        parser.parse_args(arguments)
    assert [command[0] for command in commands] == ["stop", "demo", "audit"]


def test_every_variable_is_read_somewhere() -> None:
    places = [
        *(
            path
            for app in ("controlplane", "policies", "routing")
            for path in (ROOT / app).rglob("*.py")
        ),
        *(ROOT / "deploy").iterdir(),
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in places if path.is_file())
    found = [
        name for row in rows(section("Environment")) for name in re.findall(r"`([A-Z_]+)`", row)
    ]
    dynamic = {"MANDATE_SECRET_NAME", "MANDATE_SECRET_NAME_HOSTS"}
    assert "MANDATE_SECRET_" in text
    assert [name for name in found if name not in dynamic and name not in text] == []
    assert len(found) == len(set(found)) > 20


def test_every_variable_that_is_read_is_named() -> None:
    pattern = re.compile(r"env\.(?:text|flag|number)\(\s*\"([A-Z_]+)\"|\btext\(\"([A-Z_]+)\"")
    read: set[str] = set()
    for app in ("controlplane", "policies", "routing", "audit"):
        for path in (ROOT / app).rglob("*.py"):
            for first, second in pattern.findall(path.read_text(encoding="utf-8")):
                read.add(first or second)
    internal = {"MANDATE_STARTED"}  # the Makefile's clock
    assert sorted(name for name in read - internal if f"`{name}`" not in README) == []


def test_every_room_of_the_map_exists() -> None:
    named = [path for row in rows(section("The map")) for path in re.findall(r"`([^`]+)`", row)]
    assert [path for path in named if not (ROOT / path).exists()] == []
    assert len(named) == len(set(named)) > 25


def test_every_room_is_on_the_map() -> None:
    named = section("The map")
    shared = {"management", "migrations", "api", "ui", "static", "templatetags"}
    rooms = [
        f"{app}/{folder.name}/"
        for app in sorted(OURS)
        for folder in sorted((ROOT / app).iterdir())
        if (folder / "__init__.py").is_file() and folder.name not in shared
    ]
    assert [room for room in rooms if f"`{room}`" not in named] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    local = [link.split("#")[0] for link in links if "://" not in link and not link.startswith("#")]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_file_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(
        re.findall(r"`((?:controlplane|audit|policies|routing|tests|deploy|docs)/[\w./-]+)`", text)
    )
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("page", ADRS, ids=lambda page: page.name)
def test_a_decision_is_short_and_numbered(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    number = int(page.name[:4])
    assert text.startswith(f"# {number}. ")
    assert "\n## Context\n" in text
    assert "\n## Decision\n" in text
    assert "\n## Consequences\n" in text
    assert len(text.split()) <= LONGEST_ADR_WORDS


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in ADRS] == list(range(1, len(ADRS) + 1))


def test_the_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.split("\n")[1].strip() == "Apache License"
    assert text.split("\n")[2].strip() == "Version 2.0, January 2004"
    assert len(text.splitlines()) == 202


ARCHITECTURE = " ".join((ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("package", ["routing", "policies", "audit"])
def test_the_layers_are_those_that_are_kept(package: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (kept,) = (
        contract["layers"]
        for contract in contracts["tool"]["importlinter"]["contracts"]
        if contract["name"] == f"Inside {package}"
    )
    of_django = {"models", "migrations", "apps"}
    layers = (
        [name for name in layer.split(" | ") if name not in of_django and name[0] != "("]
        for layer in kept
    )
    said = " → ".join(", ".join(layer) for layer in layers if layer)
    assert f"| {package} | {said} |" in ARCHITECTURE


@pytest.mark.parametrize(
    "said",
    [
        f"lease {sweep.LEASE_SECONDS:g} s, renewed every {worker.RENEW_SECONDS:g} s",
        f"woken again after {sweep.WAITING_SECONDS:g} s, then with pauses doubling to {sweep.LONGEST_PAUSE_SECONDS:g} s",
        f"after the deadline {sweeping.GRACE_SECONDS:g} s, {sweeping.LIVE_GRACE_SECONDS:g} s where a living worker",
        f"after {sweep.UNKNOWN_FOR.total_seconds() / 3600:g} hours at the full reservation",
        f"carries up to {worker.MOST_CALLS:,} calls",
        f"every {worker.WATCH_SECONDS:g} s one query",
        f"then at most every {flow.FLUSH_SECONDS * 1000:g} ms",
        f"most {admission.STALE_TRIES} times",
    ],
)
def test_the_figures_are_those_of_the_code(said: str) -> None:
    assert said in ARCHITECTURE


def test_other_figures_are_those_the_pages_spell_out() -> None:
    assert (gateway.FIRST_KEEP_ALIVE_SECONDS, gateway.KEEP_ALIVE_SECONDS) == (1.0, 10.0)
    assert (worker.SWEEP_SECONDS, gateway.SWEEP_SECONDS, gateway.WATCH_SECONDS) == (1.0, 2.0, 1.0)
    assert (admission.HEADROOM_TRIES, relay.LARGEST_FRAME) == (4, 256 * 1024)


def test_the_tables_of_the_pages_are_tables_of_ours() -> None:
    files = [path for app in sorted(OURS) for path in (ROOT / app).rglob("*.sql")]
    files += [path for app in sorted(OURS) for path in (ROOT / app).rglob("models.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"`((?:audit|policies|routing|vault)_[a-z_]+)[`.]", pages))
    assert (
        sorted(name for name in named - {"audit_append"} if not re.search(rf"\b{name}\b", text))
        == []
    )
    assert len(named) > 15
