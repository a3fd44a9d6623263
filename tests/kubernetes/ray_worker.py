"""What runs in a worker's pod in place of Ray: simulated engines below Serve's route prefixes, until SIGTERM.

``python -c SOURCE CONFIG``, with ``serveConfigV2`` as JSON.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from cluster.spec import Lengths, Model
from serving.simulated.fleet import simulation_of
from serving.simulated.listen import listen

PORT = 8000
DRAIN_S = 30


async def main(config: dict[str, list[dict[str, object]]]) -> None:
    """Serve every application."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    models = {}
    for application in config["applications"]:
        args = application["args"]
        assert isinstance(args, dict)
        model = Model.model_validate(args["model"])
        models[str(application["route_prefix"])] = [simulation_of(args["name"], model, Lengths(p50=150, p95=600))]
    listener = await listen(models, PORT, "0.0.0.0")  # noqa: S104 - a pod's own address
    await stop.wait()
    await listener.drain(DRAIN_S)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
