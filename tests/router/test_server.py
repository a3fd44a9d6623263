"""The port, spoken to in raw bytes: what is no HTTP, what is two things at once, what never ends, what is too much."""

from __future__ import annotations

import asyncio
import json

import pytest

from router.server import HEADER_BYTES, Protocol
from tests.router.client import Client
from tests.router.engine import ANSWERS, Exchange, delta, silent
from tests.router.gateway import Running, Trio, chat

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
BODY = json.dumps(chat()).encode()
HOST = b"host: gateway\r\n"
LENGTH = b"content-length: %d\r\n" % len(BODY)
LINE = f"POST {CHAT} HTTP/1.1\r\n".encode()
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


def statuses(raw: bytes) -> list[int]:
    """Every status line in what came back."""
    return [int(part[:3]) for part in raw.split(b"HTTP/1.1 ")[1:]]


SMUGGLED: dict[str, bytes] = {
    "both": LINE + HOST + LENGTH + b"transfer-encoding: chunked\r\n\r\n" + CHUNKS,
    "both-reversed": LINE + HOST + b"transfer-encoding: chunked\r\n" + LENGTH + b"\r\n" + CHUNKS,
    "two-lengths": LINE + HOST + LENGTH + b"content-length: 5\r\n\r\n" + BODY,
    "two-equal-lengths": LINE + HOST + LENGTH + LENGTH + b"\r\n" + BODY,
    "length-list": LINE + HOST + b"content-length: 5, 5\r\n\r\n" + BODY,
    "length-plus": LINE + HOST + b"content-length: +5\r\n\r\n" + BODY,
    "length-minus": LINE + HOST + b"content-length: -5\r\n\r\n" + BODY,
    "length-hex": LINE + HOST + b"content-length: 0x5\r\n\r\n" + BODY,
    "length-empty": LINE + HOST + b"content-length:\r\n\r\n" + BODY,
    "length-huge": LINE + HOST + b"content-length: 99999999999999999999999\r\n\r\n" + BODY,
    "te-unknown": LINE + HOST + b"transfer-encoding: xchunked\r\n\r\n" + CHUNKS,
    "te-identity": LINE + HOST + LENGTH + b"transfer-encoding: identity\r\n\r\n" + BODY,
    "te-after": LINE + HOST + b"transfer-encoding: chunked, identity\r\n\r\n" + CHUNKS,
    "te-twice": LINE + HOST + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n" + CHUNKS,
    "te-space": LINE + HOST + LENGTH + b"transfer-encoding : chunked\r\n\r\n" + CHUNKS,
    "te-tab": LINE + HOST + LENGTH + b"transfer-encoding\t: chunked\r\n\r\n" + CHUNKS,
    "te-vertical": LINE + HOST + LENGTH + b"transfer-encoding: \x0bchunked\r\n\r\n" + CHUNKS,
    "te-1.0": LINE.replace(b"1.1", b"1.0") + HOST + LENGTH + b"transfer-encoding: chunked\r\n\r\n" + CHUNKS,
    "name-space": LINE + HOST + LENGTH + b"x y: z\r\n\r\n" + BODY,
    "name-nul": LINE + HOST + LENGTH + b"x\0y: z\r\n\r\n" + BODY,
    "value-nul": LINE + HOST + LENGTH + b"x: a\0b\r\n\r\n" + BODY,
    "value-cr": LINE + HOST + LENGTH + b"x: a\rtransfer-encoding: chunked\r\n\r\n" + BODY,
    "folded": LINE + HOST + LENGTH + b"x: a\r\n b\r\n\r\n" + BODY,
    "no-colon": LINE + HOST + LENGTH + b"x\r\n\r\n" + BODY,
    "chunk-word": LINE + HOST + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    "chunk-minus": LINE + HOST + b"transfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "chunk-prefix": LINE + HOST + b"transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "chunk-huge": LINE + HOST + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n",
    "chunk-long": LINE + HOST + b"transfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "chunk-bare": LINE + HOST + b"transfer-encoding: chunked\r\n\r\n1\n{\n0\n\n",
    "no-host": LINE + LENGTH + b"\r\n" + BODY,
    "two-hosts": LINE + HOST + b"host: other\r\n" + LENGTH + b"\r\n" + BODY,
    "host-path": LINE + b"host: gateway/admin\r\n" + LENGTH + b"\r\n" + BODY,
    "host-user": LINE + b"host: me@gateway\r\n" + LENGTH + b"\r\n" + BODY,
    "host-space": LINE + b"host: gate way\r\n" + LENGTH + b"\r\n" + BODY,
    "host-list": LINE + b"host: a, b\r\n" + LENGTH + b"\r\n" + BODY,
    "host-query": LINE + b"host: a?b\r\n" + LENGTH + b"\r\n" + BODY,
    "host-bytes": LINE + b"host: \xff\xfe\r\n" + LENGTH + b"\r\n" + BODY,
    "method": b"PO ST / HTTP/1.1\r\n" + HOST + b"\r\n",
    "method-lower": b"post / HTTP/1.1\r\n" + HOST + b"\r\n",
    "version": b"GET / HTTP/2.7\r\n" + HOST + b"\r\n",
    "http-0.9": b"GET /healthz\r\n\r\n",
    "h2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "path-bytes": b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "path-space": b"GET / x HTTP/1.1\r\n" + HOST + b"\r\n",
    "connect": b"CONNECT evil:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "noise": bytes(range(256)) * 4,
}


@pytest.mark.parametrize("raw", SMUGGLED.values(), ids=SMUGGLED)
async def test_what_could_mean_two_things_is_refused(gateway: Running, engines: Trio, raw: bytes) -> None:
    """One error and the end of the connection; neither the request nor what is hidden behind it is acted upon."""
    hidden = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
    async with Client(gateway.port) as client:
        client.send(raw + hidden)
        found = statuses(await client.until_closed())
    assert len(found) == 1
    assert 400 <= found[0] < 500
    assert not any(engine.seen for engine in engines)
    assert [line for line in gateway.lines if line["event"] == "log" and line["level"] == "error"] == []
    assert (await gateway.chat()).status == 200


ODD: dict[str, bytes] = {
    "absolute": f"POST http://evil.example{CHAT} HTTP/1.1\r\n".encode() + HOST + LENGTH + b"\r\n" + BODY,
    "lower-names": LINE + HOST.upper().replace(b"GATEWAY", b"gateway") + LENGTH.upper() + b"\r\n" + BODY,
    "port": LINE + b"host: gateway:8080\r\n" + LENGTH + b"\r\n" + BODY,
    "ipv6": LINE + b"host: [::1]:8080\r\n" + LENGTH + b"\r\n" + BODY,
    "chunk-extension": LINE + HOST + b"transfer-encoding: chunked\r\n\r\n%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    "trailers": LINE + HOST + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nx: y\r\n\r\n" % (len(BODY), BODY),
    "chunked-upper": LINE + HOST + b"transfer-encoding: Chunked\r\n\r\n" + CHUNKS,
    "blank-first": b"\r\n" + LINE + HOST + LENGTH + b"\r\n" + BODY,
    "query": f"POST {CHAT}?a=b HTTP/1.1\r\n".encode() + HOST + LENGTH + b"\r\n" + BODY,
    "http-1.0": LINE.replace(b"1.1", b"1.0") + LENGTH + b"\r\n" + BODY,
    "many-headers": LINE + HOST + LENGTH + b"".join(b"x-%d: y\r\n" % n for n in range(500)) + b"\r\n" + BODY,
}


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD)
async def test_what_is_odd_but_clear_is_answered(gateway: Running, raw: bytes) -> None:
    """What HTTP allows is answered, in one piece or byte by byte."""
    for step in (len(raw), 1):
        async with Client(gateway.port) as client:
            for start in range(0, len(raw), step):
                client.send(raw[start : start + step])
                if step == 1 and start % 64 == 0:
                    await asyncio.sleep(0)
            assert (await client.response()).status == 200


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"foo/1"], ids=bytes.decode)
@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
async def test_clients_that_offer_another_protocol(gateway: Running, upgrade: bytes, apart: bool) -> None:
    """Java's HTTP client offers HTTP/2 with its first request; the offer is passed over, and the connection goes on."""
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: " + upgrade + b"\r\nhttp2-settings: AAMAAABk\r\n"
    async with Client(gateway.port) as client:
        for _ in range(3):
            client.send(LINE + HOST + LENGTH + offer + b"\r\n")
            if apart:
                await gateway.get("/healthz")
            client.send(BODY)
            response = await client.response()
            assert (response.status, response.json) == (200, ANSWERS["chat/completions"])


