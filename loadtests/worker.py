"""``python -m loadtests.worker HOST PORT``: a worker of a load test that another process, here or elsewhere, leads."""

from __future__ import annotations

import sys

from loadtests.swarm import follow

if __name__ == "__main__":
    follow(sys.argv[1], int(sys.argv[2]))
