"""Keeps a replica of Ray Serve to this machine: it opens a port for calls between deployments, on all interfaces.

Serve has no setting for that port's address. Its HAProxy is :mod:`serving.proxy`'s.
"""

from __future__ import annotations

import os
from typing import Any

from ray.serve._private import replica

from serving.environment import RUN
from serving.proxy import HOST

_ANYWHERE = "[::]:0"


def listen_on_loopback() -> None:
    """From now on this process opens that port on 127.0.0.1; to be called before the replica has an application.

    In a pod nothing changes: there the replicas of one model are on several machines, and network policies keep others
    out.
    """
    if RUN not in os.environ:
        return
    listen = replica.add_port_to_grpc_server

    def on_loopback(server: Any, address: str) -> int:  # noqa: ANN401 - gRPC's
        return int(listen(server, f"{HOST}:0" if address == _ANYWHERE else address))

    replica.add_port_to_grpc_server = on_loopback
