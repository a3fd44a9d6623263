"""Runs a command among network interfaces and processes of its own, so that what it starts meets nobody else's.

Ray listens on fixed ports and finds other Rays; a namespace keeps two of them apart, and ends all of its processes
when its first one ends. Where the kernel allows none, the command runs as it is.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

_UNSHARE: Final = ["unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


def isolated(command: Sequence[str]) -> list[str]:
    """The command inside its own namespaces, with a loopback interface that is up; unchanged where that is refused."""
    return _wrapped(command) if is_possible() else list(command)


def is_possible() -> bool:
    """Whether this kernel and user may make such namespaces."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run(_wrapped(["true"]), capture_output=True, check=False).returncode == 0


def _wrapped(command: Sequence[str]) -> list[str]:
    return [*_UNSHARE, "sh", "-c", f"ip link set lo up && exec {shlex.join(command)}"]
