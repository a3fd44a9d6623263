"""The ledger: whoever has used something waits here until its row is durable, and then ends its answer.

Rows are committed in groups, one group at a time, the next gathering meanwhile. Invariant: :meth:`Ledger.write` returns
only when its rows are in the database or, while that is away, synced to the local disk, whence they are replayed until
the database has them; a row counts once however often it is sent (:mod:`router.accounts.group`), so a commit of which
nothing is known is simply repeated. When neither takes them, the caller's request has to fail.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from router.accounts.errors import SpoolError, StoreUnavailableError
from router.accounts.facts import Backlog
from router.accounts.group import CHARGE, Entry, encode, halves, values
from router.accounts.line import BadValueError, Line
from router.accounts.spool import Spool, SpoolFile
from router.accounts.store import Store

GATHER_S = 0.003
"""Groups begin at least so far apart: what gathers meanwhile shares a commit. A row that comes alone does not wait."""
FEW_ROWS = 8
"""After a group of fewer rows the next one begins at once: there is time for more commits, and less to wait for."""
GROUP_ROWS = 1000
COMMIT_S = 2.0
"""A commit that takes longer has failed; its rows go to the disk."""
AGAIN_S = 1.0
"""Between two looks at what waits on the disk, of this gateway and of dead ones."""

_Waiting = tuple[Sequence[Entry], asyncio.Future[None]]
_log = logging.getLogger(__name__)


class Ledger:
    """One gateway's way into the ledger."""

    def __init__(self, store: Store, gateway: str, spool: Path) -> None:
        """``spool`` is a directory that survives a restart and is shared by the gateways of this machine."""
        self._gateway, self._directory = gateway, spool
        self._line, self._again = store.line(CHARGE), store.line(CHARGE)
        self._spool = Spool(spool, gateway)
        self._disk = asyncio.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._some = asyncio.Event()
        self._look = asyncio.Event()
        self._away = False
        self._behind: float | None = None
        """Since when the database lacks a row, on the loop's clock."""
        self._kept_nowhere: list[bytes] = []
        self._closing = self._ended = False
        store.on_change(_nothing, self._look.set)

    @property
    def able(self) -> bool:
        """Whether there is any place for rows; without one, no new request may be admitted."""
        return not self._kept_nowhere

    def backlog(self) -> Backlog:
        """What the database does not have yet."""
        lag = 0.0 if self._behind is None else asyncio.get_running_loop().time() - self._behind
        return Backlog(lag, self._spool.waiting_bytes())

    async def write(self, entries: Sequence[Entry]) -> None:
        """Return when the entries are durable.

        Raises:
            SpoolError: neither the database nor the disk takes them; they are kept in memory and tried again, but the
                answer must not end as if it were complete.

        """
        if self._ended:
            msg = "the ledger is closed"
            raise SpoolError(msg)
        if entries:
            kept = asyncio.get_running_loop().create_future()
            self._waiting.append((entries, kept))
            self._some.set()
            await kept

    async def run(self) -> None:
        """Commit and replay until :meth:`close`."""
        try:
            async with asyncio.TaskGroup() as tasks:
                again = tasks.create_task(self._look_again())
                await self._commit_groups()
                again.cancel()
        finally:
            self._end()
            await self._line.close()
            await self._again.close()

    async def close(self) -> None:
        """Have :meth:`run` end once everything that waits is durable; to be called when nobody writes any more."""
        self._closing = True
        self._some.set()

    def _end(self) -> None:
        """However running ended, nobody may wait for it any more."""
        self._ended = True
        self._spool.close()
        for _, kept in self._waiting:
            if not kept.done():
                kept.set_exception(SpoolError("the ledger has ended"))

    # -- groups -----------------------------------------------------------------------------------------------------

    async def _commit_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting or not self._closing:
            if not self._waiting:
                self._some.clear()
                await self._some.wait()
                continue
            began = loop.time()
            group = self._next_group()
            await self._commit_group(group)
            pause = began + GATHER_S - loop.time()
            if pause > 0 and len(group) >= FEW_ROWS:
                await asyncio.sleep(pause)

    def _next_group(self) -> list[_Waiting]:
        group, rows = [], 0
        while self._waiting and rows < GROUP_ROWS:
            group.append(self._waiting.popleft())
            rows += len(group[-1][0])
        return group

    async def _commit_group(self, group: list[_Waiting]) -> None:
        """Keep it and tell those that wait."""
        error: SpoolError | None = None
        try:
            await self._keep(encode(entry for entries, _ in group for entry in entries))
        except SpoolError as exc:
            error = exc
        for _, kept in group:
            if not kept.done():
                kept.set_exception(error) if error else kept.set_result(None)

    async def _keep(self, group: bytes) -> None:
        if not self._away:
            try:
                await self._charge(self._line, self._gateway, group)
            except StoreUnavailableError as exc:
                _log.warning("ledger rows go to %s: %s", self._directory, exc)
                self._away = True
            else:
                return
        if self._behind is None:
            self._behind = asyncio.get_running_loop().time()
        try:
            await self._append(group)
        except SpoolError as exc:
            if self.able:
                _log.error("ledger rows are in memory alone, and no request is taken: %s", exc)
            self._kept_nowhere.append(group)
            raise

    async def _append(self, group: bytes) -> None:
        async with self._disk:
            await asyncio.to_thread(self._spool.append, group)

    async def _charge(self, line: Line, gateway: str, group: bytes) -> None:
        """Send a group; StoreUnavailableError when it is not known to be durable."""
        if await _refused(line, gateway, group) and await _refused(line, gateway, group):
            await self._charge_the_good(line, gateway, group)

    async def _charge_the_good(self, line: Line, gateway: str, group: bytes) -> None:
        """Find the row that no database would take, and put it aside for people."""
        parts = halves(group)
        if len(parts) > 1:
            for part in parts:
                await self._charge(line, gateway, part)
        else:
            await asyncio.to_thread(_put_aside, self._directory / "refused.jsonl", group)

    # -- replay -----------------------------------------------------------------------------------------------------

    async def _look_again(self) -> None:
        while True:
            await self._replay()
            self._look.clear()
            try:
                async with asyncio.timeout(AGAIN_S):
                    await self._look.wait()
            except TimeoutError:
                continue

    async def _replay(self) -> None:
        """Send what waits on the disk and in memory, as far as the database takes it."""
        began = asyncio.get_running_loop().time()
        try:
            await self._charge_kept_nowhere()
            async with self._disk:
                self._spool.rotate()
            for file in self._spool.files():
                await self._replay_file(file)
            self._away = False
            self._behind = None if self._spool.empty and self.able else began
        except StoreUnavailableError:
            await self._find_room()
        except OSError as exc:
            _log.warning("cannot read ledger rows from %s: %s", self._directory, exc.strerror)

    async def _replay_file(self, file: SpoolFile) -> None:
        records, whole = await asyncio.to_thread(file.records)
        for record in records:
            await self._charge(self._again, file.gateway, record)
            self._away = False
        file.remove(whole=whole)
        _log.info("%d groups of ledger rows came back from %s", len(records), file.path)

    async def _charge_kept_nowhere(self) -> None:
        while self._kept_nowhere:
            await self._charge(self._again, self._gateway, self._kept_nowhere[0])
            self._kept_nowhere.pop(0)

    async def _find_room(self) -> None:
        """The database is away: the disk may have room again for what only memory holds."""
        while self._kept_nowhere:
            try:
                await self._append(self._kept_nowhere[0])
            except SpoolError:
                return
            self._kept_nowhere.pop(0)


async def _refused(line: Line, gateway: str, group: bytes) -> bool:
    """Send a group; whether the database blames its values, which it may also do while a partition is made."""
    try:
        await line.send(values(group, gateway), COMMIT_S)
    except BadValueError:
        return True
    return False


def _put_aside(path: Path, row: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with path.open("ab") as file:
            file.write(row + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        msg = f"the database refuses a ledger row and {path} does not take it: {exc.strerror}"
        raise StoreUnavailableError(msg) from exc
    _log.error("the database refuses a ledger row; it is in %s", path)


def _nothing() -> None:
    """Losing the database is noticed by the next group."""
