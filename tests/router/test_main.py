"""``python -m router`` as a process of its own: it starts, answers, adds up, drains and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cluster.ports import free_port
from router.__main__ import main
from tests.router.client import Client, Response, fetch
from tests.router.engine import DONE, Exchange, Play, delta, soon, until
from tests.router.gateway import Trio, chat

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


class Process:
    """The gateway as its own process."""

    def __init__(self, child: asyncio.subprocess.Process, port: int, temporary: Path) -> None:
        """Started by :func:`started`."""
        self.child, self.port, self.temporary = child, port, temporary
        self.log = b""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.child.stderr is not None
        while data := await self.child.stderr.read(1 << 16):
            self.log += data

    async def ready(self) -> None:
        """Wait until it answers."""

        async def answers() -> bool:
            try:
                return (await fetch(self.port, "/healthz", method="GET")).status == 200
            except (ConnectionError, asyncio.IncompleteReadError):
                return False

        await until(answers)

    async def chat(self, **fields: object) -> Response:
        """A short conversation."""
        return await fetch(self.port, "/v1/chat/completions", {**chat(), **fields})

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples with this name and these labels."""
        text = (await fetch(self.port, "/metrics", method="GET")).body.decode()
        return sum(
            one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
            if one.name == name and labels.items() <= one.labels.items()
        )

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        if self.child.returncode is None:
            self.child.send_signal(number)
        code = await soon(self.child.wait())
        await soon(self._reading)
        return code

    def workers(self) -> list[psutil.Process]:
        """The workers that run."""
        children = self.family()[1:]
        return [one for one in children if one.status() != psutil.STATUS_ZOMBIE and "spawn_main" in str(one.cmdline())]

    def family(self) -> list[psutil.Process]:
        """The process and its children."""
        parent = psutil.Process(self.child.pid)
        return [parent, *parent.children(recursive=True)]


def fleet_file(folder: Path, engines: Trio, **gateway: Any) -> Path:  # noqa: ANN401 - as in a fleet file
    """A fleet file in front of the engines; JSON is YAML."""
    fleet = engines.fleet(**gateway).model_dump(mode="json", exclude_defaults=True)
    file = folder / "fleet.yaml"
    file.write_text(json.dumps(fleet))
    return file


@asynccontextmanager
async def started(folder: Path, engines: Trio, **gateway: Any) -> AsyncIterator[Process]:  # noqa: ANN401
    """The process, ended whatever happens."""
    port, temporary = free_port(), folder / "tmp"
    temporary.mkdir()
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "router", "--fleet", str(fleet_file(folder, engines, **gateway)), "--port", str(port)),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.PIPE,
    )
    process = Process(child, port, temporary)
    try:
        await process.ready()
        yield process
    finally:
        await process.end()


