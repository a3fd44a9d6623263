"""Several workers' hours as one."""

from __future__ import annotations

from pathlib import Path

from router.page.hour import Hour
from router.page.workers import Gauge, Share, Workers
from tests.router.page.facts import FLEET, NOON, Clock, finished


def share_of(answers: int, at: float = NOON) -> Share:
    """A worker that has given so many answers and has two requests under way."""
    hour = Hour(FLEET, Clock())
    for _ in range(answers):
        hour(finished())
    hour(finished(outcome="failed", status=503, error=f"e{answers}"))
    return Share(at, hour.minutes, list(hour.problems), {"s": Gauge(2, 1, available=answers > 1)}, spent_micros=7)


def written(folder: Path, name: str, share: Share) -> None:
    """By another process."""
    other = Workers(folder, "x", Clock())
    other._own = name
    other.write(share)


def test_all_workers_are_one(tmp_path: Path) -> None:
    """Answers, errors, money and what is under way add up; a target is available where it is to every worker."""
    written(tmp_path, "page-x-1.json", share_of(1))
    own = share_of(3)
    found = Workers(tmp_path, "x", Clock()).all(own)
    tally = found.minutes[int(NOON) // 60].tallies["s"]["short-prompt"]
    assert (tally.answered, tally.failed, sum(found.minutes[int(NOON) // 60].ttft["s"].values())) == (4, 2, 4)
    assert found.gauges["s"] == Gauge(4, 2, available=False)
    assert (found.spent_micros, {problem.what for problem in found.problems}) == (14, {"e1", "e3"})
    assert own == share_of(3), "what is added up is not the worker's own"


def test_a_worker_that_died(tmp_path: Path) -> None:
    """Its answers were given; it has nothing under way. After an hour its file goes."""
    written(tmp_path, "page-x-1.json", share_of(1, NOON - 10))
    written(tmp_path, "page-x-2.json", share_of(1, NOON - 4000))
    found = Workers(tmp_path, "x", Clock()).all(Share(NOON))
    assert found.minutes[int(NOON) // 60].tallies["s"]["short-prompt"].answered == 1
    assert found.gauges == {}
    assert [file.name for file in tmp_path.iterdir()] == ["page-x-1.json"]


def test_half_a_file_is_no_share(tmp_path: Path) -> None:
    """What cannot be read is left out."""
    (tmp_path / "page-x-1.json").write_text('{"at": 1')
    assert Workers(tmp_path, "x", Clock()).all(share_of(2)).gauges["s"].in_flight == 2


def test_alone_nothing_is_written(tmp_path: Path) -> None:
    """One worker needs no folder."""
    Workers(None, "x").write(share_of(1))
    Workers(tmp_path / "gone", "x").write(share_of(1))
    assert list(tmp_path.iterdir()) == []
