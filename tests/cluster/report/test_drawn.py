"""The drawn report: both drawings say the same, load nothing, and take no name for markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from cluster.report.drawn import html, markdown
from cluster.report.facts import Month
from cluster.report.parts import Table, percent
from cluster.report.report import report_of
from cluster.report.sections import sections_of, title_of
from tests.cluster.report.months import fleet, hours, month, ran, used

HOSTILE = "<script>alert(1)</script>|`x`\n## *a* _b_ [c](http://d) & \"'</td><img src=x onerror=e>"
SHARE = {"value": 0.9, "low": None, "high": None}


def _hostile() -> Month:
    """A month in which every name is hostile."""
    tenant = {"tenant": HOSTILE, "model": HOSTILE, "reason": "named", "outcome": "complete", "tokens": 1, "requests": 1}
    left = {"model": HOSTILE, "host": HOSTILE, "reason": HOSTILE, "requests": 1, "bodies": 1, "bytes": 1}
    judged = {"heading": HOSTILE, "reference": HOSTILE, "source": "judged", "labels": 3, "cost_micros": 1}
    return month(
        usage=[used(model=HOSTILE, tier=HOSTILE, cost_micros=1)],
        tenants=[tenant | {"cost_micros": 1, "baseline_micros": 1}],
        egress=[left],
        quality=[judged | {"win_rate": SHARE, "quality_share": SHARE}],
        replicas=[ran(model=HOSTILE, gpu=HOSTILE)],
        traffic=hours(2),
        outside=[HOSTILE],
    )


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep every tag with its attributes."""
        self.seen.append((tag, dict(attrs)))


def _drawn(facts: Month, **parts: Any) -> tuple[str, str]:  # noqa: ANN401 - of a fleet file
    report = report_of(facts, fleet(**parts))
    return markdown(title_of(report), sections_of(report)), html(title_of(report), sections_of(report))


def test_a_name_is_text_in_html() -> None:
    """No tag comes out of it, and nothing is loaded or run."""
    tags = _Tags()
    _, page = _drawn(_hostile())
    tags.feed(page)
    names = {name for name, _ in tags.seen}
    assert names <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "tr", "th", "td"),
        *("svg", "text", "path", "rect"),
    }
    attributes = {attribute for _, attributes in tags.seen for attribute in attributes}
    assert not {"src", "href", "onerror", "onload"} & attributes
    assert "alert(1)" in page


def test_a_name_is_text_in_markdown() -> None:
    """It ends no cell and no line, and every character that markdown knows is escaped."""
    text, _ = _drawn(_hostile())
    assert "<script>" not in re.sub(r"\\.", "", text)
    assert "[c]" not in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    bars = [len(re.sub(r"\\.", "", line).split("|")) for line in tables if "alert" in line]
    assert bars
    assert min(bars) > 2
    assert [line for line in text.splitlines() if line.startswith("## ") and "alert" in line] == []


def test_both_say_the_same() -> None:
    """Every cell of every table is in both."""
    report = report_of(month(replicas=[ran(model="eight")], traffic=hours(2)), fleet())
    sections = sections_of(report)
    cells = [
        cell for one in sections for part in one.parts if isinstance(part, Table) for row in part.rows for cell in row
    ]
    text, page = markdown("t", sections), html("t", sections)
    assert len(cells) > 30
    assert [cell for cell in cells if cell not in text.replace("\\", "")] == []
    assert [cell for cell in cells if cell.replace(">", "&gt;") not in page] == []
    assert "@page{size:A4" in page
    assert "prefers-color-scheme:dark" in page


def test_what_is_unknown_is_said() -> None:
    """No replicas recorded, no price list, nothing compared, nothing promised, no load."""
    text, _ = _drawn(month(usage=[used(baseline_micros=0)]))
    said = ("all on Claude | set spillover.baseline | unknown", "nobody recorded how many replicas ran")
    assert [words for words in said if words not in text.replace("\\", "")] == []
    assert text.count("Unknown: ") == 3
    assert "Nothing is predicted" in text


def test_a_month_that_goes_on_is_stated_as_such() -> None:
    """With the moment that it was told at."""
    part = month(whole=False, until=month().since.replace(day=21, hour=9, minute=5))
    assert "2026-11-01 to 2026-11-21, UTC: the month is not over." in _drawn(part)[0]
    assert "until 2026-11-21 09:05" in _drawn(part)[0]
    assert "2026-11-01 to 2026-11-30, UTC: the whole month." in _drawn(month())[0]


def test_a_promise_that_was_missed_is_marked() -> None:
    """On its day, and in the count of days."""
    day = {"promise": "ttft_p95_s", "bound_s": 2, "wanted": 0.95, "asked": 100}
    days = [day | {"day": f"2026-11-0{number}", "held": held} for number, held in ((1, 100), (2, 94), (3, 95))]
    text, _ = _drawn(month(promises=days))
    assert "| time to first token within 2 s | 95.0 % | 96.3 % | 300 | 2 of 3 |" in text
    assert "| 2026-11-02 | 94.0 % missed |" in text
    assert "| 2026-11-03 | 95.0 % |" in text


@pytest.mark.parametrize(
    ("share", "printed"),
    [
        (1.0, "100.0 %"),
        (0.999999, "> 99.99 %"),
        (0.9989, "99.89 %"),
        (0.96349, "96.3 %"),
        (0.0, "0.0 %"),
        (None, "unknown"),
    ],
    ids=["all", "nearly all", "near a promise", "most", "nothing", "unknown"],
)
def test_a_share_that_is_not_all_never_reads_as_all(share: float | None, printed: str) -> None:
    """One request in a million that left is one."""
    assert percent(share) == printed
