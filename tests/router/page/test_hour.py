"""What the page's listener keeps of the gateway's events, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from router.observe.events import TargetFailed
from router.page.figures import Places, Windows, saved, series, speed, split, stayed
from router.page.hour import MINUTES, PROBLEMS, Hour
from tests.router.page.facts import FLEET, Clock, finished

CLAUDE: dict[str, Any] = {"cost_micros": 465, "baseline_micros": 465}


@pytest.fixture
def clock() -> Clock:
    """At noon."""
    return Clock()


@pytest.fixture
def hour(clock: Clock) -> Hour:
    """Nothing has happened."""
    return Hour(FLEET, clock)


def test_who_answered_and_why(hour: Hour, clock: Clock) -> None:
    """By place and reason, the busiest first; what was not answered is not an answer."""
    for event in (*[finished()] * 3, finished("l", "long-prompt"), finished("c", "spill-down", **CLAUDE)):
        hour(event)
    hour(finished("s", outcome="failed", error="upstream_connect", status=503))
    rows = split(Windows(hour.minutes, clock()).last(MINUTES), Places(FLEET))
    assert [(row["place"], row["answers"], row["tokens"]) for row in rows] == [
        ("small", 3, 333),
        ("large", 1, 111),
        ("spillover", 1, 111),
    ]
    assert rows[0]["reasons"] == [{"reason": "short-prompt", "answers": 3}]
    assert stayed(rows) == {"answers": 0.8, "tokens": 0.8}


def test_nothing_answered_is_no_share(hour: Hour) -> None:
    """Neither all nor nothing stayed."""
    assert stayed(split(hour.minutes.values(), Places(FLEET))) == {"answers": None, "tokens": None}


def test_what_was_saved(hour: Hour) -> None:
    """100 prompt tokens for 3 dollars a million and 11 for 15 are 465 millionths; Claude's own answer saves nothing."""
    hour(finished())
    hour(finished("c", "spill-down", **CLAUDE))
    assert saved(hour.minutes.values()) == {"cost_usd": 465e-6, "baseline_usd": 930e-6, "saved_usd": 465e-6}


def test_how_fast(hour: Hour, clock: Clock) -> None:
    """TTFT and TPOT of streams, of one model or of all."""
    hour(finished())
    hour(finished("l", first_byte=1002.0, last_byte=1003.0))
    hour(finished("l", stream=False))
    windows = Windows(hour.minutes, clock())
    one, every = speed(windows, "s"), speed(windows)
    assert (one["ttft"]["p50"], one["tpot"]["p95"]) == (pytest.approx(0.2, rel=0.05), pytest.approx(0.05, rel=0.05))
    assert (every["ttft"]["count"], every["ttft"]["p95"]) == (2, pytest.approx(2, rel=0.05))


def test_minute_by_minute(hour: Hour, clock: Clock) -> None:
    """Sixty whole minutes and the one under way, in order, with gaps where nothing ended."""
    hour(finished())
    clock.now += 120
    hour(finished("l"))
    found = series(Windows(hour.minutes, clock()), Places(FLEET))
    assert found["answers"]["small"][-3:] == [1, 0, 0]
    assert found["answers"]["large"][-3:] == [0, 0, 1]
    assert (len(found["ttft_p50"]), found["ttft_p50"][-2], found["until"]) == (61, None, clock.now)


def test_an_hour_is_kept(hour: Hour, clock: Clock) -> None:
    """After a day of an answer a minute there are 61 minutes, and nothing grows."""
    for _ in range(1440):
        hour(finished())
        clock.now += 60
    assert len(hour.minutes) == MINUTES + 1
    assert split(Windows(hour.minutes, clock()).last(5), Places(FLEET))[0]["answers"] == 5


def test_the_rate_is_of_a_minute(hour: Hour, clock: Clock) -> None:
    """A steady answer a second is sixty a minute, wherever in a minute one looks."""
    rates = []
    for _ in range(150):
        hour(finished())
        clock.now += 1
        rates.append(Windows(hour.minutes, clock()).rate("s").answered)
    assert set(rates[60:]) <= {59, 60, 61}


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"outcome": "failed", "status": 503, "error": "upstream_connect"}, ["upstream_connect"]),
        ({"outcome": "cut", "status": 200}, ["cut"]),
        ({"outcome": "refused", "status": 429, "error": "queue_full"}, ["queue_full"]),
        ({"outcome": "refused", "status": 400, "error": "invalid_request"}, []),
        ({"outcome": "refused", "status": 401, "error": "invalid_api_key"}, []),
        ({"outcome": "gone", "status": 499}, []),
    ],
    ids=["failed", "cut", "full", "mistake", "no-key", "gone"],
)
def test_what_counts_as_an_error(hour: Hour, fields: dict[str, Any], shown: list[str]) -> None:
    """What the fleet could not do, not what callers did wrong."""
    hour(finished(**fields))
    assert [problem.what for problem in hour.problems] == shown


def test_a_storm_of_errors(hour: Hour) -> None:
    """The same error again and again is one line with a count, and there are never more than so many lines."""
    hour(TargetFailed("r", "l", "connect", "", retried=True))
    for _ in range(1000):
        hour(finished(outcome="failed", status=503, error="upstream_connect"))
    assert [(problem.what, problem.count) for problem in hour.problems] == [("connect", 1), ("upstream_connect", 1000)]
    for number in range(200):
        hour(finished(outcome="failed", status=503, error=f"e{number}"))
    assert len(hour.problems) == PROBLEMS
