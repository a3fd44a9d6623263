"""One connection to an engine: however its bytes are cut, framed or broken off."""

from __future__ import annotations

import asyncio

import pytest

from router.backends.errors import CutError, DeadlineError, StaleError
from router.backends.http1 import HIGH_WATER, Connection
from router.backends.origin import Origin
from tests.router.engine import Engine, Exchange, Play

pytestmark = pytest.mark.anyio

BODY = b'{"answer": "Gr\xc3\xbc\xc3\x9fe"}'
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-A: b\r\n\r\n%b" % (len(BODY), BODY)
FRAMED: dict[str, bytes] = {
    "length": LENGTH,
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n"
    % (BODY[:5], len(BODY) - 5, BODY[5:]),
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + LENGTH,
}


async def asked(origin: Origin, seconds: float = 5) -> Connection:
    """A connection with a request under way."""
    connection = await origin.connection()
    connection.send(origin.head(b"POST", b"/v1/x", 2), b"{}")
    connection.expect("first_token", seconds)
    return connection


async def read(connection: Connection, limit: int = 1 << 20) -> bytes:
    """Head and body of what it answers."""
    await connection.head()
    return await connection.read_all(limit)


async def answers(exchange: Exchange) -> None:
    """A good answer."""
    exchange.answer(BODY)


async def closes(exchange: Exchange) -> None:
    """FIN."""
    exchange.close()


async def silent(exchange: Exchange) -> None:
    """Nothing."""
    await exchange.gone.wait()


def cut(raw: bytes, at: int, *, end: bool = False) -> Play:
    """An answer in two pieces; with ``end``, only the first of them."""

    async def play(exchange: Exchange) -> None:
        exchange.send(raw[:at])
        await asyncio.sleep(0)
        if end:
            exchange.close()
        else:
            exchange.send(raw[at:])

    return play


@pytest.mark.parametrize("raw", FRAMED.values(), ids=FRAMED)
async def test_cut_at_every_byte(raw: bytes) -> None:
    """An answer that arrives in two pieces, cut anywhere, is the same answer, over one connection."""
    async with Engine() as engine:
        engine.then(*(cut(raw, at) for at in range(1, len(raw))))
        origin = Origin(engine.url, 1)
        for _ in range(1, len(raw)):
            connection = await asked(origin)
            assert await read(connection) == BODY
            assert (connection.status, connection.reusable) == (200, True)
            origin.release(connection)
        assert engine.opened == 1
        origin.close()


async def test_every_break_is_an_error() -> None:
    """An answer that breaks off anywhere before its end is an error, and its connection is not kept."""
    async with Engine() as engine:
        engine.then(*(cut(LENGTH, at, end=True) for at in range(len(LENGTH))))
        origin = Origin(engine.url, 1)
        for _ in range(len(LENGTH)):
            connection = await asked(origin)
            with pytest.raises(CutError):
                await read(connection)
            assert not connection.reusable
            origin.release(connection)
        assert engine.opened == len(LENGTH)


async def test_a_deadline_names_itself() -> None:
    """An overdue answer is an error that names the deadline's field."""
    async with Engine() as engine:
        engine.then(silent)
        connection = await asked(Origin(engine.url, 1), 0.01)
        with pytest.raises(DeadlineError) as caught:
            await connection.head()
        assert (caught.value.which, caught.value.cause) == ("first_token", "deadline_first_token")
        connection.close()


async def test_an_answer_has_a_limit() -> None:
    """An answer longer than its limit is an error instead of memory."""
    async with Engine() as engine:
        engine.then(answers)
        connection = await asked(Origin(engine.url, 1))
        with pytest.raises(CutError):
            await read(connection, len(BODY) - 1)
        connection.close()


async def test_a_stale_connection_says_so() -> None:
    """A kept connection that is closed without a byte of an answer is told apart from a broken answer."""
    async with Engine() as engine:
        engine.then(answers, closes)
        origin = Origin(engine.url, 1)
        connection = await asked(origin)
        assert await read(connection) == BODY
        origin.release(connection)
        with pytest.raises(StaleError):
            await read(await asked(origin))


async def test_reading_stops_when_nobody_takes_it() -> None:
    """What nobody reads is not buffered far beyond the high-water mark."""

    async def floods(exchange: Exchange) -> None:
        exchange.begin()
        for _ in range(32):
            exchange.piece(b"x" * (1 << 20))

    async with Engine() as engine:
        engine.then(floods)
        connection = await asked(Origin(engine.url, 1))
        await connection.head()
        assert len(await connection.read()) <= 2 * HIGH_WATER
        connection.close()


async def test_a_connection_is_not_kept_for_ever() -> None:
    """Past its time another one is opened: behind an address there may be other replicas by now."""
    async with Engine() as engine:
        engine.then(answers, answers, answers, answers)
        for reuse_seconds, opened in ((60, 1), (0, 3)):
            origin = Origin(engine.url, 1, reuse_seconds=reuse_seconds)
            for _ in range(2):
                connection = await asked(origin)
                assert await read(connection) == BODY
                origin.release(connection)
            assert engine.opened == opened
            origin.close()


async def test_nothing_is_kept_after_closing() -> None:
    """A connection whose exchange was under way then is closed when it is given back."""
    async with Engine() as engine:
        engine.then(answers)
        origin = Origin(engine.url, 1)
        connection = await asked(origin)
        assert await read(connection) == BODY
        origin.close()
        origin.release(connection)
        assert connection.closed
