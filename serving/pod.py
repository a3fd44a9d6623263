"""``python -m serving.pod --fleet FILE --model NAME``: one replica of one model, without Ray, for a pod.

vLLM's own server takes this process's place (signals and health are then its own), or a simulated engine answers. Told
to end, either finishes what it has begun, for ``--drain`` seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import uvloop
from pydantic import JsonValue

from cluster.errors import FreeholdError, UsageError
from cluster.load import load_fleet
from cluster.spec import Engine, Fleet
from serving import tiny
from serving.engine import engine_kwargs, served
from serving.home import models
from serving.simulated.fleet import simulation_of
from serving.simulated.listen import listen

_SERVER = "vllm.entrypoints.openai.api_server"


def main() -> int:
    """Serve; the exit code is the error's."""
    parser = argparse.ArgumentParser(prog="python -m serving.pod", description="One replica of one model.")
    parser.add_argument("--fleet", type=Path, required=True, help="the fleet file")
    parser.add_argument("--model", required=True, help="one of its models")
    parser.add_argument("--host", default="127.0.0.1", help="where it listens; 127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="8000")
    parser.add_argument("--drain", type=int, default=0, help="seconds for answers under way after SIGTERM; 0: cut them")
    parser.add_argument("--simulated", action="store_true", help="answer as the model would, without a GPU")
    asked = parser.parse_args()
    try:
        fleet = load_fleet(asked.fleet)
        if asked.model not in served(fleet):
            msg = f"--model {asked.model}: the fleet file starts {', '.join(served(fleet)) or 'no model'}"
            raise UsageError(msg)
        if asked.simulated or fleet.models[asked.model].engine is Engine.SIMULATED:
            uvloop.run(_simulate(fleet, asked))
        else:
            _become_vllm(fleet, asked)
    except FreeholdError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_code
    return 0


async def _simulate(fleet: Fleet, asked: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    simulation = simulation_of(asked.model, fleet.models[asked.model], fleet.traffic.output_tokens)
    listener = await listen({"": [simulation]}, asked.port, asked.host)
    await stop.wait()
    await listener.drain(asked.drain)


def _become_vllm(fleet: Fleet, asked: argparse.Namespace) -> NoReturn:
    command = [sys.executable, "-m", _SERVER, *vllm_arguments(fleet, asked)]
    os.execv(command[0], command)  # noqa: S606 - no shell


def vllm_arguments(fleet: Fleet, asked: argparse.Namespace) -> Iterator[str]:
    """The command line of vLLM's server."""
    model = fleet.models[asked.model]
    yield f"--host={asked.host}"
    yield f"--port={asked.port}"
    yield f"--model={tiny.locate(model.source, models())}"
    yield f"--served-model-name={model.served_as or asked.model}"
    yield f"--shutdown-timeout={asked.drain}"
    yield from arguments(engine_kwargs(asked.model, model))


def arguments(engine: dict[str, JsonValue]) -> Iterator[str]:
    """Engine arguments in the spelling of vLLM's command line: objects as JSON, ``no-`` before what is false."""
    for name, value in engine.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{'' if value else 'no-'}{option}"
        elif isinstance(value, dict | list):
            yield f"--{option}={json.dumps(value)}"
        elif value is not None:
            yield f"--{option}={value}"


if __name__ == "__main__":
    sys.exit(main())
