"""One fleet from its start to its end: check, start in order, watch, take down.

Invariant: however :func:`run_fleet` ends, nothing of the fleet is left. The gateway is stateless and is started again
when it dies; when the engines die, the fleet goes down and says so, because whoever started it (a person, systemd,
Kubernetes) knows better than we whether loading the same weights again will end differently.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from threading import Event

from cluster.errors import StartError
from cluster.supervise import checks, down
from cluster.supervise.begun import Begun
from cluster.supervise.events import Tell
from cluster.supervise.plan import Plan
from cluster.supervise.state import Phase


async def run_fleet(plan: Plan, tell: Tell) -> None:
    """Run a fleet until SIGINT, SIGTERM or SIGHUP; a StartError or EnginesLostError comes with the fleet down.

    A second signal cuts the patience with answers under way short.
    """
    with plan.home.held():
        checks.check(plan)
        plan.home.clear_logs()
        stop, hurry = asyncio.Event(), Event()
        _on_signals(stop, hurry)
        begun = Begun(plan, plan.record(), tell)
        try:
            if await _unless(stop, _in_time(plan, begun.start())):
                await _unless(stop, begun.watch())
        finally:
            plan.home.write(begun.record.model_copy(update={"phase": Phase.STOPPING}))
            await asyncio.to_thread(down.take_down, plan.home, begun.record, hurry)


async def _in_time(plan: Plan, start: Coroutine[None, None, None]) -> None:
    try:
        async with asyncio.timeout(plan.timeout_s):
            await start
    except TimeoutError:
        msg = f"not ready after {plan.timeout_s:g} s; see the logs in {plan.home.logs}, or raise --timeout"
        raise StartError(msg) from None


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do ``work`` unless told to stop; whether it came to its end."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        working.result()
        return True
    working.cancel()
    await asyncio.wait({working})
    return False


def _on_signals(stop: asyncio.Event, hurry: Event) -> None:
    def received() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, received)
