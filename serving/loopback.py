"""Keeps everything that Ray opens on 127.0.0.1: engines know no keys, so only the gateway may be reachable.

Ray itself and HAProxy's front end follow a setting. HAProxy's two pages of statistics do not; a script in HAProxy's
place closes them and then becomes HAProxy. The last port is the replica's own, see :mod:`serving.replica`.
"""

from __future__ import annotations

import shlex
import socket
from pathlib import Path

HOST = "127.0.0.1"


def script(haproxy: str) -> str:
    """A shell script that rewrites the configuration it is given and runs the real HAProxy with it."""
    rewrite = rf"s/^( *bind )[*]?:/\1{HOST}:/"
    return (
        "#!/bin/sh\n"
        f'for word; do case "$word" in *.cfg) sed -i -E {shlex.quote(rewrite)} "$word" ;; esac; done\n'
        f'exec {shlex.quote(haproxy)} "$@"\n'
    )


def install(haproxy: str, folder: Path) -> Path:
    """Write the script into a folder, ready to be run."""
    file = folder / "haproxy"
    file.write_text(script(haproxy))
    file.chmod(0o700)
    return file


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [int(opened.getsockname()[1]) for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()
