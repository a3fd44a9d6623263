"""``freehold plan`` from the command line: tables, JSON, a page, the fleet file, exit codes."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from cluster.cli import freehold
from cluster.load import load_fleet
from tests.house.source import ROOT

FLEETS = ROOT / "fleets"


def plan(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(freehold, ["plan", *arguments])


@pytest.mark.parametrize("name", ["l40s", "h100", "mixed"])
def test_an_example_fleet_has_a_plan(name: str) -> None:
    """Out of the box, for each example with GPUs, in tables and as JSON that say the same."""
    file = str(FLEETS / f"{name}.yaml")
    found = plan("--fleet", file)
    assert found.exit_code == 0, found.output
    assert "What would break it" in found.output
    facts = json.loads(plan("--fleet", file, "--json").stdout)
    assert facts["possible"]
    assert f"{facts['plans'][0]['usd_month']:,.0f}" in found.output


class Balanced(HTMLParser):
    """Collects what a page would load, and whether its tags close."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        if tag not in {"meta", "br"}:
            self.open.append(tag)
        self.loads += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        """It must be the latest that is open."""
        assert self.open.pop() == tag


def test_the_page_stands_alone(tmp_path: Path) -> None:
    """It loads nothing, its tags close, its plots are XML, and names from the fleet file cannot break out of it."""
    page = tmp_path / "plan.html"
    assert plan("--fleet", str(FLEETS / "mixed.yaml"), "--html", str(page)).exit_code == 0
    text = page.read_text()
    balanced = Balanced()
    balanced.feed(text)
    assert balanced.open == []
    assert balanced.loads == []
    plots = [part.partition("</svg>")[0] for part in text.split("<svg ")[1:]]
    assert len(plots) == 8
    for plot in plots:
        assert ET.fromstring(f"<svg {plot}</svg>").tag.endswith("svg")  # noqa: S314 - our own page
        assert "nan" not in plot


def test_write_and_plan_again(tmp_path: Path) -> None:
    """What is written is what was printed."""
    file = tmp_path / "f.yaml"
    file.write_text((FLEETS / "l40s.yaml").read_text())
    facts = json.loads(plan("--fleet", str(file), "--json").stdout)
    assert plan("--fleet", str(file), "--write").exit_code == 0
    fleet = load_fleet(file)
    for tier in facts["plans"][0]["tiers"].values():
        assert fleet.models[tier["model"]].replicas.max == tier["replicas_max"]
    assert "is as planned already" in plan("--fleet", str(file), "--write").stderr


def test_impossible_is_1_and_bad_input_2(tmp_path: Path) -> None:
    """With the reason on standard error, and the nearest plan still as JSON on standard output."""
    text = (FLEETS / "h100.yaml").read_text()
    file = tmp_path / "f.yaml"
    file.write_text(text.replace("ttft_p95_s: 2", "ttft_p95_s: 0.001"))
    found = plan("--fleet", str(file), "--json", "--write", "--html", str(tmp_path / "p.html"))
    assert found.exit_code == 1
    assert "impossible, because llama-3.1-8b (small): slo.ttft_p95_s" in found.stderr
    assert json.loads(found.stdout)["nearest"]["given_up"].startswith("slo.ttft_p95_s")
    assert "Impossible" in (tmp_path / "p.html").read_text()
    assert "ttft_p95_s: 0.001" in file.read_text()
    assert "The nearest one" in plan("--fleet", str(file)).stdout
    file.write_text(text.replace("gpus: [H100]", "gpus: [H1000]"))
    assert plan("--fleet", str(file)).exit_code == 2
    assert plan("--fleet", str(tmp_path / "none.yaml")).exit_code == 2
