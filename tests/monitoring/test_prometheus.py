"""Every panel shows something and every alert fires, in a real Prometheus beside a fleet to which it all happens."""

from __future__ import annotations

import pytest

from tests.monitoring.story import Story, alerts, panels


def test_a_fleet_that_does_well_alerts_nobody(story: Story) -> None:
    """With traffic, before anything has happened."""
    assert story.calm == set()


@pytest.mark.parametrize("alert", sorted(alerts()))
def test_what_happens_alerts(story: Story, alert: str) -> None:
    """By its own cause."""
    assert alert in story.fired


@pytest.mark.parametrize(
    ("dashboard", "title"), [(dashboard, title) for dashboard, title, _ in panels()], ids=lambda text: text
)
def test_a_panel_shows_something(story: Story, dashboard: str, title: str) -> None:
    """Each of its queries has at least one sample."""
    assert story.panels[dashboard, title] > 0
