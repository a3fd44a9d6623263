"""The instruments of the speed benchmarks: a figure is worth no more than what measured it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from benchmarks.gateway import ratios
from benchmarks.lab import answers, open_loop, probes, processes, sides, streams
from benchmarks.lab.report import Target, publish
from router.wire.logprobs import tokens_of, without_logprobs


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sides.Side]:
    """The do-nothing engine as a process."""
    with sides.engine(tmp_path_factory.mktemp("engine")) as side:
        yield side


def test_the_engine_answers_whole_and_streamed(engine: sides.Side) -> None:
    """What every side must pass before it is measured, the engine passes itself."""
    sides.check(engine)


STREAM = b"".join(answers.events(answers.Question("burst", answers.CHUNKS, usage=False)))


@pytest.mark.parametrize(
    ("stream", "whole"),
    [
        pytest.param(STREAM, True, id="whole"),
        pytest.param(STREAM[:-20], False, id="without its end"),
        pytest.param(STREAM.replace(b'" token"', b'""', 1), False, id="a word short"),
    ],
)
def test_only_a_whole_stream_counts(stream: bytes, whole: bool) -> None:
    """A side that is fast because it loses something must not be measured."""
    assert sides.is_whole(stream) is whole


@pytest.mark.parametrize(("usage", "events"), [(False, 5), (True, 6)], ids=["plain", "with usage"])
def test_a_stream_has_the_length_that_was_asked_for(usage: bool, events: int) -> None:
    """``max_tokens`` chunks, the usage where it was asked for, and ``[DONE]``."""
    body = {"model": "burst", "stream": True, "max_tokens": 4, "stream_options": {"include_usage": usage}}
    found = answers.events(answers.question(json.dumps(body).encode()))
    assert len(found) == events
    assert [b'"usage":{' in event for event in found[-2:]] == [usage, False]


def test_paced_streams_are_read_to_their_ends(engine: sides.Side) -> None:
    """The reader sees every chunk of every stream, and the end."""
    body = engine.body(stream=True, model="paced", chunks=3)
    flow = asyncio.run(streams.read(engine.url + sides.CHAT, body, streams=20, chunks=3))
    assert flow.complete == 20


def test_a_stream_that_breaks_off_is_not_complete(engine: sides.Side) -> None:
    """The reader that waits for more chunks than come does not call the stream complete."""
    body = engine.body(stream=True, model="paced", chunks=3)
    flow = asyncio.run(streams.read(engine.url + sides.CHAT, body, streams=2, chunks=4))
    assert flow.complete == 0


def test_an_open_loop_waits_for_every_answer(engine: sides.Side) -> None:
    """Requests that came due are all sent and all answered, whatever the rate."""
    address, request = open_loop.request_bytes(engine.url + sides.CHAT, engine.body(stream=False))
    arrivals = open_loop.moments(2000, 0.1)
    assert open_loop.drive(address, request, arrivals).answers == len(arrivals)


def test_an_open_loop_refuses_errors(engine: sides.Side) -> None:
    """An error answered quickly is no low latency."""
    address, request = open_loop.request_bytes(engine.url + "/nothing", b"{}")
    with pytest.raises(RuntimeError, match="404"):
        open_loop.drive(address, request, [0.0])


def test_arrivals_are_poisson_and_repeatable() -> None:
    """The same moments each time, at the rate that was asked for, in order."""
    found = open_loop.moments(1000, 10)
    assert found == open_loop.moments(1000, 10)
    assert len(found) == pytest.approx(10_000, rel=0.05)
    assert all(early < late for early, late in itertools.pairwise(found))


def test_what_was_started_is_ended(tmp_path: Path) -> None:
    """Nothing of a side outlives its block."""
    with sides.engine(tmp_path) as side:
        process, port = side.process, urlsplit(side.url).port
    assert not process.is_running()
    assert not processes.answers(f"http://127.0.0.1:{port}/health")


def test_a_server_that_ends_early_is_reported(tmp_path: Path) -> None:
    """The error names the exit code and the log."""
    command = processes.module("benchmarks.lab.engine")
    with (
        pytest.raises(processes.BenchmarkError, match=r"exit code 2 .*engine\.log"),
        processes.running(command, ready="http://127.0.0.1:1/", log=tmp_path / "engine.log"),
    ):
        pass


def test_cpu_time_grows_with_work() -> None:
    """The probe sees what this process burns, user and system."""
    process = psutil.Process()
    before = probes.cpu_seconds([process])
    while probes.cpu_seconds([process]) < before + 0.05:
        sum(range(10_000))
    assert probes.cpu_seconds([process]) > before


@pytest.mark.parametrize(
    ("points", "slope"),
    [([], 0), ([(1, 5)], 0), ([(0, 1), (1, 3), (2, 5)], 2), ([(0, 1), (1, 1)], 0), ([(1, 1), (1, 9)], 0)],
    ids=["none", "one", "rising", "flat", "one above the other"],
)
def test_slope(points: list[tuple[float, float]], slope: float) -> None:
    """Least squares; no line where there is none."""
    assert probes.slope(points) == pytest.approx(slope)


def test_ratios_compare_with_the_peers_that_were_measured() -> None:
    """By the clock and by CPU time, for each peer with figures."""
    figures = {
        f"{side}_{kind}_{per}": value
        for side, value in (("gateway", 60.0), ("ray", 4.0))
        for kind in ("unary", "streams")
        for per in ("per_s", "per_core_s")
    }
    assert set(ratios(figures).values()) == {15.0}
    assert len(ratios(figures)) == 4


@pytest.mark.parametrize(
    ("value", "code", "missed"),
    [(31.0, 0, []), (29.0, 1, ["speed"]), (None, 1, ["speed"])],
    ids=["met", "missed", "absent"],
)
def test_the_verdict(tmp_path: Path, value: float | None, code: int, missed: list[str]) -> None:
    """A flat file with targets and misses; a figure that is not there is a miss; the exit code tells."""
    file = tmp_path / "results" / "x.json"
    figures = {} if value is None else {"speed": value}
    assert publish(figures, [Target("speed", ">=", 30)], {"machine_cores": 2}, file) == code
    assert json.loads(file.read_text()) == figures | {
        "machine_cores": 2,
        "targets": {"speed": ">= 30"},
        "missed": missed,
    }


@pytest.mark.parametrize("top", [0, 5])
def test_the_engine_gives_log_probabilities_where_it_is_asked(top: int) -> None:
    """One for each word, with as much company; without them, the stream is the usual one."""
    body = {"model": "burst", "stream": True, "logprobs": True, "top_logprobs": top}
    events = b"".join(answers.events(answers.question(json.dumps(body).encode())))
    tokens = tokens_of(events, answers.CHUNKS)
    assert [len(token.top) for token in tokens] == [top] * (answers.CHUNKS - 1)
    assert without_logprobs(events) == STREAM
