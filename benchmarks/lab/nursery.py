"""Starts gateways by forking a process that has imported them, so that a thousand of them take minutes, not an hour.

``python -m benchmarks.lab.nursery --fleet FILE``. Each line on stdin is a port; the answer is a line with
the id of a process that runs ``python -m router`` there, from its first line on, with nothing opened beforehand. Only
the import of the modules is saved. The children end when this process is ended by SIGTERM.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from typing import NoReturn

import uvloop  # noqa: F401  imported for the children

import router.__main__ as gateway
import router.app  # noqa: F401  as above


def main() -> None:
    """Serve orders until stdin ends."""
    parser = argparse.ArgumentParser(description="a nursery of gateways")
    parser.add_argument("--fleet", required=True)
    asked = parser.parse_args()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _live(["--fleet", asked.fleet, "--host", "127.0.0.1", "--port", line.strip()])
        print(child, flush=True)


def _live(arguments: list[str]) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with open(os.devnull) as nothing:  # noqa: PTH123  a file descriptor is what is wanted
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    os._exit(gateway.main(arguments))


if __name__ == "__main__":
    main()
