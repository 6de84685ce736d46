"""The witness over HTTP: `POST /add-checkpoint`, and `GET /` for people, who find its key there."""

import logging
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from audit.witness.answering import Answer, Witness
from audit.witness.request import MOST_BODY_BYTES

_LOGGER = logging.getLogger(__name__)
_READ_SECONDS = 10.0


class Server(ThreadingHTTPServer):
    """One thread for each connection; a slow caller keeps nobody else waiting. `inherited` is a socket that listens already."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], witness: Witness, inherited: int | None = None
    ) -> None:
        self.witness = witness
        super().__init__(address, _Handler, bind_and_activate=inherited is None)
        if inherited is not None:
            self.socket.close()
            self.socket = socket.socket(fileno=inherited)
            self.server_address = self.socket.getsockname()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "mandate-witness"
    sys_version = ""
    timeout = _READ_SECONDS
    server: Server

    def do_POST(self) -> None:
        """`add-checkpoint`."""
        body = self._body()
        if body is None:
            return
        if self.path != "/add-checkpoint":
            self._say(Answer(404, "only add-checkpoint is here\n"))
            return
        try:
            answer = self.server.witness.add_checkpoint(body)
        except OSError as error:
            _LOGGER.error("the witness's memory cannot be kept: %s", type(error).__name__)
            answer = Answer(500, "the witness cannot remember; nothing was cosigned\n")
        self._say(answer)

    def do_GET(self) -> None:
        """The witness's public key."""
        found = self.path == "/"
        body = f"{self.server.witness.key.verifier}\n" if found else "not found\n"
        self._say(Answer(200 if found else 404, body))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Each request is one line of the log."""
        _LOGGER.info(format, *args)

    def _body(self) -> bytes | None:
        length = self.headers.get("content-length", "")
        if not length.isascii() or not length.isdigit():
            self.close_connection = True
            self._say(Answer(411, "say how long the body is\n"))
            return None
        if int(length) > MOST_BODY_BYTES:
            self.close_connection = True
            self._say(Answer(413, f"a request has at most {MOST_BODY_BYTES} bytes\n"))
            return None
        return self.rfile.read(int(length))

    def _say(self, answer: Answer) -> None:
        data = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("content-type", answer.kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
