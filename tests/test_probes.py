"""The server of probes answers them whatever else its clients do: slow, silent, many, greedy, wrong."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus

import pytest

from worker.engine.probes import CONNECTIONS_MAX, HEADER_BYTES_MAX, REQUEST_S, Answer, PageServer

REQUEST = b"GET /livez HTTP/1.1\r\nHost: worker\r\n\r\n"
LARGE = b"x" * (32 << 20)
"""More than two sockets hold in their buffers."""

Serve = Callable[..., PageServer]


def broken() -> Answer:
    raise RuntimeError("not now")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(request_s=…)` is a server that runs."""
    with ExitStack() as stack:

        def make(host: str = "127.0.0.1", **limits: float) -> PageServer:
            server = PageServer(
                host,
                0,
                {
                    "/livez": lambda: Answer(HTTPStatus.OK, "text/plain", b"alive\n"),
                    "/large": lambda: Answer(HTTPStatus.OK, "text/plain", LARGE),
                    "/broken": broken,
                },
                **limits,  # type: ignore[arg-type]
            )
            server.start()
            stack.callback(server.stop)
            return server

        yield make


def connect(server: PageServer, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, server.port), timeout=20)


def said(server: PageServer, request: bytes = REQUEST, host: str = "127.0.0.1") -> bytes:
    """All that the server says until it closes."""
    with connect(server, host) as client:
        client.sendall(request)
        return rest(client)


def rest(client: socket.socket) -> bytes:
    parts = []
    try:
        while part := client.recv(1 << 20):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def is_cut(client: socket.socket, wait_s: float) -> bool:
    """Whether the server closes the connection within some seconds."""
    client.settimeout(wait_s)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_a_page_comes_whole_and_the_connection_is_closed(serve: Serve) -> None:
    head, _, body = said(serve()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 6\r\nConnection: close" in head
    assert body == b"alive\n"


def test_a_request_in_pieces_is_understood(serve: Serve) -> None:
    with connect(serve()) as client:
        for byte in REQUEST:
            client.sendall(bytes([byte]))
        assert rest(client).endswith(b"alive\n")


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"GET /livez?verbose=1 HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /livez HTTP/1.1\n\n", b"200"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /livez HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /livez\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),
        (b"GET /broken HTTP/1.1\r\n\r\n", b"500"),
    ],
)
def test_each_request_has_its_status(serve: Serve, request_text: bytes, status: bytes) -> None:
    server = serve()
    assert said(server, request_text).split()[1] == status
    assert said(server).endswith(b"alive\n"), "the server goes on"


def test_a_head_request_gets_no_body(serve: Serve) -> None:
    answer = said(serve(), b"HEAD /livez HTTP/1.1\r\n\r\n")
    assert b"Content-Length: 6" in answer and answer.endswith(b"\r\n\r\n")


def test_it_listens_on_ipv6_too(serve: Serve) -> None:
    try:
        server = serve("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert said(server, host="::1").endswith(b"alive\n")


def drip(client: socket.socket) -> float:
    """Sends a byte of an endless header ten times a second until it is cut; returns after how many seconds."""
    began_s = time.monotonic()
    client.sendall(b"GET /livez HTTP/1.1\r\nX: ")
    while not is_cut(client, wait_s=0.1) and time.monotonic() - began_s < 20:
        try:
            client.sendall(b"x")
        except ConnectionError:
            break
    return time.monotonic() - began_s


def test_a_request_that_drips_is_cut_at_its_deadline(serve: Serve) -> None:
    with connect(serve(request_s=0.8)) as client:
        assert 0.7 <= drip(client) < 5


def test_a_drip_has_five_seconds_by_default() -> None:
    assert REQUEST_S == 5.0


def test_who_says_nothing_is_cut(serve: Serve) -> None:
    with connect(serve(request_s=0.2)) as client:
        assert is_cut(client, wait_s=10)


def test_headers_without_end_are_refused(serve: Serve) -> None:
    answer = said(serve(), b"GET /livez HTTP/1.1\r\n" + b"X: " + b"x" * HEADER_BYTES_MAX)
    assert answer.split()[1] == b"431" or answer == b""


def test_who_does_not_read_is_cut_and_holds_up_no_other(serve: Serve) -> None:
    server = serve(answer_s=0.5)
    with connect(server) as greedy:
        greedy.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        assert greedy.recv(1) == b"H"
        began_s = time.monotonic()
        while server._connections and time.monotonic() - began_s < 20:
            assert said(server).endswith(b"alive\n")
        assert len(rest(greedy)) < len(LARGE)


def test_probes_are_answered_while_hundreds_hold_connections(serve: Serve) -> None:
    server = serve(request_s=60)
    threads = threading.active_count()
    with ExitStack() as stack:
        held = [stack.enter_context(connect(server)) for _ in range(300)]
        for client in held:
            try:
                client.sendall(b"GET /livez HTTP/1.1\r\n")
            except ConnectionError:
                continue
        began_s = time.monotonic()
        assert said(server).endswith(b"alive\n")
        assert time.monotonic() - began_s < 2
        assert threading.active_count() == threads
        assert sum(not is_cut(client, wait_s=0.001) for client in held) <= CONNECTIONS_MAX
        assert len(server._connections) <= CONNECTIONS_MAX


ATTACK = """
import collections, socket, sys
held, made = collections.deque(), 0
while True:
    try:
        held.append(socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5))
    except OSError:
        continue
    made += 1
    if made == 1000:
        print("made", flush=True)
    if len(held) > 100:
        held.popleft().close()
"""
"""Opens connections without end, in a process of its own: a kubelet shares no interpreter with its enemies."""


def test_probes_are_answered_while_connections_come_without_end(serve: Serve) -> None:
    server = serve()
    attack = [sys.executable, "-c", ATTACK, str(server.port)]
    attackers = [subprocess.Popen(attack, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for attacker in attackers:
            assert attacker.stdout is not None and attacker.stdout.readline() == b"made\n"
        answered = [said(server).endswith(b"alive\n") for _ in range(50)]
    finally:
        for attacker in attackers:
            attacker.kill()
            attacker.communicate()
    assert all(answered)


def test_a_server_stops_whatever_it_does_just_then() -> None:
    for _ in range(200):
        server = PageServer("127.0.0.1", 0, {"/livez": lambda: Answer(HTTPStatus.OK, "text/plain", b"alive\n")})
        server.start()
        with connect(server) as client:
            client.sendall(REQUEST)
            server.stop()


def test_an_address_is_free_once_the_server_has_stopped() -> None:
    first = PageServer("127.0.0.1", 0, {})
    port = first.port
    first.start()
    with connect(first) as client:
        first.stop()
        assert is_cut(client, wait_s=5)
    again = PageServer("127.0.0.1", port, {})
    again.start()
    again.stop()
