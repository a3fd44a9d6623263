"""Ports of servers that have stopped: nobody else's server comes to be there while a test asks in vain."""

from __future__ import annotations

import socket


class Reserved:
    """A port at which connections are refused, until it is given back."""

    def __init__(self, port: int) -> None:
        """Take the port of a server that has just stopped."""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))  # and nobody listens

    def give_back(self) -> None:
        """Somebody may listen there again."""
        self._socket.close()
