"""Ports for tests that run beside each other: nobody gets one that another test counts on, free or not."""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 20_000, 32_000
"""Below where kernels look for a port that nobody asked for."""


def free_port() -> int:
    """A port that nobody listens on, and that only who asks for it by its number will get."""
    while True:
        port = random.SystemRandom().randint(_FIRST, _LAST)
        try:
            _bound(port).close()
        except OSError:  # taken; another one
            continue
        return port


class Reserved:
    """A port at which connections are refused, until it is given back: nobody else's server comes to be there."""

    def __init__(self, port: int) -> None:
        """Take the port of a server that has just stopped."""
        self._socket = _bound(port)

    def give_back(self) -> None:
        """Somebody may listen there again."""
        self._socket.close()


def _bound(port: int) -> socket.socket:
    """A socket that has the port and does not listen."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(("127.0.0.1", port))
    except OSError:
        found.close()
        raise
    return found
