"""Changes under traffic: gateways, engines and the chart itself are replaced, and no caller sees it."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.bench import Bench
from tests.kubernetes.release import NAME, Release, Traffic, for_older_servers
from tests.kubernetes.scenes import rolled_back, upgraded

FIRST = Path(__file__).parent / "charts" / "freehold-0.1.0.tgz"
"""As `helm package` made it; every later chart must be able to take a release of it over. Beside it are the values that
`freehold helm-values` made for it."""


@pytest.fixture(scope="module")
def release(cluster: Bench, chart: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A release by the first chart."""
    folder = tmp_path_factory.mktemp("first")
    with tarfile.open(FIRST) as packed:
        packed.extractall(folder, filter="data")
    made = Release(cluster, chart, "upgrade")
    first = for_older_servers(folder / "freehold", cluster.folder.parent / "first")
    made.put(json.loads(FIRST.with_suffix(".json").read_text()), first)
    made.wait()
    yield made
    made.helm("uninstall", NAME)


def test_todays_chart_takes_over_from_the_first(release: Release) -> None:
    """Gateways and engines are replaced one by one under load: no answer fails and no stream is cut."""
    before = release.names("gateway") | release.names("engine")
    _nobody_noticed(upgraded(release))
    assert not before & (release.names("gateway") | release.names("engine"))


def test_a_rollback_is_an_upgrade_too(release: Release) -> None:
    """`helm rollback` brings back the pods of the first chart; those of today's finish what they have begun."""
    before = release.names("engine")
    _nobody_noticed(rolled_back(release))
    assert not before & release.names("engine")
    assert "--drain=10" not in str(release.pods("engine"))


def _nobody_noticed(seen: Traffic) -> None:
    assert seen.failed == []
    assert seen.answers > 50
    assert seen.streams > 50
