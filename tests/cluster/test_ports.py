"""Ports that stay free until they are asked for."""

from __future__ import annotations

import socket
from pathlib import Path

from cluster.ports import free_ports


def test_they_differ_and_are_free() -> None:
    """Asked for together, none is the same, and each can be listened on."""
    found = free_ports(20)
    assert len(set(found)) == 20
    for port in found:
        socket.create_server(("127.0.0.1", port)).close()


def test_no_connection_gets_one_by_chance() -> None:
    """They are below where this kernel takes ports for connections that go out."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(free_ports(50)) < lowest
