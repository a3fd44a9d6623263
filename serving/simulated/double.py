"""The simulated engine as a test double: a context manager that serves it in this process, on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from serving.simulated.engine import Simulation
from serving.simulated.listen import HOST, Listener, listen


@contextmanager
def simulated_engine(simulation: Simulation | None = None, port: int = 0) -> Iterator[str]:
    """Serve an engine until the block is left; gives its base URL, without ``/v1``.

    ``port`` 0 takes any that is free. Raises OSError when it is taken, ValueError when the simulation's
    ``context_length`` does not fit into its KV cache.
    """
    loop = asyncio.new_event_loop()
    listener: Listener | None = None
    thread = threading.Thread(target=loop.run_forever, name="simulated engine", daemon=True)
    try:
        listener = loop.run_until_complete(listen({"": [simulation or Simulation()]}, port))
        thread.start()
        yield f"http://{HOST}:{listener.port}"
    finally:
        if listener is not None:
            asyncio.run_coroutine_threadsafe(listener.close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
        loop.close()
