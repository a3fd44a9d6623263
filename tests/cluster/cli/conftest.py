"""The real command, and a fleet of models that run elsewhere: all of the start but the engines."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from cluster.ports import free_port
from cluster.supervise.processes import of_run
from tests.openai_server import openai_server

FREEHOLD = str(Path(sys.executable).with_name("freehold"))


@dataclass(frozen=True)
class Here:
    """A home, a fleet file and a free port."""

    home: Path
    fleet: Path
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """What the commands see."""
        hidden = {"FREEHOLD_URL", "FREEHOLD_KEY"}
        kept = {name: value for name, value in os.environ.items() if name not in hidden}
        return {**kept, "FREEHOLD_HOME": str(self.home)}

    def run(self, *arguments: str, stdin: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ``freehold`` to its end."""
        return subprocess.run(
            [FREEHOLD, *arguments],
            env={**self.environment, **variables},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def up(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Start this fleet."""
        return self.run("up", "--fleet", str(self.fleet), "--port", str(self.port), *arguments)

    def record(self) -> dict[str, Any]:
        """What the running fleet says of itself."""
        content: dict[str, Any] = json.loads((self.home / "run" / "fleet.json").read_text())
        return content

    def leaves_nothing(self, record: dict[str, Any]) -> None:
        """No process, no record, no temporary file, no port."""
        assert of_run(record["run"]) == []
        assert not Path(record["scratch"]).exists()
        assert [entry.name for entry in (self.home / "run").iterdir()] == ["lock"]
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", self.port)) != 0


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    """A fleet whose one model is a server in this process; taken down if the test leaves it up."""
    with openai_server() as url:
        fleet = tmp_path / "fleet.yaml"
        fleet.write_text(
            f"name: elsewhere\nmodels: {{m: {{engine: url, url: '{url}'}}}}\ntiers: {{small: [m]}}\n"
            "gateway: {deadlines: {drain: 1}}\n"
        )
        place = Here(tmp_path / "home", fleet, free_port())
        yield place
        place.run("down")


@pytest.fixture
def keyed(here: Here) -> Iterator[Here]:
    """The same fleet with accounts, and so with a database; whom root hands that to must be able to reach its home."""
    here.fleet.write_text(here.fleet.read_text() + "tenants: {access: keys}\n")
    with TemporaryDirectory(prefix="fh-", ignore_cleanup_errors=True) as directory:
        place = dataclasses.replace(here, home=Path(directory, "home"))
        yield place
        place.run("down")
