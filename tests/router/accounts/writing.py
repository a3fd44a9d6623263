"""A gateway's ledger in a process of its own, to be killed: writes rows as fast as it can and prints whose are durable.

``python -m tests.router.accounts.writing URL SPOOL GATEWAY``; a line of request ids for each write that returned.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from router.accounts.facts import Used
from router.accounts.group import Entry
from router.accounts.ledger import Ledger
from router.accounts.store import Store
from tests.router.accounts.written import attempt

WRITERS = 20


async def main(url: str, spool: Path, gateway: str) -> None:
    """Write until killed, or until standard input ends; then end as a gateway does."""
    store = await Store.open(url, connections=2)
    ledger = Ledger(store, gateway, spool)
    run = asyncio.create_task(ledger.run())
    start = store.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    asked_to_end = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    async def write() -> None:
        while not asked_to_end.done():
            used = Used("messages_per_month", start, 1, 0)
            rows = [Entry(attempt(store.now()), (used,)), Entry(attempt(store.now(), outcome="retried"))]
            await ledger.write(rows)
            print(*(row.attempt.request_id for row in rows), flush=True)  # noqa: T201 - the line is the message

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    await ledger.close()
    await run
    await store.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
