"""A small HTTP server for probes: one thread, so many connections, so much time, whatever its clients do.

It answers GET and HEAD of a few fixed pages and closes. Who sends slowly, or reads slowly, is cut at a deadline; where
all places are taken, the longest-waiting request makes room, so a probe is answered while others hold connections.
"""

import errno
import logging
import selectors
import socket
import threading
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple

from worker import clock

log = logging.getLogger(__name__)

CONNECTIONS_MAX = 256
"""So many that a probe sends its request before newcomers push it out: 10,000 a second take 25 ms to fill them."""
ACCEPTS_MAX = 8
"""So many connections are taken before those here are heard: newcomers must not push them out unheard."""
REQUEST_S = 5.0
"""From the connection to the end of the request's headers, however steadily they come."""
ANSWER_S = 10.0
HEADER_BYTES_MAX = 8_192
RECEIVE_BYTES = 4_096
BACKLOG = 128
ENDS = (b"\r\n\r\n", b"\n\n")


class Answer(NamedTuple):
    """A page as it is sent."""

    status: HTTPStatus
    content_type: str
    body: bytes


Page = Callable[[], Answer]


class _Connection:
    """A client: first heard, then answered. `deadline_s` is of what it does now."""

    __slots__ = ("deadline_s", "received", "socket", "unsent")

    def __init__(self, client: socket.socket, deadline_s: float) -> None:
        self.socket = client
        self.deadline_s = deadline_s
        self.received = bytearray()
        self.unsent: memoryview | None = None


class PageServer:
    """Serves pages by path; `missing` is the text for any other path. All but `stop` runs on its own thread.

    Raises OSError when the address cannot be bound. Port 0 takes a free one: see `port`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        pages: Mapping[str, Page],
        *,
        connections_max: int = CONNECTIONS_MAX,
        request_s: float = REQUEST_S,
        answer_s: float = ANSWER_S,
        now_s: Callable[[], float] = clock.monotonic_s,
    ) -> None:
        self._pages = pages
        self._connections_max = connections_max
        self._request_s = request_s
        self._answer_s = answer_s
        self._now_s = now_s
        self._connections: list[_Connection] = []  # the oldest first
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self._listener.setblocking(False)
        self._stopped = threading.Event()
        self._woken, self._wake = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Closes every connection and the address, then returns."""
        self._stopped.set()
        self._wake.send(b"x")  # the thread may have seen it already, and leaves both ends open
        self._thread.join()
        for end in (self._woken, self._wake):
            end.close()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                self._turn()
        finally:
            for connection in list(self._connections):
                self._close(connection)
            self._selector.close()
            self._listener.close()

    def _turn(self) -> None:
        """Waits for something to do or a deadline, does it, and cuts who is late."""
        deadlines = [connection.deadline_s for connection in self._connections]
        wait_s = max(0.0, min(deadlines) - self._now_s()) if deadlines else None
        ready = self._selector.select(wait_s)
        for key, _ in ready:
            if key.data is not None:
                self._serve(key.data)
        if any(key.fileobj is self._listener for key, _ in ready):
            self._accept()
        now_s = self._now_s()
        for late in [connection for connection in self._connections if connection.deadline_s <= now_s]:
            self._close(late)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                client, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as problem:
                if problem.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._make_room()
                    self._stopped.wait(0.1)  # it would be told again at once
                return
            client.setblocking(False)
            connection = _Connection(client, self._now_s() + self._request_s)
            self._connections.append(connection)
            self._selector.register(client, selectors.EVENT_READ, connection)
            self._serve(connection)  # who asked already is answered, and needs no place
            if len(self._connections) > self._connections_max:
                self._make_room()

    def _make_room(self) -> None:
        """Closes the oldest connection that is not being answered; the oldest of all where each is."""
        unanswered = (connection for connection in self._connections if connection.unsent is None)
        oldest = next(unanswered, self._connections[0] if self._connections else None)
        if oldest is not None:
            self._close(oldest)

    def _close(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _serve(self, connection: _Connection) -> None:
        """Takes a step with a client that is ready for it."""
        try:
            if connection.unsent is None:
                self._hear(connection)
            if connection.unsent is not None:
                connection.unsent = connection.unsent[connection.socket.send(connection.unsent) :]
                if not connection.unsent:
                    connection.socket.shutdown(socket.SHUT_WR)
                    self._close(connection)
        except BlockingIOError:
            return
        except OSError:  # gone
            self._close(connection)

    def _hear(self, connection: _Connection) -> None:
        received = connection.socket.recv(RECEIVE_BYTES)
        if not received:
            raise ConnectionAbortedError
        connection.received += received
        if any(end in connection.received for end in ENDS):
            answer = self._answer(bytes(connection.received))
        elif len(connection.received) > HEADER_BYTES_MAX:
            answer = _whole(_plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        else:
            return
        connection.unsent = memoryview(answer)
        connection.deadline_s = self._now_s() + self._answer_s
        self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)

    def _answer(self, request: bytes) -> bytes:
        words = request.partition(b"\n")[0].decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _whole(_plain(HTTPStatus.BAD_REQUEST))
        method, target, _ = words
        if method not in ("GET", "HEAD"):
            return _whole(_plain(HTTPStatus.METHOD_NOT_ALLOWED), "Allow: GET, HEAD")
        page = self._pages.get(target.partition("?")[0])
        if page is None:
            known = f"{' '.join(self._pages)}\n".encode()
            return _whole(_plain(HTTPStatus.NOT_FOUND, known), head_only=method == "HEAD")
        try:
            answer = page()
        except Exception:  # the next one may be better off, and the other pages have to be served
            log.exception("%s cannot be answered", target)
            answer = _plain(HTTPStatus.INTERNAL_SERVER_ERROR)
        return _whole(answer, head_only=method == "HEAD")


def _plain(status: HTTPStatus, text: bytes = b"") -> Answer:
    return Answer(status, "text/plain; charset=utf-8", text or f"{status.phrase}\n".encode())


def _whole(answer: Answer, *extra: str, head_only: bool = False) -> bytes:
    lines = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}",
        "Server: stream-audit",
        f"Date: {formatdate(clock.now_ms() / 1000, usegmt=True)}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Connection: close",
        *extra,
    )
    return "\r\n".join((*lines, "", "")).encode() + (b"" if head_only else answer.body)