@pytest.mark.parametrize("raw", [b"OPTIONS * HTTP/1.1\r\n", b"TRACE / HTTP/1.1\r\n", b"PROPFIND / HTTP/1.1\r\n"])
async def test_methods_that_nothing_has(gateway: Running, raw: bytes) -> None:
    """Methods of other uses of HTTP are refused in good order."""
    async with Client(gateway.port) as client:
        client.send(raw + HOST + b"\r\n")
        response = await client.response()
        assert response.status in {404, 405}
        assert response.error["code"]


HEADER = LINE + HOST + LENGTH
BOMBS: dict[str, bytes] = {
    "one-value": HEADER + b"x: " + b"y" * (2 * HEADER_BYTES),
    "one-name": HEADER + b"x" * (2 * HEADER_BYTES),
    "many": HEADER + b"x: y\r\n" * HEADER_BYTES,
    "target": b"GET /" + b"x" * (2 * HEADER_BYTES),
    "method": b"G" * (2 * HEADER_BYTES),
    "whole": HEADER + b"x: " + b"y" * (HEADER_BYTES + 1) + b"\r\n\r\n" + BODY,
    "whole-many": HEADER + b"x: y\r\n" * (HEADER_BYTES // 2) + b"\r\n" + BODY,
    "trailers": LINE + HOST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + b"x: y\r\n" * (1 << 20),
    "trailer": LINE + HOST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: " + b"y" * (2 << 20),
    "extension": LINE + HOST + b"transfer-encoding: chunked\r\n\r\n2;" + b"x" * (2 << 20),
}


@pytest.mark.parametrize("raw", BOMBS.values(), ids=BOMBS)
async def test_headers_have_a_limit(gateway: Running, engines: Trio, raw: bytes) -> None:
    """A header, a trailer or whatever else is no body is cut at its limit, wherever it stands."""
    async with Client(gateway.port) as client:
        client.send(raw)
        found = statuses(await client.until_closed())
    assert found in ([400], [431], [])  # a reset may overtake the status
    assert not engines.small.seen


async def test_a_header_behind_a_running_request_has_one_too(gateway: Running, engines: Trio) -> None:
    """While one request is answered, the next one's header cannot grow without end."""
    engines.small.then(silent)
    async with Client(gateway.port) as client:
        client.ask(CHAT, chat())
        exchange = await engines.small.arrival()
        client.send(HEADER + b"x: " + b"y" * (4 << 20))
        await client.until_closed()
        await exchange.left()
        assert exchange.gone.is_set()


async def test_requests_sent_ahead_are_answered_in_order(gateway: Running, engines: Trio) -> None:
    """A client may send its next requests before it has an answer; they are answered one by one, in order."""

    async def late(exchange: Exchange) -> None:
        await gateway.get("/healthz")
        exchange.stream(delta("first"), b"data: [DONE]\n\n")

    engines.small.then(late)
    async with Client(gateway.port) as client:
        client.ask(CHAT, chat(stream=True))
        for number in range(30):
            client.ask(CHAT, chat(model=f"nobody-{number}"))
        client.ask("/healthz", method="GET")
        assert b"first" in (await client.response()).body
        for number in range(30):
            response = await client.response()
            assert (response.status, f"nobody-{number}'" in response.error["message"]) == (404, True)
        assert (await client.response()).body == b"ok"


async def test_requests_ahead_are_held_back(gateway: Running, engines: Trio) -> None:
    """A client that sends requests ahead without end is not read without end."""
    engines.small.then(silent)
    async with Client(gateway.port) as client:
        client.ask(CHAT, chat())
        await engines.small.arrival()
        for _ in range(50):
            client.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 1000)
        await gateway.get("/healthz")
        ahead = [one.pipeline for one in gateway.server.server_state.connections if isinstance(one, Protocol)]
        assert 0 < max(map(len, ahead)) < 20_000


