"""HTTP/1.1 to the fleet over plain sockets: a request's bytes out, an answer's pieces in the moment they come.

A client library costs more per piece than the rest of the generator together; the parsing is httptools', as in the
gateway. It blocks, and so it serves threads and locust's greenlets alike. What goes wrong comes out as UnreachableError
(nobody took the request) or CutOffError (the answer broke off).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

import httptools

from cluster.errors import CutOffError, UnreachableError, UsageError

_PIECE: Final = 1 << 14
_CONNECT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the fleet answers; looked up once, so that no request waits for a name."""

    host: str
    port: int
    address: str
    base: str
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str) -> Self:
        """Of ``http://host:port/base``; UsageError for what is no URL, UnreachableError for an unknown name."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = f"--url must be like http://127.0.0.1:8080, is {url!r}"
            raise UsageError(msg)
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        port = parts.port or (443 if tls else 80)
        try:
            address = str(socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)[0][4][0])
        except OSError as exc:
            msg = f"{parts.hostname} has no address: {exc}; check --url"
            raise UnreachableError(msg) from exc
        return cls(parts.hostname, port, address, parts.path.rstrip("/").removesuffix("/v1"), tls)

    def request(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """The bytes of a POST with a JSON body."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        start = f"POST {self.base}{path} HTTP/1.1\r\nhost: {self.host}:{self.port}\r\n"
        return f"{start}content-type: application/json\r\ncontent-length: {len(body)}\r\n{lines}\r\n".encode() + body


class Connection:
    """One connection, one exchange at a time: ``send``, then ``head``, then ``pieces`` until they end."""

    def __init__(self, origin: Origin, timeout_s: float) -> None:
        """Opened at the first exchange; ``timeout_s`` is how long the fleet may be silent."""
        self._origin, self._timeout_s = origin, timeout_s
        self._socket: socket.socket | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._heard = self._complete = self._stays = False
        self.status = 0
        self.headers: dict[str, str] = {}

    def send(self, request: bytes) -> None:
        """Send a request, on the connection that is open if the fleet still holds it; UnreachableError otherwise."""
        self._begin()
        try:
            if self._socket is None or not _alive(self._socket):
                self.close()
                self._socket = _connected(self._origin)
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(request)
        except OSError as exc:
            self.close()
            msg = f"nobody takes requests at {self._origin.host}:{self._origin.port}: {exc or type(exc).__name__}"
            raise UnreachableError(msg) from exc

    def head(self) -> None:
        """Wait for status and headers."""
        while not self._heard:
            self._receive()

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives."""
        while True:
            while not self._pieces:
                if self._complete:
                    if not self._stays:
                        self.close()
                    return
                self._receive()
            arrived, self._pieces = self._pieces, []
            yield arrived[0] if len(arrived) == 1 else b"".join(arrived)

    def close(self) -> None:
        """Hang up, which is how a client cancels."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def _receive(self) -> None:
        assert self._socket is not None  # noqa: S101 - send() comes first
        try:
            data = self._socket.recv(_PIECE)
            if not data:
                self._ended()
                return
            self._parser.feed_data(data)
        except (OSError, httptools.HttpParserError) as exc:
            self.close()
            why = "the fleet fell silent" if isinstance(exc, TimeoutError) else f"{exc or type(exc).__name__}"
            msg = f"the answer broke off: {why}"
            raise CutOffError(msg) from exc

    def _ended(self) -> None:
        """A body without a length ends with its connection; anything else was cut."""
        unbounded = not {"content-length", "transfer-encoding"} & self.headers.keys()
        self.close()
        if not (self._heard and unbounded):
            msg = "the answer broke off: the connection was closed"
            raise CutOffError(msg)
        self._complete = True

    # -- what the parser calls ------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is there."""
        self.status = self._parser.get_status_code()
        self._heard = True

    def on_body(self, body: bytes) -> None:
        """A piece."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The end."""
        self._complete, self._stays = True, self._parser.should_keep_alive()


def _connected(origin: Origin) -> socket.socket:
    plain = socket.create_connection((origin.address, origin.port), _CONNECT_S)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return origin.tls.wrap_socket(plain, server_hostname=origin.host) if origin.tls else plain
    except OSError:
        plain.close()
        raise


def _alive(kept: socket.socket) -> bool:
    """Whether the other side left an idle connection open; anything to read there is a farewell."""
    kept.settimeout(0)
    try:
        kept.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False
