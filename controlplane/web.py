"""One web process, on a socket that the supervisor holds (`python -m controlplane.web --fd N`) or its own (`--listen HOST:PORT`).

The supervisor keeps the listening socket, so a web process that dies loses only its own connections: new ones wait in
the socket's queue until its successor takes them. In a container the platform does that work.
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


def own(place: str) -> socket.socket:
    """A listening socket of our own. Raises OSError where the place is taken, ValueError where it is none."""
    host, _, port = place.rpartition(":")
    return socket.create_server((host, int(port)), backlog=4096)


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="controlplane.web")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--fd", type=int, help="the listening socket to inherit")
    place.add_argument("--listen", metavar="HOST:PORT", help="where to listen by itself")
    chosen = parser.parse_args()
    listening = socket.socket(fileno=chosen.fd) if chosen.listen is None else own(chosen.listen)
    server = Server(config())
    server.run(sockets=[listening])
    return 0 if server.started else 3


if __name__ == "__main__":
    sys.exit(main())
