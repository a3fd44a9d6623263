"""A disk of a few megabytes that a test can fill: a tmpfs of its own, for root on Linux."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BLOCK = bytes(4096)


def may_mount() -> bool:
    """Whether this user and kernel may have one."""
    words = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return os.geteuid() == 0 and bool(shutil.which("unshare")) and not subprocess.run(words, check=False).returncode


class Disk:
    """One of them, made by :func:`disk`."""

    def __init__(self, path: Path) -> None:
        """Mounted at ``path``."""
        self.path = path
        self._ballast = path / "ballast"

    def fill(self, *, leave: int = 0) -> None:
        """Write until nothing more goes in, or until so many bytes are left."""
        with self._ballast.open("ab", buffering=0) as ballast:
            while os.statvfs(self.path).f_bavail * len(_BLOCK) > leave:
                try:
                    ballast.write(_BLOCK * 16 if leave else _BLOCK)
                except OSError:
                    return

    def empty(self) -> None:
        """There is room again."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def disk(path: Path, megabytes: int) -> Iterator[Disk]:
    """Mounted within the block, gone with all it holds afterwards."""
    path.mkdir()
    options = f"size={megabytes}m,mode=0755"
    _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path))
    try:
        yield Disk(path)
    finally:
        _run("umount", "--lazy", str(path))


def _run(*words: str) -> None:
    subprocess.run(words, check=True)