async def test_a_body_for_a_path_that_is_not_there(gateway: Running) -> None:
    """The answer comes before the body; the body is swallowed, and the connection goes on."""
    async with Client(gateway.port) as client:
        for _ in range(2):
            client.send(b"POST /v1/moderations HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
            response = await client.response()
            assert (response.status, response.error["code"]) == (404, "not_found")
            for _ in range(10):
                client.send(b" " * 100_000)
                await client.drained()
        client.ask(CHAT, chat())
        assert (await client.response()).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/docs", "/metrics", "/nothing", CHAT])
async def test_head(gateway: Running, path: str) -> None:
    """HEAD has a head and no body, and the connection goes on."""
    async with Client(gateway.port) as client:
        for _ in range(2):
            client.ask(path, method="HEAD")
            response = await client.head()
            assert response.status in {200, 404, 405}
        client.ask("/healthz", method="GET")
        assert (await client.response()).body == b"ok"


async def cut_after(client: Client) -> int:
    """The status with which a connection is cut."""
    (status,) = statuses(await client.until_closed())
    return status


@pytest.mark.parametrize("sent", [b"", b"GET", HEADER, HEADER + b"x: y"], ids=["nothing", "method", "lines", "half"])
async def test_a_header_that_does_not_come(engines: Trio, sent: bytes) -> None:
    """A header that is not there within ``client`` seconds is cut with 408."""
    async with Running(engines.fleet(deadlines={"client": 0.05})) as gateway, Client(gateway.port) as client:
        client.send(sent)
        assert await cut_after(client) == 408
        await gateway.alone()


async def test_a_header_that_trickles(engines: Trio) -> None:
    """A byte now and then does not extend the time."""
    async with Running(engines.fleet(deadlines={"client": 0.2})) as gateway, Client(gateway.port) as client:
        client.send(LINE)
        end = asyncio.create_task(client.until_closed())
        while not end.done():
            client.send(b"x: y\r\n")
            await asyncio.sleep(0.005)
        assert statuses(await end) in ([408], [])  # what is sent to a closed port resets it, and the answer may be lost
        await gateway.alone()


async def test_the_second_header_has_its_time_too(engines: Trio) -> None:
    """On a kept connection the next header's time begins with its first byte, and not before."""
    running = Running(engines.fleet(deadlines={"client": 0.1}))
    async with running as gateway, Client(gateway.port) as client, Client(gateway.port) as clock:
        client.ask(CHAT, chat())
        assert (await client.response()).status == 200
        assert await cut_after(clock) == 408
        client.ask(CHAT, chat())
        assert (await client.response()).status == 200
        client.send(LINE)
        assert await cut_after(client) == 408


async def test_an_idle_connection_stays(engines: Trio) -> None:
    """A body that came after its answer does not start a clock that cuts the idle connection."""
    running = Running(engines.fleet(deadlines={"client": 0.1}))
    async with running as gateway, Client(gateway.port) as client, Client(gateway.port) as clock:
        client.send(b"POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n")
        assert (await client.response()).status == 404
        client.send(b"hello")
        assert await cut_after(clock) == 408
        client.ask("/healthz", method="GET")
        assert (await client.response()).body == b"ok"


async def test_a_thousand_slow_clients(engines: Trio) -> None:
    """A thousand clients that never finish their header do not keep others from being answered, and are all cut."""
    async with Running(engines.fleet(deadlines={"client": 1.5})) as gateway:
        slow = [await Client(gateway.port).__aenter__() for _ in range(1000)]
        for client in slow:
            client.send(LINE + b"x: y")
        answers = await asyncio.gather(*(gateway.chat(stream=bool(number % 2)) for number in range(50)))
        assert {response.status for response in answers} == {200}
        assert {await cut_after(client) for client in slow} == {408}
        await gateway.alone()
        for client in slow:
            client.leave()


async def test_connections_have_a_limit(engines: Trio) -> None:
    """Over ``connections`` a new one is answered with 503; when one has gone there is room again."""
    async with Running(engines.fleet(limits={"connections": 3})) as gateway:
        async with Client(gateway.port) as one, Client(gateway.port) as two, Client(gateway.port) as three:
            for client in (one, two, three):
                client.ask("/healthz", method="GET")
                assert (await client.response()).status == 200
            async with Client(gateway.port) as four:
                assert await cut_after(four) == 503
        await gateway.alone()
        assert (await gateway.get("/healthz")).status == 200


async def test_a_half_closed_client_is_a_client_that_left(gateway: Running, engines: Trio) -> None:
    """FIN is all that TCP tells of a client that has gone; nothing is generated for it."""
    engines.small.then(silent)
    async with Client(gateway.port) as client:
        client.ask(CHAT, chat())
        exchange = await engines.small.arrival()
        client.half_close()
        await exchange.left()
        assert (await gateway.told())[0]["outcome"] == "gone"


async def test_noise_after_a_request_ends_it(gateway: Running, engines: Trio) -> None:
    """What is not HTTP behind a running request ends the connection, and the request with it."""
    engines.small.then(silent)
    async with Client(gateway.port) as client:
        client.ask(CHAT, chat())
        exchange = await engines.small.arrival()
        client.send(b"\x00\x01\x02 noise\r\n\r\n")
        await exchange.left()
        await client.until_closed()
        assert exchange.gone.is_set()
    await gateway.settled()
