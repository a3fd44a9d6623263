"""Simulated engines on a TCP port of this machine, until they are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from serving.simulated.api import Api
from serving.simulated.clock import RealClock
from serving.simulated.connection import Connection
from serving.simulated.engine import Engine, Simulation

HOST = "127.0.0.1"
"""Engines know no keys, so only the gateway may reach them."""


class Listener:
    """An open port and the connections to it."""

    def __init__(self, server: asyncio.Server, connections: set[Connection]) -> None:
        """Made by :func:`listen`."""
        self._server, self._connections = server, connections

    @property
    def port(self) -> int:
        """The port's number."""
        return int(self._server.sockets[0].getsockname()[1])

    async def drain(self, seconds: float) -> None:
        """Take nothing new, and close when what is under way has ended, at the latest after so many seconds."""
        self._server.close()
        open_still = list(self._connections)
        for connection in open_still:
            connection.finish()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(connection.lost.wait() for connection in open_still))
        except TimeoutError:
            await self.close()

    async def close(self) -> None:
        """Close the port and cut what is open; a stream that is cut looks cut to its client."""
        self._server.close()
        cut = list(self._connections)
        for connection in cut:
            connection.cut()
        await asyncio.gather(*(connection.lost.wait() for connection in cut))


async def listen(models: Mapping[str, Sequence[Simulation]], port: int, host: str = HOST) -> Listener:
    """Serve the replicas of models, each list below its prefix; port 0 takes any. Raises OSError and ValueError."""
    engines = {
        prefix: [Engine(simulation, RealClock(simulation.speed), number) for number, simulation in enumerate(replicas)]
        for prefix, replicas in models.items()
    }
    api, connections = Api(engines), set[Connection]()
    make = asyncio.get_running_loop().create_server
    return Listener(await make(lambda: Connection(api, connections), host, port, backlog=4096), connections)
