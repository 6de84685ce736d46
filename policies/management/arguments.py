"""What the commands over a folder may be told."""

from argparse import _SubParsersAction
from pathlib import Path

from django.core.management.base import CommandParser

from policies.management.targets import TOKEN


def add_arguments(actions: "_SubParsersAction[CommandParser]") -> None:
    """The seven, and what each may be told."""
    made = {
        "validate": "check DIR over what is published; change nothing",
        "fmt": "write the documents of DIR in the one layout; comments stay",
        "test": "run the PolicyTests of DIR over what is published",
        "plan": "say what DIR would change, and what that would do",
        "diff": "say how DIR and what is published differ, both ways",
        "apply": "create and change the documents in DIR; leave all others",
        "export": "write every published document to DIR as YAML",
    }
    parsers = {name: actions.add_parser(name, help=told) for name, told in made.items()}
    for name, parser in parsers.items():
        parser.add_argument("dir", type=Path)
        parser.add_argument("--json", action="store_true", help="one object on one line")
        if name != "fmt":
            _add_target(parser)
        if name not in ("fmt", "export"):
            parser.add_argument("--values", type=Path, help="what $(name) stands for in DIR")
            parser.add_argument("--repository", default="", help="instead of what Git says")
            parser.add_argument("--commit", default="", help="instead of what Git says")
    for name in ("validate", "test"):
        parsers[name].add_argument("--junit", type=Path, help="write the results as JUnit XML")
    for name in ("plan", "diff"):
        parsers[name].add_argument(
            "--exit-code", action="store_true", help="exit 2 where anything differs"
        )
    parsers["plan"].add_argument(
        "--no-replay", action="store_true", help="do not decide the calls of the last days again"
    )
    parsers["fmt"].add_argument(
        "--check", action="store_true", help="write nothing; exit 2 where a file would change"
    )
    for name in ("plan", "apply"):
        parsers[name].add_argument(
            "--prune",
            action="store_true",
            help="delete what an earlier apply brought and DIR no longer has",
        )
    _add_apply(parsers["apply"])
    _add_import(actions)
    _add_attest(actions)
    actions.add_parser("schema", help="print the JSON Schema of all kinds, for editors")


def _add_target(parser: CommandParser) -> None:
    parser.add_argument("--server", default="", help="a server's address instead of the database")
    parser.add_argument("--token", default="", help=f"better in {TOKEN}: others see arguments")
    parser.add_argument("--token-file", type=Path, help=f"instead of {TOKEN}")
    parser.add_argument("--tenant", default="", help="of one tenant alone")


def _add_apply(parser: CommandParser) -> None:
    parser.add_argument("--title", default="", help="what the change is, in one line")
    parser.add_argument("--reason", default="")
    parser.add_argument("--attestation", type=Path, help="a signed review, which approves it")
    parser.add_argument(
        "--take", action="store_true", help="go over what the console wrote, and keep it in Git"
    )
    parser.add_argument(
        "--wait",
        type=float,
        nargs="?",
        const=3600.0,
        default=0.0,
        metavar="SECONDS",
        help="wait until it is published or ended",
    )


def _add_attest(actions: "_SubParsersAction[CommandParser]") -> None:
    parser = actions.add_parser(
        "attest", help="sign who reviewed the commit of DIR, for a pipeline"
    )
    parser.add_argument("dir", type=Path)
    parser.add_argument("--key", type=Path, required=True, help="an Ed25519 private key in PEM")
    parser.add_argument("--key-id", required=True, help="how operators listed its public key")
    parser.add_argument("--author", default="", help="the e-mail address of who wrote the commit")
    parser.add_argument("--approver", action="append", default=[], help="who approved it; repeat")
    parser.add_argument(
        "--show-key", action="store_true", help="print the line that operators list"
    )
    parser.add_argument("--values", type=Path, help="as for `apply`")
    parser.add_argument("--repository", default="", help="instead of what Git says")
    parser.add_argument("--commit", default="", help="instead of what Git says")
    parser.add_argument("--prune", action="store_true", help="as for `apply`")
    parser.add_argument("--json", action="store_true", help="it is one object on one line anyhow")
    _add_target(parser)


def _add_import(actions: "_SubParsersAction[CommandParser]") -> None:
    parser = actions.add_parser("import", help="documents from another product's configuration")
    parser.add_argument("--from", dest="source", choices=("litellm",), required=True)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, help="write them to this folder, one file each")
    parser.add_argument("--owner", default="platform", help="who answers for what is imported")
    parser.add_argument("--json", action="store_true", help="one object on one line")
