"""up, down, status and logs, with the real gateway before a server that runs elsewhere."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from cluster.client.http import Endpoint
from cluster.ports import free_port
from cluster.supervise.processes import module_of, of_run
from tests.cluster.cli.conftest import FREEHOLD, Here


def test_up_status_logs_down(here: Here) -> None:
    """A detached fleet answers, tells of itself, and leaves nothing behind."""
    up = here.up("--detach")
    assert up.returncode == 0, up.stderr
    record = here.record()
    assert "Ready in" in up.stdout
    assert f"curl -s {record['url']}/v1/chat/completions" in up.stdout

    status = here.run("status", "--json")
    told = json.loads(status.stdout)
    assert (told["fleet"], told["ready"], told["supervised"], told["phase"]) == ("elsewhere", True, True, "ready")
    assert [model["name"] for model in told["models"]] == ["m"]
    assert "elsewhere" in here.run("status").stdout

    log = here.run("logs", "gateway", "-n", "1")
    assert json.loads(log.stdout)
    assert here.run("logs", "nobody").returncode == 2

    down = here.run("down")
    assert (down.returncode, down.stdout) == (0, "Fleet elsewhere is down.\n")
    here.leaves_nothing(record)
    assert here.run("status").returncode == 3
    assert "Nothing to do" in here.run("down").stdout


def test_the_sample_curl_works_when_pasted(here: Here) -> None:
    """The line that up prints is run by a shell as it stands."""
    up = here.up("--detach")
    [line] = [line for line in up.stdout.splitlines() if line.startswith("curl ")]
    pasted = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True, timeout=60)
    assert json.loads(pasted.stdout)["choices"][0]["message"]["content"] == "Hello world"


def foreground(here: Here) -> subprocess.Popen[str]:
    """A fleet in the foreground, ready."""
    command = [FREEHOLD, "up", "--fleet", str(here.fleet), "--port", str(here.port)]
    process = subprocess.Popen(
        command, env=here.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = ""
    while "Stop it with Ctrl-C" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_in_the_foreground_is_a_clean_down(here: Here, number: signal.Signals) -> None:
    """Ctrl-C, a service's stop and a closed terminal all take the fleet down."""
    with foreground(here) as process:
        record = here.record()
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "The fleet is down.\n")
    here.leaves_nothing(record)


def test_down_ends_a_fleet_whose_supervisor_was_killed(here: Here) -> None:
    """The gateway goes on serving; status says who is missing; down leaves nothing; up waits for it."""
    with foreground(here) as process:
        record = here.record()
        process.kill()
    told = json.loads(here.run("status", "--json").stdout)
    assert (told["ready"], told["supervised"]) == (True, False)
    again = here.up("--detach")
    assert again.returncode == 3
    assert "stop it with: freehold down" in again.stderr
    assert here.run("down").returncode == 0
    here.leaves_nothing(record)


def test_a_killed_gateway_comes_back(here: Here) -> None:
    """It is started again at once, and the supervisor says so."""
    with foreground(here) as process:
        [gateway] = [found for found in of_run(here.record()["run"]) if module_of(found) == "router"]
        gateway.kill()
        assert process.stdout is not None
        assert "the gateway ended (exit code -9" in process.stdout.readline()
        assert Endpoint(until_answers(here)).get("/healthz")
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


def until_answers(here: Here) -> str:
    """The gateway's address, as soon as its port is open again."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", here.port)) == 0:
                return f"http://127.0.0.1:{here.port}"


def test_a_second_fleet_needs_a_second_home(here: Here, tmp_path: Path) -> None:
    """Under the same home it is refused; with its own home and port it runs beside the first."""
    assert here.up("--detach").returncode == 0
    refused = here.up("--detach")
    assert refused.returncode == 3
    assert "a fleet already runs under" in refused.stderr
    beside = Here(tmp_path / "other", here.fleet, free_port())
    assert beside.up("--detach").returncode == 0
    record = beside.record()
    assert beside.run("down").returncode == 0
    beside.leaves_nothing(record)
    assert here.run("status").returncode == 0


def test_a_busy_port_is_said_before_anything_starts(here: Here) -> None:
    """One line on standard error, and no trace of a start."""
    with closing(socket.create_server(("127.0.0.1", here.port))):
        up = here.up()
    assert up.returncode == 3
    assert up.stderr.startswith(f"freehold: port {here.port} is in use by ")
    assert up.stderr.count("\n") == 1
    assert not (here.home / "run" / "fleet.json").exists()


@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["foreground", "detached"])
def test_a_model_that_does_not_answer_ends_the_start(here: Here, detach: tuple[str, ...]) -> None:
    """A server that is not there fails the start by name, and nothing is left."""
    here.fleet.write_text(f"name: f\nmodels: {{gone: {{engine: url, url: 'http://127.0.0.1:{free_port()}'}}}}\n")
    up = here.up("--timeout", "3", *detach)
    assert up.returncode == 3
    assert up.stderr.startswith("freehold: not ready after 3 s; ")
    assert [entry.name for entry in (here.home / "run").iterdir()] == ["lock"]
    assert here.run("status").returncode == 3


def test_a_wrong_fleet_file_is_bad_input(here: Here) -> None:
    """Its problems are listed, and the exit code says whose fault it is."""
    here.fleet.write_text("name: f\nmodles: {}\n")
    up = here.up()
    assert up.returncode == 2
    assert "modles: unknown field (did you mean 'models'?)" in up.stderr
    assert "models: is missing" in up.stderr