def held(go: asyncio.Event) -> Play:
    """A stream that begins, and ends when it may."""

    async def play(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(delta("x"))
        await go.wait()
        exchange.piece(DONE)
        exchange.end()

    return play


async def gone(family: list[psutil.Process]) -> bool:
    """Whether none of them runs; Python's own tracker of resources ends a moment after its parent."""
    return not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


async def drained(process: Process, engines: Trio, number: int) -> None:
    """Streams that run when the signal comes are answered to their end; then the port is closed, nothing is left."""
    go, family = asyncio.Event(), process.family()
    engines.small.then(*[held(go)] * 10)
    before = len(engines.small.seen)
    answers = [asyncio.create_task(process.chat(model="s", stream=True)) for _ in range(10)]

    async def under_way() -> bool:
        return len(engines.small.seen) == before + 10

    async def closed() -> bool:
        try:
            async with Client(process.port):
                return False
        except ConnectionError:
            return True

    await until(under_way)
    process.child.send_signal(number)
    await until(closed)
    go.set()
    for answer in answers:
        response = await soon(answer)
        assert (response.status, response.whole) == (200, True)
    assert await process.end(number) == 0
    await until(lambda: gone(family))
    assert list(process.temporary.iterdir()) == []
    assert all(json.loads(line)["event"] for line in process.log.splitlines())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
async def test_one_worker(tmp_path: Path, engines: Trio, number: int) -> None:
    """It answers, and ends with 0 on a signal, without losing a request or leaving anything behind."""
    async with started(tmp_path, engines) as process:
        assert (await process.chat()).status == 200
        await drained(process, engines, number)
        assert process.log.count(b'"event":"request"') == 11


async def test_two_workers(tmp_path: Path, engines: Trio) -> None:
    """Two workers are as one: metrics add up, one that dies is replaced, and SIGTERM ends both in good order."""
    async with started(tmp_path, engines, workers=2) as process:
        answers = await asyncio.gather(*(process.chat() for _ in range(40)))
        assert {response.status for response in answers} == {200}
        await adds_up(process)
        await under_way_is_seen(process, engines)
        await replaced(process, engines)
        await drained(process, engines, signal.SIGTERM)


async def adds_up(process: Process) -> None:
    """Whichever worker answers, it tells of both; a target is up once, however many see it."""
    for _ in range(6):
        assert await process.metric("freehold_requests_total", status="200") == 40
        assert await process.metric("freehold_prompt_tokens_total") == 7 * 40
        assert await process.metric("freehold_target_up", model="s") == 1
    await until(lambda: seen(process, 40))


async def seen(process: Process, answers: int) -> bool:
    """Whether the page tells of all workers, whichever gives it."""
    looks = [await fetch(process.port, "/admin/overview", method="GET", host="localhost") for _ in range(6)]
    return {row["answers"] for look in looks for row in look.json["split"]["live"]} == {answers}


async def under_way_is_seen(process: Process, engines: Trio) -> None:
    """What is under way in one worker is seen by asking the other, and no longer once it has ended."""
    go = asyncio.Event()
    engines.small.then(*[held(go)] * 12)
    answers = [asyncio.create_task(process.chat(model="s", stream=True)) for _ in range(12)]
    await until(lambda: steady(process, 12))
    go.set()
    assert {(await soon(answer)).status for answer in answers} == {200}
    await until(lambda: steady(process, 0))


async def steady(process: Process, count: int) -> bool:
    """Whether asking several times, and so both workers, gives the same count under way."""
    return {await process.metric("freehold_in_flight", model="s") for _ in range(6)} == {count}


async def replaced(process: Process, engines: Trio) -> None:
    """A worker that is killed is started anew, and what it had under way is not counted for ever."""
    go = asyncio.Event()
    engines.small.then(*[held(go)] * 12)
    answers = [asyncio.create_task(process.chat(model="s", stream=True)) for _ in range(12)]
    await until(lambda: steady(process, 12))
    first = process.workers()
    assert len(first) == 2
    first[0].kill()

    async def again() -> bool:
        found = process.workers()
        return len(found) == 2 and first[0] not in found

    await until(again)
    go.set()
    await asyncio.gather(*answers, return_exceptions=True)
    await until(lambda: steady(process, 0))
    assert (await process.chat()).status == 200


def test_a_fleet_file_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong fleet file is told with file and field, and the exit code is 2."""
    file = tmp_path / "fleet.yaml"
    file.write_text("name: x\nmodels: {}\nnonsense: 1\n")
    assert main(["--fleet", str(file)]) == 2
    assert "nonsense" in capsys.readouterr().err


async def test_a_hosted_model_without_its_key(tmp_path: Path) -> None:
    """It is told in one line, and the exit code is that of a start that failed."""
    file = tmp_path / "fleet.yaml"
    file.write_text(
        "name: x\nmodels: {c: {engine: claude, api_key_env: FREEHOLD_NO_SUCH_KEY, price: {prompt: 1, completion: 1}}}\n"
        "spillover: {open_usd_per_day: 1}\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "router", "--fleet", str(file), "--port", "1"),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await soon(child.communicate())
    assert (child.returncode, len(told.decode().strip().splitlines())) == (3, 1)
    assert b"FREEHOLD_NO_SUCH_KEY holds no key" in told


async def test_a_port_that_is_taken(tmp_path: Path, engines: Trio) -> None:
    """A port that somebody has is told without a traceback, and is no success."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        file, port = fleet_file(tmp_path, engines), str(taken.getsockname()[1])
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "router", "--fleet", str(file), "--port", port),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=asyncio.subprocess.PIPE,
        )
        _, words = await soon(child.communicate())
    assert child.returncode
    assert b"Traceback" not in words
    assert b"in use" in words
