"""Pages and plots: well-formed, self-contained, and deaf to what names hold."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from cluster.drawing import Floats, bars, document, lines, table

NASTY = "</svg><script>alert('\"&')</script>"
SVG = "{http://www.w3.org/2000/svg}"


def paths(plot: str) -> list[str]:
    """What the curves of a plot go through, without its axes."""
    return [path.attrib["d"] for path in ET.fromstring(plot).iter(f"{SVG}path")][1:]  # noqa: S314 - our own


@pytest.mark.parametrize(
    "plot",
    [
        pytest.param(lines(NASTY, np.array([0.0, 1.0, 2.0]), {NASTY: np.array([0.0, 1.0, 2.0])}, NASTY), id="lines"),
        pytest.param(
            lines(NASTY, np.array([0.0, 1.0]), {NASTY: np.array([1.0, 1.0])}, NASTY, (NASTY, NASTY)), id="named lines"
        ),
        pytest.param(bars(NASTY, {NASTY: 1.0}, NASTY), id="bars"),
    ],
)
def test_names_come_out_as_text(plot: str) -> None:
    """A plot is one well-formed picture whatever its names hold."""
    tree = ET.fromstring(plot)  # noqa: S314 - our own
    assert NASTY in [text.text for text in tree.iter(f"{SVG}text")]
    assert not [node for node in tree.iter() if node.tag.endswith("script")]


def test_a_gap_stays_a_gap() -> None:
    """NaN parts a curve in two; a point that stands alone is still drawn."""
    curve = np.array([1, 2, np.nan, 3, np.nan, np.nan, 2, 4])
    (path,) = paths(lines("t", np.linspace(0, 7, 8), {"c": curve}, "s"))
    assert [len(piece.split()) for piece in path.split("M")[1:]] == [2, 1, 2]


@pytest.mark.parametrize("curve", [np.array([]), np.array([np.nan, np.nan])], ids=["empty", "unknown"])
def test_a_plot_of_nothing_is_still_a_plot(curve: Floats) -> None:
    """Axes without a curve."""
    assert paths(lines("t", np.linspace(0, 1, len(curve)), {"c": curve}, "s")) == [""]


def test_a_page_runs_and_loads_nothing() -> None:
    """No script, no address; a policy forbids both should a name ever slip through."""
    page = document(NASTY, [table([NASTY], [[NASTY]])])
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "prefers-color-scheme:dark" in page


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(0.0874, ["0", "0.02", "0.04", "0.06", "0.08", "0.1"]), (2490, ["0", "500", "1,000", "1,500", "2,000", "2,500"])],
    ids=["seconds", "tokens"],
)
def test_ticks_are_short_numbers(most: float, ticks: list[str]) -> None:
    """The axis ends at the least round number that holds every point."""
    plot = ET.fromstring(lines("t", np.array([0.0, 1.0]), {"c": np.array([0.0, most])}, "s"))  # noqa: S314 - our own
    left = [text.text for text in plot.iter(f"{SVG}text") if text.get("text-anchor") == "end"]
    assert left[1:] == ticks
