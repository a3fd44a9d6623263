"""``python -m serving.leave --seconds N``: before a Ray worker's pod ends, its replicas move and finish; for preStop.

Ray is told that the node goes, as its autoscaler tells it of a machine that is taken away: Serve starts replicas
elsewhere and sends nothing more to those here. When they are gone, or after ``--seconds``, Ray is stopped here. Where
nothing is free elsewhere, Serve keeps the old replica until then. Neighbour: KubeRay, which deletes the pod.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import psutil

REPLICA = "ray::ServeReplica"
"""How Ray calls the processes of replicas."""
_POLL_S = 0.5
_REASON = ("--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "its pod ends")


def main() -> int:
    """Leave; the exit code is that of ``ray stop``."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.leave", description="Let replicas move, then stop Ray here."
    )
    parser.add_argument("--seconds", type=int, required=True, help="how long replicas may take")
    seconds = parser.parse_args().seconds
    drain = ["ray", "drain-node", *_REASON, "--deadline-remaining-seconds", str(seconds)]
    if subprocess.run(drain, check=False).returncode == 0:
        _until_gone(time.monotonic() + seconds)
    else:
        sys.stderr.write("serving.leave: Ray does not drain this node; its replicas end as they are\n")
    return subprocess.run(["ray", "stop"], check=False).returncode  # noqa: S607 - the pod's own


def _until_gone(deadline: float) -> None:
    while any(map(_is_replica, psutil.process_iter())) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _is_replica(process: psutil.Process) -> bool:
    try:
        return " ".join(process.cmdline()).startswith(REPLICA)
    except psutil.Error:
        return False


if __name__ == "__main__":
    sys.exit(main())
