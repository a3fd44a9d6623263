"""What the agent remembers, tells and takes off, of GPUs that are made up; the replicas are real processes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest

from cluster.gpus.nvml import Nvml
from serving.gpus.agent import MODEL, Agent
from serving.gpus.metrics import page
from tests.cluster.gpus.fake import Script


@pytest.fixture
def nvml(gpus: Script) -> Iterator[Nvml]:
    """Two GPUs."""
    gpus.add("gpus 2")
    with Nvml() as session:
        yield session


@pytest.fixture
def replica() -> Iterator[psutil.Process]:
    """A process of a model, with a child that holds the GPU, as an engine core is."""
    held = subprocess.Popen(
        ["/bin/sh", "-c", "sleep 600 & wait"], env={**os.environ, MODEL: "llama"}, start_new_session=True
    )
    process = psutil.Process(held.pid)
    while not process.children():
        time.sleep(0.01)
    yield process
    os.killpg(held.pid, signal.SIGKILL)
    held.wait()


def core(replica: psutil.Process) -> int:
    """Who is on the GPU."""
    return replica.children()[0].pid


def told(agent: Agent) -> dict[str, float]:
    """The samples, without the prefix."""
    lines = page(agent).decode().splitlines()
    found = (line.removeprefix("freehold_gpu_").rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in found}


def test_a_fatal_xid_condemns_for_good(gpus: Script, nvml: Nvml, caplog: pytest.LogCaptureFixture) -> None:
    """Counted, logged once, and not forgotten when the next look sees nothing new."""
    agent = Agent(nvml)
    assert agent.report.bad == []
    gpus.add("event 1 79", "event 1 79", "event 0 13")
    for _ in range(2):
        agent.look()
    assert agent.report.bad == ["GPU 1 (GPU-1): Xid 79: it has fallen off the bus"]
    samples = told(agent)
    assert samples['xid_errors_total{gpu="1",xid="79"}'] == 2
    assert samples['condemned{cause="xid",gpu="1"}'] == 1
    assert samples['condemned{cause="xid",gpu="0"}'] == 0
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1


def test_what_is_unknown_has_no_sample(gpus: Script, nvml: Nvml) -> None:
    """A lost GPU is not one of 0 watts; nor has one without ECC no errors."""
    gpus.add("1.gone 15", "0.ecc.uncorrected !3")
    samples = told(Agent(nvml))
    assert samples['power_watts{gpu="0"}'] == 350
    assert (samples['up{gpu="0"}'], samples['up{gpu="1"}']) == (1, 0)
    assert 'power_watts{gpu="1"}' not in samples
    assert 'ecc_errors_total{gpu="0",kind="uncorrected"}' not in samples
    assert samples['condemned{cause="lost",gpu="1"}'] == 1


def test_memory_has_its_model(gpus: Script, nvml: Nvml, replica: psutil.Process) -> None:
    """By what the process carries; a stranger's is other's."""
    gpus.add(f"0.pid {core(replica)}", "1.pid 1")
    samples = told(Agent(nvml))
    assert samples['process_memory_bytes{gpu="0",model="llama"}'] == 18 << 30
    assert samples['process_memory_bytes{gpu="1",model="other"}'] == 18 << 30


@pytest.mark.parametrize("error", ["0.ecc.uncorrected 2", "0.gone 15", "event 0 79"], ids=["ECC", "lost", "Xid"])
def test_a_replica_is_taken_off(gpus: Script, nvml: Nvml, replica: psutil.Process, error: str) -> None:
    """The whole replica, by its oldest process; from a GPU that tells nothing any more by what it told last."""
    gpus.add(f"0.pid {core(replica)}")
    agent = Agent(nvml, drain=True)
    assert replica.is_running()
    gpus.add(error)
    agent.look()
    assert replica.wait(10) == -signal.SIGTERM


@pytest.mark.parametrize("drain", [False, True], ids=["not asked to", "no replica"])
def test_nothing_else_is_touched(gpus: Script, nvml: Nvml, replica: psutil.Process, *, drain: bool) -> None:
    """A replica without ``--drain``, or a process that is no replica of a fleet."""
    stranger = subprocess.Popen(["/bin/sh", "-c", "exec sleep 600"])
    gpus.add(f"0.pid {stranger.pid if drain else core(replica)}", "0.ecc.uncorrected 2")
    Agent(nvml, drain=drain).look()
    assert stranger.poll() is None
    assert replica.is_running()
    stranger.kill()
    stranger.wait()
