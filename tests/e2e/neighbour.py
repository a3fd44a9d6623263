"""What a neighbour on the network can reach of a fleet: ``python -m tests.e2e.neighbour HOME`` prints it as JSON.

To be run as root in network and process namespaces of its own, where no port is open but the fleet's. It starts a
fleet whose gateway is open to the network, a second namespace as the neighbour, and has that one try every TCP port.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.ports import free_port
from cluster.supervise.processes import of_run
from cluster.supervise.state import Home
from tests.e2e.fleet import freehold, listening

FLEET = """\
name: open
gateway: { host: 0.0.0.0 }
tenants: { access: keys }
models:
  only:
    source: builtin:tiny-small
    context_length: 512
    engine_args: { enforce_eager: true, dtype: bfloat16, max_num_seqs: 4 }
tiers:
  small: [only]
"""
OURS, THEIRS = "10.209.0.1", "10.209.0.2"
AT_ONCE = 500


@contextmanager
def neighbour() -> Iterator[int]:
    """A process in another network namespace, with a cable to ours."""
    ip = "/sbin/ip"
    with subprocess.Popen(["/usr/bin/unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        inside = ["nsenter", "--net", "--target", str(process.pid), ip]
        for command in (
            [ip, "link", "add", "ours", "type", "veth", "peer", "name", "theirs", "netns", str(process.pid)],
            [ip, "address", "add", f"{OURS}/30", "dev", "ours"],
            [ip, "link", "set", "ours", "up"],
            [*inside, "address", "add", f"{THEIRS}/30", "dev", "theirs"],
            [*inside, "link", "set", "theirs", "up"],
        ):
            subprocess.run(command, check=True)
        yield process.pid
        process.kill()


async def reachable(host: str) -> list[int]:
    """Every TCP port that takes a connection."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def takes(port: int) -> bool:
        async with turns:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except ConnectionRefusedError:
                return False
            writer.close()
            return True

    ports = range(1, 65536)
    return [port for port, open_ in zip(ports, await asyncio.gather(*map(takes, ports)), strict=True) if open_]


def main(home: Path) -> None:
    """Start, scan, print, end."""
    home.mkdir(parents=True)
    file = home / "open.yaml"
    file.write_text(FLEET)
    port = free_port()
    try:
        up = freehold(home, "up", "--fleet", str(file), "--detach", "--port", str(port))
        assert up.returncode == 0, up.stderr
        run = Home(home).read().run
        with neighbour() as pid:
            scan = ["nsenter", "--net", "--target", str(pid), sys.executable, "-m", "tests.e2e.neighbour"]
            seen = subprocess.run(scan, check=True, capture_output=True, text=True, env={**os.environ}).stdout
        here = sorted({found for process in of_run(run) for found in listening(process)})
    finally:
        freehold(home, "down")
    sys.stdout.write(json.dumps({"gateway": port, "listening": here, "reachable": json.loads(seen)}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        sys.stdout.write(json.dumps(asyncio.run(reachable(OURS))))
