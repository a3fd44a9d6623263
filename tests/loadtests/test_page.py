"""The page of a result: complete, self-contained, and deaf to what names hold."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cluster.spec import Slo
from loadtests.page import page
from loadtests.result import conclude, steady
from tests.loadtests.synthetic import FLEET, at, failed, run_of, steadily

NASTY = "</title></svg><script>alert(1)</script><img src=x onerror='alert(\"2\")'>"
TITLES = ("TTFT against time", "TTFT against concurrency", "Throughput: output tokens", "Tier split", "Errors")


class Seen(HTMLParser):
    """Which elements and attributes a page really has."""

    def __init__(self, text: str) -> None:
        """Parse it."""
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep both."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_a_page_has_verdict_figures_and_plots(tmp_path: Path) -> None:
    """What failed is in its title; every plot of the run is there."""
    run = run_of([*steadily(300, slower=20), failed(50)], tmp_path)
    text = page(conclude(run, FLEET, steady(run)))
    assert "<title>Load test of f: failed</title>" in text
    assert "ttft_p95_s" in text
    assert "broken by" in text
    assert all(title in text for title in TITLES)
    assert "Predicted and measured" in text
    assert not re.search(r"\bnan\b", text)


@pytest.mark.parametrize("field", ["tier", "tenant", "model", "reason", "scenario", "error"])
def test_names_come_out_as_text(field: str, tmp_path: Path) -> None:
    """Whatever a model, a tenant or an error calls itself, nothing runs and nothing loads."""
    nasty: dict[str, Any] = {field: NASTY}
    samples = [*steadily(100), *(failed(number)._replace(**nasty) for number in range(9)), at(50)._replace(**nasty)]
    run = run_of(samples, tmp_path, scenario=NASTY, versions={NASTY: NASTY})
    seen = Seen(page(conclude(run, FLEET.model_copy(update={"name": NASTY}), steady(run))))
    assert not seen.tags & {"script", "img", "link", "iframe"}
    assert not seen.attributes & {"onerror", "src", "href"}


def test_a_fleet_that_promises_nothing_says_so(tmp_path: Path) -> None:
    """There is a page without a gate, and without a request."""
    run = run_of([], tmp_path, slo=Slo(error_rate=1))
    text = page(conclude(run, FLEET, steady(run)))
    assert "passed</title>" in text
    assert "promises nothing" in text
