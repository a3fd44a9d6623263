"""Sockets as the generator uses them: pieces as they come, and every way in which an answer can break off."""

from __future__ import annotations

import threading

import pytest

from cluster.errors import CutOffError, UnreachableError, UsageError
from cluster.ports import free_port
from loadtests.wire import Connection, Origin
from tests.loadtests.servers import HEAD, chunked, saying, sized


def asked(connection: Connection, origin: Origin) -> bytes:
    """The whole body of one answer."""
    connection.send(origin.request("/v1/x", b"{}", {"authorization": "Bearer k"}))
    connection.head()
    return b"".join(connection.pieces())


def test_one_connection_serves_many_and_a_closed_one_is_opened_again() -> None:
    """A server that closes an idle connection is no failure of its own."""
    closed = threading.Event()
    with saying([[sized(b"one"), sized(b"two")], [HEAD + chunked(b"three")]], closed) as url:
        origin = Origin.of(url)
        connection = Connection(origin, 10)
        assert [asked(connection, origin) for _ in range(2)] == [b"one", b"two"]
        assert closed.wait(10)
        assert asked(connection, origin) == b"three"
        assert (connection.status, connection.headers["transfer-encoding"]) == (200, "chunked")
        connection.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(b"", "connection was closed", id="nothing"),
        pytest.param(HEAD + chunked(b"one", ended=False), "connection was closed", id="half a body"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "connection was closed", id="too short"),
        pytest.param(b"no HTTP at all\r\n\r\n", "broke off", id="not HTTP"),
    ],
)
def test_what_breaks_off_says_so(answer: bytes, why: str) -> None:
    """Half an answer never passes for a whole one."""
    with saying([[answer]]) as url:
        origin = Origin.of(url)
        with pytest.raises(CutOffError, match=why):
            asked(Connection(origin, 10), origin)


def test_a_body_without_length_ends_with_its_connection() -> None:
    """As HTTP/1.0 servers do it."""
    with saying([[b"HTTP/1.1 200 OK\r\n\r\nall of it"]]) as url:
        origin = Origin.of(url)
        assert asked(Connection(origin, 10), origin) == b"all of it"


def test_a_silent_fleet_is_not_waited_for_forever() -> None:
    """It has cut the answer."""
    with saying([[HEAD, b""]]) as url:
        origin = Origin.of(url)
        connection = Connection(origin, 0.05)
        with pytest.raises(CutOffError, match="fell silent"):
            asked(connection, origin)


def test_nobody_there() -> None:
    """Told from an answer that broke off."""
    origin = Origin.of(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnreachableError, match="nobody takes requests at"):
        Connection(origin, 1).send(b"")


def test_addresses() -> None:
    """A path and a trailing v1 are what OpenAI's clients are given; anything else is refused."""
    origin = Origin.of("http://127.0.0.1:8080/fleet/v1/")
    assert (origin.port, origin.base, origin.tls) == (8080, "/fleet", None)
    assert b"POST /fleet/v1/x HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n" in origin.request("/v1/x", b"", {})
    with pytest.raises(UsageError, match="--url must be like"):
        Origin.of("127.0.0.1:8080")
