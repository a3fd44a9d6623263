"""Replayed prompts are summed up by the way that they went; errors are counted, never lost."""

from __future__ import annotations

import pytest

from cluster.client.ask import Answer, Question
from cluster.client.http import Endpoint
from cluster.client.replay import Outcome, percentile, replay, rows
from tests.openai_server import openai_server


def question(text: str) -> Question:
    """One user's message."""
    return Question([{"role": "user", "content": text}])


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_every_prompt_has_an_outcome(stream: bool) -> None:
    """Answers and refusals come back in the order of the prompts, and each is counted as it comes."""
    done: list[None] = []
    texts = ["a", "please refuse", "b", "c"]
    with openai_server() as url:
        outcomes = replay(
            Endpoint(url), list(map(question, texts)), stream=stream, concurrency=3, on_done=lambda: done.append(None)
        )
    assert [bool(outcome.answer) for outcome in outcomes] == [True, False, True, True]
    assert "this server refuses (HTTP 400)" in outcomes[1].error
    assert outcomes[1].tier == "small"
    assert len(done) == len(texts)


def test_a_broken_stream_counts_as_an_error() -> None:
    """Half an answer is none."""
    with openai_server() as url:
        [outcome] = replay(Endpoint(url), [question("break off")], stream=True, concurrency=1, on_done=lambda: None)
    assert outcome.answer is None
    assert "broke off" in outcome.error


def test_rows_are_ways_and_their_sum() -> None:
    """One row for each tier and reason, then all of them together."""
    answers = [Answer("", "m", "small", "short", 1.0, 5, 11, ttft) for ttft in (0.1, 0.2, 0.3)]
    outcomes = [Outcome("small", "short", answer) for answer in answers]
    summary = rows([*outcomes, Outcome("large", "long", error="no")])
    assert [(row.tier, row.reason, row.count, row.errors) for row in summary] == [
        ("large", "long", 1, 1),
        ("small", "short", 3, 0),
        ("all", "", 4, 1),
    ]
    assert summary[1].ttft_p50_s == 0.2
    assert summary[1].tpot_p95_s == pytest.approx(0.09)
    assert summary[0].ttft_p50_s is None
    assert summary[2].completion_tokens == 33


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7.0], 0.95, 7.0), ([3.0, 1.0, 2.0], 0.5, 2.0), (list(map(float, range(1, 101))), 0.95, 95.0)],
    ids=["none", "one", "three", "a hundred"],
)
def test_percentile_is_a_value_that_was_measured(values: list[float], share: float, expected: float | None) -> None:
    """No interpolation: the nearest rank."""
    assert percentile(values, share) == expected
