"""What the generator itself could carry: a thousand streams of an engine that does nothing, read as in a run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import orjson

from cluster.errors import UnreachableError
from loadtests.answer import Answer, read_answer
from loadtests.facts import Ceiling, Outcome
from loadtests.wire import Connection, Origin

STREAMS: Final = 1000
_TOKENS: Final = 60
"""Three seconds at 20 a second."""
_RAMP_S: Final = 0.002
_SILENCE_S: Final = 30.0


@contextmanager
def nothing() -> Iterator[str]:
    """The address of an engine that does nothing, in a process of its own."""
    command = [sys.executable, "-m", "loadtests.nothing"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        port = process.stdout.readline().strip()
        if not port:
            msg = "the engine that does nothing did not start; is there memory left?"
            raise UnreachableError(msg)
        try:
            yield f"http://127.0.0.1:{int(port)}"
        finally:
            process.stdin.close()


def measure(gather: Callable[[list[Callable[[], Answer]]], list[Answer]], streams: int = STREAMS) -> Ceiling:
    """Hold so many streams; ``gather`` runs all of them at once and returns their answers.

    Connecting and starting count as well, so the figure errs downwards.
    """
    with nothing() as url:
        origin = Origin.of(url)
        body = orjson.dumps({"model": "nothing", "messages": [], "max_tokens": _TOKENS, "stream": True})
        request = origin.request("/v1/chat/completions", body, {})

        def read(number: int) -> Answer:
            time.sleep(number * _RAMP_S)
            connection = Connection(origin, _SILENCE_S)
            connection.send(request)
            answer = read_answer(connection, time.monotonic)
            connection.close()
            return answer

        began, cpu = time.monotonic(), time.process_time()
        answers = gather([lambda number=number: read(number) for number in range(streams)])  # type: ignore[misc]
        elapsed, cpu = time.monotonic() - began, time.process_time() - cpu
    chunks = sum(answer.output_tokens for answer in answers)
    whole = sum(answer.outcome is Outcome.COMPLETE for answer in answers)
    return Ceiling(streams, chunks / elapsed, cpu / elapsed, whole / streams)
