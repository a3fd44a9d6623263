"""Where a target listens: addresses, what is said to them, and ports that nobody has."""

from __future__ import annotations

from pathlib import Path

import httptools
import pytest

from router.backends.errors import ConnectError
from router.backends.origin import Address, Origin
from tests.router.engine import Engine, soon

ADDRESSES: dict[str, tuple[str, Address, str]] = {
    "plain": ("http://gpu1:8000", Address("gpu1", 8000, "", tls=False), "gpu1:8000"),
    "default": ("http://gpu1", Address("gpu1", 80, "", tls=False), "gpu1"),
    "tls": ("https://gpu1/", Address("gpu1", 443, "", tls=True), "gpu1"),
    "prefix": ("http://gpu1:1/a/b/", Address("gpu1", 1, "/a/b", tls=False), "gpu1:1"),
    "ipv6": ("http://[::1]:8000", Address("::1", 8000, "", tls=False), "[::1]:8000"),
    "foreign-default": ("http://gpu1:443", Address("gpu1", 443, "", tls=False), "gpu1:443"),
}

KEEP_ALIVE = "02"
"""The kind of timer, as proc(5) numbers them."""


class Reader:
    """Collects the headers of a request."""

    def __init__(self) -> None:
        """None yet."""
        self.seen: dict[bytes, bytes] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep it."""
        self.seen[name] = value


@pytest.mark.parametrize(("url", "address", "host"), ADDRESSES.values(), ids=ADDRESSES)
def test_addresses(url: str, address: Address, host: str) -> None:
    """A base URL is split, and its host is written as HTTP wants it."""
    reader = Reader()
    httptools.HttpRequestParser(reader).feed_data(Origin(url, 1).head(b"POST", b"/v1/x", 0))
    assert Address.parse(url) == address
    assert reader.seen[b"host"] == host.encode()


@pytest.mark.parametrize("key", ["key", "key\n", " key\r\n"], ids=["clean", "newline", "blank"])
def test_a_key_from_a_file_ends_in_a_newline(key: str) -> None:
    """A key's blanks at either end are not part of it, and never end the header."""
    reader = Reader()
    httptools.HttpRequestParser(reader).feed_data(Origin("http://gpu1", 1, key).head(b"POST", b"/v1/x", 0))
    assert reader.seen[b"authorization"] == b"Bearer key"


@pytest.mark.anyio
async def test_nobody_listens() -> None:
    """A port that nobody has is an error of connecting, at once."""
    async with Engine() as engine:
        origin = Origin(engine.url, 5)
    with pytest.raises(ConnectError):
        await soon(origin.connection())


@pytest.mark.anyio
async def test_a_machine_that_vanishes_is_noticed() -> None:
    """The kernel's own clock runs while a connection is silent: it asks the other side's kernel."""
    async with Engine() as engine:
        connection = await soon(Origin(engine.url, 5).connection())
        timers = _timers(Address.parse(engine.url).port)
        connection.close()
    assert timers == [KEEP_ALIVE]


def _timers(port: int) -> list[str]:
    """Of connections to a port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[5].split(":")[0] for row in rows if int(row[2].split(":")[1], 16) == port]
