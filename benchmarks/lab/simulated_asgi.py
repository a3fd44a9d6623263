"""A simulated engine as an ASGI application below uvicorn, as a replica of Ray Serve runs it.

``python -m benchmarks.lab.simulated_asgi --port N --speed X``.
"""

from __future__ import annotations

import argparse

import uvicorn

from serving.simulated import Simulation
from serving.simulated.asgi import Application


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--speed", type=float, required=True)
    asked = parser.parse_args()
    application = Application(Simulation(speed=asked.speed))
    uvicorn.run(application, host="127.0.0.1", port=asked.port, log_level="warning", access_log=False, backlog=4096)


if __name__ == "__main__":
    main()
