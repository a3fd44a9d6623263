"""Points for a calibration: measured at a server, or read from what ``vllm bench serve`` wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.client.http import Endpoint
from cluster.client.sweep import Plan, from_bench, measure
from cluster.errors import UsageError
from tests.openai_server import openai_server

RESULT: dict[str, Any] = {
    "completed": 40,
    "num_prompts": 40,
    "total_input_tokens": 40_000,
    "total_output_tokens": 4000,
    "request_rate": "inf",
    "max_concurrency": 4,
    "mean_ttft_ms": 120.0,
    "mean_tpot_ms": 12.5,
}


def written(folder: Path, **changes: Any) -> Path:  # noqa: ANN401 - whatever JSON holds
    """A result file."""
    file = folder / "result.json"
    file.write_text(json.dumps(RESULT | changes))
    return file


def test_every_caller_has_its_share() -> None:
    """Lengths come from the server's usage, latencies from its stream, progress is told for each answer."""
    answered: list[int] = []
    with openai_server() as server:
        plan = Plan("stub", words=5, each=4, fewest=1, passes=2)
        one, point = measure(Endpoint(server), plan, [1, 4], lambda: answered.append(1))
    assert (point.callers, point.prompt, point.output) == (4, 7, 3)
    assert point.ttft_s > 0
    assert point.tpot_s > 0
    assert one.callers == 1
    assert len(answered) == 2 * 3 * (1 + 4)


def test_replicas_share_the_callers() -> None:
    """Four callers of two replicas are two of each."""
    with openai_server(replicas=[2]) as server:
        (point,) = measure(Endpoint(server), Plan("stub", each=2, fewest=1, passes=1), [4])
    assert point.callers == 2


def test_a_number_of_replicas_that_changes_is_told() -> None:
    """What was measured is no one load then."""
    with (
        openai_server(replicas=[1, 1, 2]) as server,
        pytest.raises(UsageError, match="from 1 to 2 replicas while 4 callers"),
    ):
        measure(Endpoint(server), Plan("stub", each=2, fewest=1, passes=1), [1, 4])


def test_a_result_of_vllms_benchmark_is_a_point(tmp_path: Path) -> None:
    """With a limit of 4 callers, a tenth of the requests came at once."""
    point = from_bench(written(tmp_path))
    assert (point.callers, point.prompt, point.output, point.at_once) == (4, 1000, 100, 0.1)
    assert (point.ttft_s, point.tpot_s) == (0.12, 0.0125)


def test_a_rate_is_a_load_too(tmp_path: Path) -> None:
    """Without a limit, requests come at their rate; without either, all at once."""
    assert from_bench(written(tmp_path, max_concurrency=None, request_rate=2.5)).rate == 2.5
    assert from_bench(written(tmp_path, max_concurrency=None)).callers == 40


@pytest.mark.parametrize(
    "changes",
    [{"completed": 0}, {"mean_tpot_ms": -1}, {"total_input_tokens": "many"}, {"mean_ttft_ms": None}],
    ids=["nothing answered", "negative", "text", "missing"],
)
def test_what_is_no_result_is_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    """The file, and that it is not what was expected."""
    with pytest.raises(UsageError, match=r"result\.json: no result of vllm bench serve"):
        from_bench(written(tmp_path, **changes))
