"""A door between a client and a real server, which a test can shut."""

import contextlib
import socket
import threading
from collections.abc import Callable
from math import inf
from urllib.parse import urlsplit


class Gate:
    """Passes connections on to a server; can refuse them, or swallow an answer.

    Attributes:
        address: For the client; the port stays the same.
    """

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._target = (parts.hostname, parts.port)
        self._left: float = inf
        self._lost = b""
        self._listening: socket.socket | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}"

    def open(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self._port))
        self._start(self._accept, self._listening)

    def swallow(self, after: float) -> None:
        """The server gets all requests, but answers after so many are lost."""
        self._left = after

    def lose(self, path: str) -> None:
        """The server gets the next request to this path, but its answer is lost."""
        self._lost = path.encode()

    def shut(self) -> None:
        if self._listening is not None:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._listening = None

    def _start(
        self, target: Callable[[socket.socket], None], on: socket.socket
    ) -> None:
        threading.Thread(target=target, args=[on], daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """One exchange a connection: a request, its answer, the end."""
        with client, contextlib.suppress(OSError):
            request = _closing(_whole_request(client))
            with socket.create_connection(self._target, 30) as server:
                server.sendall(request)
                answer = b"".join(iter(lambda: server.recv(65536), b""))
            self._left -= 1
            if self._left >= 0 and not self._loses(request):
                client.sendall(answer)

    def _loses(self, request: bytes) -> bool:
        if not self._lost or self._lost not in request.partition(b"\r\n")[0]:
            return False
        self._lost = b""
        return True


def _whole_request(client: socket.socket) -> bytes:
    text = b""
    while b"\r\n\r\n" not in text:
        text += _some(client)
    head, _, body = text.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    while len(body) < sum(lengths):
        body += _some(client)
    return head + b"\r\n\r\n" + body


def _some(client: socket.socket) -> bytes:
    part = client.recv(65536)
    if not part:
        raise ConnectionResetError
    return part


def _closing(request: bytes) -> bytes:
    """Ask the server to close after its answer, so that its end is known."""
    head, _, body = request.partition(b"\r\n\r\n")
    kept = [
        line
        for line in head.split(b"\r\n")
        if not line.lower().startswith(b"connection:")
    ]
    return b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n" + body
