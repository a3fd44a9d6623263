"""Servers for whatever sends: one that says what it is told to say, and the engine that does nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def chunked(*events: bytes, ended: bool = True) -> bytes:
    """Events as a chunked body; one that is not ended is cut where the connection closes."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)
    return body + (b"0\r\n\r\n" if ended else b"")


def sized(content: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole answer with its length."""
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        status,
        len(content),
        content,
    )


@contextmanager
def saying(answers: Sequence[Sequence[bytes]], closed: threading.Event | None = None) -> Iterator[str]:
    """A server with a list of answers for each connection, one after each request; then it closes the connection.

    ``closed`` is set when it has closed one.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, answers, closed or threading.Event()), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def _serve(server: socket.socket, answers: Sequence[Sequence[bytes]], closed: threading.Event) -> None:
    for said in answers:
        connection, _ = server.accept()
        with connection:
            for answer in said:
                if connection.recv(1 << 16):
                    connection.sendall(answer)
        closed.set()
