"""One replica in a pod: what vLLM's server is told, and how a simulated one answers and ends."""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster.load import load_fleet
from cluster.ports import free_port
from cluster.spec import Fleet
from serving.pod import vllm_arguments

FLEET = Path("fleets/h100.yaml")
LIMIT_S = 30


def test_vllm_is_told_what_the_fleet_file_says() -> None:
    """Address, names and arguments; and how long it may finish what it has begun."""
    fleet = load_fleet(FLEET)
    asked = argparse.Namespace(host="::", port=8000, model="llama-3.3-70b", drain=1800)
    told = list(vllm_arguments(fleet, asked))
    assert {"--host=::", "--port=8000", "--model=RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic"} <= set(told)
    assert {"--served-model-name=llama-3.3-70b", "--shutdown-timeout=1800", "--tensor-parallel-size=2"} <= set(told)


def test_the_file_has_the_last_word() -> None:
    """What the fleet file sets by name comes after what the pod adds, and the last of two counts."""
    model = {"source": "x/y", "engine_args": {"shutdown_timeout": 7}}
    fleet = Fleet.model_validate({"name": "f", "models": {"m": model}})
    told = list(vllm_arguments(fleet, argparse.Namespace(host="::", port=1, model="m", drain=1800)))
    assert [argument for argument in told if "shutdown" in argument][-1] == "--shutdown-timeout=7"


def test_a_simulated_replica_answers_and_ends() -> None:
    """By its own name, and with exit code 0 when it is told to end."""
    port = free_port()
    options = ["--fleet", str(FLEET), "--model", "llama-3.1-8b", "--simulated", "--drain=20", f"--port={port}"]
    with subprocess.Popen([sys.executable, "-m", "serving.pod", *options]) as process:
        try:
            assert _models(port) == ["llama-3.1-8b"]
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def _models(port: int) -> list[str]:
    deadline = time.monotonic() + LIMIT_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        try:
            connection.request("GET", "/v1/models")
            return [one["id"] for one in json.loads(connection.getresponse().read())["data"]]
        except OSError:
            if time.monotonic() > deadline:
                pytest.fail("it never listened")
            time.sleep(0.05)
        finally:
            connection.close()
