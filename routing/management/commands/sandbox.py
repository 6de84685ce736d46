"""`manage.py sandbox`: the simulator as an HTTP upstream that speaks OpenAI's and Anthropic's APIs."""

import socket
from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.core.management.base import BaseCommand, CommandError

from routing.upstream.app import Options, Sandbox
from routing.upstream.started import CommittedStarts


class Command(BaseCommand):
    help = "Serve the sandbox models over HTTP until interrupted."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        place = parser.add_mutually_exclusive_group(required=True)
        place.add_argument("--port", type=int, help="0 picks a free one")
        place.add_argument("--fd", type=int, help="a listening socket to inherit")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument(
            "--check-dsn",
            default="",
            help="a PostgreSQL DSN: check on each arrival that its attempt.started is committed",
        )
        parser.add_argument(
            "--latency-ms", type=int, default=0, help="wait so long before every answer"
        )

    def handle(self, **options: Any) -> None:
        check = CommittedStarts(options["check_dsn"]) if options["check_dsn"] else None
        app = Sandbox(Options(latency_seconds=options["latency_ms"] / 1000, check=check))
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            log_level="critical",
            access_log=False,
            backlog=4096,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
        inherited = options["fd"]
        listener = (
            _listen(options["host"], options["port"])
            if inherited is None
            else socket.socket(fileno=inherited)
        )
        host, port = listener.getsockname()[:2]
        self.stdout.write(f"sandbox listens on http://{host}:{port}/v1")
        self.stdout.flush()
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(4096)
    except OSError as error:
        listener.close()
        raise CommandError(f"{host}:{port} cannot be used: {error.strerror}") from None
    return listener
