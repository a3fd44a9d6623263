"""The one open port: where it listens, how long it waits, how much it accepts."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from cluster.spec.base import Noun

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Deadlines(Noun):
    """How long the gateway waits for an engine, in seconds. Each one ends in a clear error, never in silence."""

    connect: Seconds = 2
    """Until the engine's TCP connection stands."""
    first_token: Seconds = 120
    """From sending the request until the first byte of the answer's body; covers the engine's queue and prefill."""
    between_tokens: Seconds = 60
    """Between two pieces of a streamed answer."""
    total: Seconds = 1800
    """The whole answer."""
    client: Seconds = 10
    """Until a client has sent its header, and again for its body; so long, too, may it take nothing of its answer."""
    drain: Seconds = 120
    """After SIGTERM, until answers under way are cut."""


class Limits(Noun):
    """What a request may ask for. Beyond it the caller gets a 4xx that names the field, before any engine sees it."""

    body_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 10 << 20
    """Size of a request's body."""
    depth: Annotated[int, Field(ge=8, le=250)] = 100
    """Nesting of the body's JSON; what writes it anew for the engine stops a little beyond 250."""
    choices: Annotated[int, Field(ge=1, le=128)] = 8
    """``n``: answers to one request."""
    in_flight: Annotated[int, Field(ge=1, le=1_000_000)] = 2048
    """Requests that one gateway worker has under way at the engines of one model."""
    queue: Annotated[int, Field(ge=0, le=1_000_000)] = 512
    """Requests that may wait for such a slot; the next one gets 429 with ``Retry-After``. 0 turns the queue off."""
    queue_seconds: Seconds = 30
    """How long one may wait for a slot before it gets 429."""
    connections: Annotated[int, Field(ge=1, le=1_000_000)] = 8192
    """Client connections that one worker holds open."""
    reuse_seconds: Seconds = 30
    """How long a connection to an engine serves further requests. Then a new one is opened, so that a replica that was
    added behind an address gets its share, and one that is leaving is asked by nobody when it goes."""


class Gateway(Noun):
    """The router's process and its port."""

    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` opens the gateway, and only it, to the network."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 8080
    """The one port that the fleet opens."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that share the port; one serves thousands of requests a second, see benchmarks/gateway.py."""
    probe_seconds: Annotated[float, Field(ge=0, le=3600)] = 15
    """An engine of the fleet that has answered nobody for so long is asked for one token, to know that it would.
    0 turns it off."""
    deadlines: Deadlines = Deadlines()
    limits: Limits = Limits()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the port."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")

    def is_at(self, url: str) -> bool:
        """Whether an address is this port, as far as the file can tell."""
        parts = urlsplit(url)
        here = {self.host, *(("localhost", "127.0.0.1", "::1") if self.is_loopback or self.host == _EVERYWHERE else ())}
        return parts.hostname in here and (parts.port or _PORTS.get(parts.scheme)) == self.port


_EVERYWHERE = "0.0.0.0"  # noqa: S104 - compared with, not listened on
_PORTS = {"http": 80, "https": 443}
