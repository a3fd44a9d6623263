"""Changes under traffic: gateways, engines and the chart itself are replaced, and no caller sees it."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tests.kubernetes.bench import Bench
from tests.kubernetes.release import FLEET, NAME, Release, Traffic, for_older_servers, until

FIRST_CHART = Path(__file__).parent / "charts" / "freehold-0.1.0.tgz"
"""As `helm package` made it; every later chart must be able to take a release of it over."""


@pytest.fixture(scope="module")
def release(cluster: Bench, chart: Path, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release by the first chart."""
    folder = tmp_path_factory.mktemp("first")
    with tarfile.open(FIRST_CHART) as packed:
        packed.extractall(folder, filter="data")
    made = Release(cluster, chart, "upgrade")
    first = for_older_servers(folder / "freehold", cluster.folder.parent / "first")
    made.install(change={"gateway": {"leaveSeconds": None}, "engines": {"leaveSeconds": None}}, chart=first)
    return made


def test_todays_chart_takes_over_from_the_first(release: Release) -> None:
    """Its gateways are replaced one by one under load: no answer fails and no stream is cut."""
    before = release.names("gateway") | release.names("engine")
    with release.traffic() as seen:
        release.install()
        until(lambda: not before & (release.names("gateway") | release.names("engine")), "the old pods end")
    _nobody_noticed(seen)


def test_a_changed_model_replaces_its_engines(release: Release) -> None:
    """One after the other; each finishes what it has begun."""
    before = release.names("engine")
    with release.traffic() as seen:
        release.install(FLEET.replace("replicas:", "context_length: 16384, replicas:"))
        until(lambda: not before & release.names("engine"), "the old engines end")
    _nobody_noticed(seen)


def test_a_rollback_is_an_upgrade_too(release: Release) -> None:
    """`helm rollback` brings the last revision's pods back, under load."""
    before = release.names("gateway")
    with release.traffic() as seen:
        release.helm("rollback", NAME)
        release.wait()
        until(lambda: not before & release.names("gateway"), "the newer gateways end")
    _nobody_noticed(seen)
    assert "context_length" not in str(release.get("configmap", "fleet-fleet")["data"])


def _nobody_noticed(seen: Traffic) -> None:
    assert seen.failed == []
    assert seen.answers > 50
    assert seen.streams > 50
