"""The witness as a process: `manage.py witness`, or `python -m audit.witness` where there is no Django. Stops on SIGTERM."""

import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType

from audit.files import write_new
from audit.merkle.cosignature import Cosigner
from audit.merkle.note import BadKey, VerifierKey
from audit.witness.answering import Witness
from audit.witness.server import Server
from audit.witness.state import State

KEY_FILE = "witness_key"


class CannotStart(RuntimeError):
    """An option or a file stands in the way; the message says what to do."""


class _Stopped(Exception):
    """A signal told us to. What is being cosigned meanwhile is remembered whole or not at all."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stopped


def add_arguments(parser: ArgumentParser) -> None:
    """Every option."""
    parser.add_argument("--state", type=Path, required=True, help="the witness's key and memory")
    parser.add_argument("--name", default="", help="its name, for a new key: witness.example/w1")
    parser.add_argument(
        "--logs", type=Path, help="a file of the logs it knows: a vkey on each line, # for notes"
    )
    parser.add_argument(
        "--handovers",
        type=Path,
        help="a file of lines that rotated keys signed about the next one; read when an unknown key signed",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where it listens")
    parser.add_argument("--port", type=int, default=9321, help="0: any that is free")
    parser.add_argument("--fd", type=int, help="a listening socket to inherit, instead of both")
    parser.add_argument(
        "--show-key", action="store_true", help="print its key for the logs' operators, and stop"
    )


def run(options: Namespace) -> None:
    """Serve until told to stop. Raises CannotStart."""
    key = key_of(options.state, options.name)
    if options.show_key:
        _say(str(key.verifier))
        return
    logs, handovers = _logs(options.logs), partial(_lines, options.handovers)
    witness = Witness(key, State(options.state / "logs"), logs, time.time, handovers)
    try:
        server = Server((options.host, options.port), witness, options.fd)
    except OSError as error:
        raise CannotStart(
            f"{options.host}:{options.port} cannot be listened on: {error}"
        ) from error
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    host, port = server.server_address[:2]
    _say(f"witness: http://{host!s}:{port}/ {key.verifier}")
    with server, suppress(_Stopped):
        server.serve_forever()
    _say("witness: stopped")


def key_of(folder: Path, name: str) -> Cosigner:
    """The witness's key, made once. Raises CannotStart."""
    path = folder / KEY_FILE
    try:
        if not path.is_file():
            if not name:
                raise CannotStart("a new witness needs a name: --name witness.example/w1")
            write_new(path, Cosigner.generate(name).secret_text().encode() + b"\n")
        return Cosigner.parse(path.read_text(encoding="utf-8").strip())
    except (BadKey, OSError) as error:
        raise CannotStart(f"the witness's key: {error}") from error


def _logs(path: Path | None) -> list[VerifierKey]:
    if path is None:
        raise CannotStart("name the logs it may cosign: --logs FILE, a vkey on each line")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [VerifierKey.parse(x.strip()) for x in lines if x.strip() and x[0] != "#"]
    except (BadKey, OSError) as error:
        raise CannotStart(f"the logs it knows: {error}") from error


def _lines(path: Path | None) -> list[str]:
    """What there is to read by now; nothing while there is no such file, or it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines() if path else []
    except (OSError, UnicodeDecodeError):
        return []


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
