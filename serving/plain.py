"""Simulated engines without Ray: those of a whole fleet in this process, ready in a second, for load tests and CI.

Behind the same addresses as with Ray, `/<model>/v1`, with `replicas.min` replicas a model; requests go to the
one that is least busy, as HAProxy sends them. Nothing scales, and the process has one core: some thousand streams.
"""

from __future__ import annotations

import asyncio
import signal
import time

import psutil
import uvloop

from cluster.errors import StartError
from cluster.spec import Engine, Fleet
from serving.engine import served
from serving.events import emit
from serving.simulated.fleet import simulation_of
from serving.simulated.listen import listen


def serve(fleet: Fleet, port: int) -> None:
    """Serve until the process is told to end; raises StartError where a model needs a real engine."""
    real = [name for name, model in served(fleet).items() if model.engine is not Engine.SIMULATED]
    if real:
        msg = f"without Ray only simulated models can run, and {', '.join(real)} are not; leave out --plain"
        raise StartError(msg)
    uvloop.run(_serve(fleet, port))


async def _serve(fleet: Fleet, port: int) -> None:
    begun = time.monotonic()
    models = served(fleet)
    simulations = {
        f"/{name}": [simulation_of(name, model, fleet.traffic.output_tokens)] * max(1, model.replicas.min)
        for name, model in models.items()
    }
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    listener = await listen(simulations, port)
    seconds = round(time.monotonic() - begun, 2)
    memory = psutil.Process().memory_info().rss // len(models)
    for name, model in models.items():
        emit("model_ready", model=name, seconds=seconds, replicas=max(1, model.replicas.min), memory_bytes=memory)
    emit("ready", seconds=seconds)
    await stop.wait()
    await listener.close()
