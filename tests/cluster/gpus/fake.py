"""The fake ``libnvidia-ml.so.1``: built once from our C source, loaded like the real one, scripted by a file."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("fake_nvml.c")
LIBRARY = "libnvidia-ml.so.1"
ENV = "FAKE_NVML"


class Script:
    """What the fake answers."""

    def __init__(self, file: Path) -> None:
        """Healthy until told otherwise."""
        self.file = file
        self.file.touch()

    def add(self, *lines: str) -> None:
        """From now on; of two lines for the same question the last one counts."""
        with self.file.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))


def built(folder: Path) -> Path:
    """The folder of the built library, for ``LD_LIBRARY_PATH``; skips the test without a compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here; install gcc")
    command = [compiler, "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}"]
    subprocess.run([*command, "-o", str(folder / LIBRARY), str(SOURCE)], check=True)
    return folder


@contextmanager
def scripted(library: Path, file: Path) -> Iterator[Script]:
    """Make this process find the fake: a library is known by its name once it has been loaded."""
    ctypes.CDLL(str(library / LIBRARY))
    os.environ[ENV] = str(file)
    yield Script(file)
    del os.environ[ENV]
