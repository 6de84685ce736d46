"""One web process on a socket that the supervisor holds: `python -m controlplane.web --fd N`.

The supervisor keeps the listening socket, so a web process that dies loses only its own connections: new ones wait in
the socket's queue until its successor takes them.
"""

import argparse
import socket
import sys

import uvicorn

from controlplane import env


class Server(uvicorn.Server):
    """uvicorn, which tells the application that the end has begun *before* it waits for running answers."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, let running answers end within MANDATE_DRAIN_SECONDS, then close."""
        loaded = self.config.loaded_app
        begin_drain = getattr(sys.modules.get("controlplane.asgi"), "begin_drain", None)
        if loaded is not None and begin_drain is not None:
            begin_drain()
        await super().shutdown(sockets)


def config() -> uvicorn.Config:
    """The server as measured: uvloop, httptools, keep-alives longer than any client's."""
    return uvicorn.Config(
        "controlplane.asgi:application",
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(env.text("MANDATE_TRUSTED_PROXIES")),
        forwarded_allow_ips=env.text("MANDATE_TRUSTED_PROXIES") or None,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=env.number("MANDATE_DRAIN_SECONDS", 120),
    )


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="controlplane.web")
    parser.add_argument("--fd", type=int, required=True, help="the listening socket to inherit")
    listening = socket.socket(fileno=parser.parse_args().fd)
    server = Server(config())
    server.run(sockets=[listening])
    return 0 if server.started else 3


if __name__ == "__main__":
    sys.exit(main())
