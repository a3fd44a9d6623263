"""``python -m serving.simulated --port N``: one simulated engine, until SIGINT or SIGTERM.

Without ``--source`` it gives 50 tokens a second, whatever the load; with it, what vLLM would give for that model on
those GPUs. Exit code 2 when there are no figures for them, 3 when the port is taken.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from dataclasses import replace

import uvloop

from cluster.errors import FreeholdError, PortInUseError
from cluster.spec import Accelerator, Engine, Lengths, Model
from serving.simulated.engine import Simulation
from serving.simulated.fleet import simulation_of
from serving.simulated.listen import HOST, listen
from serving.simulated.pace import Steady


def main() -> int:
    """Serve; the exit code is the error's."""
    asked = _parser().parse_args()
    try:
        uvloop.run(_serve(_simulation(asked), asked.port))
    except FreeholdError as exc:
        print(exc, file=sys.stderr)  # noqa: T201 - a command line
        return exc.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving.simulated", description="An engine that computes nothing.")
    parser.add_argument("--port", type=int, required=True, help="of 127.0.0.1")
    parser.add_argument("--model", default="simulated", help="the name that it answers to")
    parser.add_argument("--source", help="whose size it pretends: a Hugging Face id or a path, as in the fleet file")
    parser.add_argument("--accelerator", default="H100", help="on which GPU, with --source; H100")
    parser.add_argument("--count", type=int, default=1, help="on how many; 1")
    parser.add_argument("--context-length", type=int, default=8192, help="prompt and answer together, in tokens; 8192")
    parser.add_argument("--speed", type=_positive, default=1.0, help="how many times as fast as real; 1")
    return parser


def _positive(text: str) -> float:
    speed = float(text)
    if not 0 < speed < float("inf"):
        msg = f"{text} is no speed; 1 is real time, 10 ten times as fast"
        raise argparse.ArgumentTypeError(msg)
    return speed


def _simulation(asked: argparse.Namespace) -> Simulation:
    if not asked.source:
        steady = Steady(kv_tokens=max(Steady().kv_tokens, asked.context_length))
        return Simulation(asked.model, steady, asked.context_length, speed=asked.speed)
    accelerator = Accelerator(type=asked.accelerator, count=0 if asked.accelerator == "cpu" else asked.count)
    length = asked.context_length
    model = Model(engine=Engine.SIMULATED, source=asked.source, context_length=length, accelerator=accelerator)
    return replace(simulation_of(asked.model, model, Lengths(p50=150, p95=600)), speed=asked.speed)


async def _serve(simulation: Simulation, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        listener = await listen({"": [simulation]}, port)
    except OSError as exc:
        msg = f"cannot listen on {HOST}:{port}: {exc.strerror}"
        raise PortInUseError(msg) from exc
    await stop.wait()
    await listener.close()


if __name__ == "__main__":
    sys.exit(main())
