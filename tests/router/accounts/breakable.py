"""A database of its own for tests that stop, kill or freeze it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from cluster.supervise.postgres import Postgres
from router.accounts.migrations import migrate


class Breakable:
    """Runs within a ``with`` block, as long as nobody stops it."""

    def __init__(self, data: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
        """Nothing runs yet; ``data`` is a place of its own for the data, ``environment`` is added to the server's."""
        self._directory = tempfile.TemporaryDirectory(prefix="fh-pg-", ignore_cleanup_errors=True)
        self._environment = os.environ | (environment or {})
        root = Path(self._directory.name)
        self.postgres = Postgres(data or root / "postgres", root, root / "postgres.log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, the same after every start."""
        return self.postgres.url

    async def start(self) -> None:
        """Start it, the first time or again."""
        self._process = await asyncio.to_thread(self.postgres.start, self._environment)

    async def stop(self) -> None:
        """Stop it as an administrator would."""
        await asyncio.to_thread(self.postgres.stop)
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
        self._process = None

    async def kill(self) -> None:
        """``kill -9`` to all of it, as a power cut would."""
        self._send(signal.SIGKILL)
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
        self._process = None

    def freeze(self) -> None:
        """Have it neither answer nor hang up."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where it was."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        """To all of it; whoever of it ends meanwhile needs no signal."""
        first = self.postgres.process()
        for process in [first, *first.children(recursive=True)] if first else []:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    async def __aenter__(self) -> Self:
        """Start it, with all tables."""
        await self.start()
        await asyncio.to_thread(migrate, self.url)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Stop it and remove its files."""
        self.thaw()
        await self.stop()
        self._directory.cleanup()
