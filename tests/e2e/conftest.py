"""One real fleet for the whole session: ``freehold up`` with Ray Serve, vLLM, tiny models, and the gateway."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from cluster.ports import free_port
from cluster.supervise.state import Home
from tests.e2e.fleet import Fleet, Traces, freehold


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the real engines and is led by one worker; alone it comes last, beside others first."""
    missing = [name for name in ("ray", "vllm") if find_spec(name) is None]
    items.sort(key=_is_here, reverse="PYTEST_XDIST_WORKER" in os.environ)
    for item in filter(_is_here, items):
        item.add_marker(pytest.mark.e2e)
        if missing:
            item.add_marker(pytest.mark.skip(reason=f"{' and '.join(missing)} not installed"))


def _is_here(item: pytest.Item) -> bool:
    return Path(__file__).parent in item.path.parents


@pytest.fixture
def port() -> int:
    """A port for a fleet of a test's own."""
    return free_port()


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The demo fleet, up; afterwards nothing of it may be left."""
    home = tmp_path_factory.mktemp("home")
    up = freehold(home, "up", "--fleet", "fleets/demo.yaml", "--detach", "--port", str(free_port()))
    assert up.returncode == 0, up.stderr + up.stdout
    record = Home(home).read()
    yield Fleet(home, record.url, record.engines, record.run, up.stdout)
    traces = Traces.of(record)
    down = freehold(home, "down")
    assert down.returncode == 0, down.stderr
    assert traces.left() == []


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home for a fleet of a test's own; taken down if the test leaves it up."""
    yield tmp_path / "home"
    freehold(tmp_path / "home", "down")


@pytest.fixture(scope="session")
def prompts() -> Path:
    """Recorded prompts with their licences elsewhere; named by FREEHOLD_REPLAY_DATA."""
    file = Path(os.environ.get("FREEHOLD_REPLAY_DATA", "../shared/data/router/dev.parquet"))
    if not file.is_file():
        pytest.skip(f"data: no {file}; name a file of prompts with FREEHOLD_REPLAY_DATA")
    return file
