"""One token, now and then, of an engine that nobody asks: it may be dead behind a health page that is green.

Only engines that the fleet starts are asked, and only while no request tells of them anyway; one that may sleep
(``replicas.min: 0``) is left asleep. What
comes of it goes to the target's breaker, as from any request: a dead engine is known before the next caller is, and
one that is back is used again without a caller having to find out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, NoReturn

from cluster.spec import Capability
from router.backends.errors import UpstreamError
from router.backends.target import Target

PATIENCE_S = 10.0
"""A token takes milliseconds; an engine that others keep busy may take longer."""

_CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "."}], "max_tokens": 1}
_EMBED: dict[str, Any] = {"input": "."}


class Health:
    """Looks after the targets of one gateway worker."""

    def __init__(self, targets: Iterable[object], seconds: float) -> None:
        """A target is asked when it has answered nobody for so many ``seconds``."""
        self._seconds = seconds
        ours = [one for one in targets if isinstance(one, Target) and one.model.runs_here]
        self._targets = [one for one in ours if not one.model.may_sleep]

    async def run(self) -> NoReturn:
        """Look after them until cancelled."""
        while True:
            await asyncio.sleep(self._seconds)
            silent = time.monotonic() - self._seconds
            due = [target for target in self._targets if not target.slots.in_flight and target.answered_at < silent]
            await asyncio.gather(*map(probe, due))


async def probe(target: Target) -> None:
    """Ask for one token, or one embedding."""
    chats = Capability.CHAT in target.model.capabilities
    path, request = (b"/v1/chat/completions", _CHAT) if chats else (b"/v1/embeddings", _EMBED)
    try:
        async with asyncio.timeout(PATIENCE_S):
            connection, _ = await target.ask(path, dict(request), b"probe")
    except UpstreamError:
        return  # the breaker has counted it
    except TimeoutError:
        target.breaker.failed()
        return
    target.release(connection)
