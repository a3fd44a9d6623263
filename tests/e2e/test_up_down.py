"""A fleet's life through the real command: what it says of itself, how it fails, and that nothing is left of it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pytest

from cluster.supervise.processes import module_of, of_run
from cluster.supervise.state import Home
from tests.e2e.fleet import FREEHOLD, Fleet, Traces, environment, freehold

ONE_MODEL = """
name: one
models:
  only:
    source: {source}
    context_length: 512
    engine_args: {{ enforce_eager: true, dtype: bfloat16, max_num_seqs: 4 }}
tiers:
  small: [only]
"""


def test_up_prints_steps_models_and_a_curl(fleet: Fleet) -> None:
    """Every step has its time, every model its row, and the curl works when pasted."""
    for part in ("weights", "ray", "serve", "tiny-small", "tiny-large", "minilm", "gateway"):
        assert f"  {part:<24} ready in" in fleet.started
    assert "gibberish" in fleet.started
    [line] = [line for line in fleet.started.splitlines() if line.startswith("curl ")]
    pasted = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True, timeout=60)
    assert json.loads(pasted.stdout)["choices"][0]["message"]["content"]


def _status(fleet: Fleet) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fleet.command("status", "--json").stdout)
    return found


def test_status_tells_what_runs(fleet: Fleet) -> None:
    """Models with tier, replicas and memory; ready, and watched over."""
    told = _status(fleet)
    for _ in range(60):  # other tests kill replicas, which take a while to come back
        told = told if told["ready"] else _status(fleet)
    assert (told["ready"], told["supervised"]) == (True, True)
    models = {model["name"]: model for model in told["models"]}
    assert {name: model["tier"] for name, model in models.items()} == {
        "tiny-small": "small",
        "tiny-large": "large",
        "minilm": "embedding",
    }
    assert all(model["replicas"] >= 1 and model["memory_bytes"] > 100 << 20 for model in models.values())


@pytest.mark.parametrize("name", ["tiny-small", "tiny-large", "minilm", "gateway", "serving"])
def test_logs_are_there(fleet: Fleet, name: str) -> None:
    """Each part of the fleet has a log that says something."""
    ran = fleet.command("logs", name, "-n", "5")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_chat_streams_and_measures(fleet: Fleet) -> None:
    """The answer, then who gave it, its TTFT and its speed."""
    ran = fleet.command("chat", "Hello there", "--max-tokens", "12")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()
    assert "tiny-small (small: " in ran.stderr
    assert re.search(r" · TTFT \d+ ms · \d+ tokens?( · \d+ tokens/s)?\n", ran.stderr)


def test_route_explains_without_generating(fleet: Fleet) -> None:
    """The decision is printed, with its reason."""
    told = json.loads(fleet.command("route", "--json", "word " * 600).stdout)
    assert (told["model"], told["tier"]) == ("tiny-large", "large")
    assert told["reason"]


def test_everything_listens_on_loopback(fleet: Fleet) -> None:
    """Engines know no keys, so every port of theirs is on 127.0.0.1; so is the gateway's, until the file opens it."""
    listening = [
        ip_address(connection.laddr.ip)
        for process in of_run(fleet.run)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert [ip for ip in listening if not (getattr(ip, "ipv4_mapped", None) or ip).is_loopback] == []


def test_a_taken_port_is_said_at_once(fleet: Fleet, home: Path) -> None:
    """A second fleet on the first one's port ends before anything has started."""
    port = fleet.url.rpartition(":")[2]
    up = freehold(home, "up", "--fleet", "fleets/demo.yaml", "--port", port)
    assert up.returncode == 3
    assert up.stderr.startswith(f"freehold: port {port} is in use by ")
    assert not (home / "run" / "fleet.json").exists()


def test_too_little_memory_is_said_at_once(home: Path, port: int, tmp_path: Path) -> None:
    """More replicas than any machine holds are refused with both figures."""
    file = tmp_path / "fleet.yaml"
    model = ONE_MODEL.format(source="builtin:tiny-small")
    file.write_text(model.replace("    context_length", "    replicas: {min: 1000, max: 1000}\n    context_length"))
    up = freehold(home, "up", "--fleet", str(file), "--port", str(port))
    assert up.returncode == 3
    assert "GiB are available" in up.stderr


def test_an_engine_that_cannot_load_ends_the_start(fleet: Fleet, home: Path, port: int, tmp_path: Path) -> None:
    """One line names the model, the cause and the log; nothing is left, and the other fleet goes on."""
    broken = tmp_path / "no-model"
    broken.mkdir()
    (broken / "config.json").write_text('{"architectures": ["NoSuchModel"], "model_type": "none"}')
    file = tmp_path / "fleet.yaml"
    file.write_text(ONE_MODEL.format(source=broken))
    up = freehold(home, "up", "--fleet", str(file), "--port", str(port))
    assert up.returncode == 3
    [line] = up.stderr.splitlines()
    assert line.startswith("freehold: model 'only' did not start: ")
    log = Path(line.rpartition("(log: ")[2].rstrip(")"))
    assert log.is_file()
    assert freehold(home, "status").returncode == 3
    assert fleet.command("status").returncode == 0


@contextmanager
def begun(home: Path, port: int, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A fleet of one model in the foreground."""
    file = tmp_path / "fleet.yaml"
    file.write_text(ONE_MODEL.format(source="builtin:tiny-small"))
    command = [FREEHOLD, "up", "--fleet", str(file), "--port", str(port)]
    with subprocess.Popen(
        command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What it prints up to the line with ``words``."""
    assert process.stdout is not None
    said = ""
    while words not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    return said


def serving_of(run: str) -> psutil.Process:
    """The process that ``python -m serving`` is."""
    [process] = [process for process in of_run(run) if module_of(process) == "serving"]
    return process


def test_engines_killed_while_starting_end_the_start(home: Path, port: int, tmp_path: Path) -> None:
    """``kill -9`` of ``python -m serving`` is reported, and its orphans are ended."""
    with begun(home, port, tmp_path) as up:
        read_until(up, "  ray ")
        record = Home(home).read()
        traces = Traces.of(record)
        serving_of(record.run).send_signal(signal.SIGKILL)
        said, _ = up.communicate(timeout=120)
    assert up.returncode == 3
    assert "the engines ended with exit code -9 while starting" in said
    assert traces.left() == []


def test_down_after_everything_was_killed(home: Path, port: int, tmp_path: Path) -> None:
    """``kill -9`` of ``freehold up`` and of ``python -m serving`` leaves engines behind; ``freehold down`` does not."""
    with begun(home, port, tmp_path) as up:
        read_until(up, "Stop it with Ctrl-C")
        record = Home(home).read()
        traces = Traces.of(record)
        up.kill()
        serving_of(record.run).send_signal(signal.SIGKILL)
    assert of_run(record.run)
    down = freehold(home, "down")
    assert down.returncode == 0, down.stderr
    assert traces.left() == []
