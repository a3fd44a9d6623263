"""What is promised is judged by the fleet file's own figures, request by request."""

from __future__ import annotations

import pytest

from cluster.spec import Slo
from router.observe.events import Finished
from router.observe.metrics import Metrics

ALL = Slo(ttft_p95_s=0.5, tpot_p95_s=0.1, e2e_p95_s=2, error_rate=0.01, goodput=0.9)


def told(metrics: Metrics) -> dict[str, str]:
    """Samples of promises, without the prefix."""
    lines = metrics.exposition([]).decode().splitlines()
    found = (line.removeprefix("freehold_slo_").rsplit(" ", 1) for line in lines if line.startswith("freehold_slo_"))
    return {name: value for name, value in found if "_created" not in name}


def finished(ttft: float = 0.1, total: float = 1, outcome: str = "complete") -> Finished:
    """A stream of 11 tokens that began at second 10."""
    found = Finished("r", "chat", 10, stream=True, model="m", outcome=outcome, completion_tokens=11)
    found.first_byte, found.last_byte = 10 + ttft, 10 + total
    return found


@pytest.mark.parametrize(
    ("event", "broken"),
    [
        pytest.param(finished(), set(), id="good"),
        pytest.param(finished(ttft=0.6), {"ttft", "goodput"}, id="late first token"),
        pytest.param(finished(total=1.5), {"tpot", "goodput"}, id="slow tokens"),
        pytest.param(finished(ttft=1.9, total=2.1), {"ttft", "e2e", "goodput"}, id="late first token, and whole"),
    ],
)
def test_each_latency_is_judged_by_its_own_limit(event: Finished, broken: set[str]) -> None:
    """And goodput by all of them at once."""
    metrics = Metrics(slo=ALL)
    metrics(event)
    found = told(metrics)
    for promise in ("ttft", "tpot", "e2e", "goodput", "errors"):
        assert found[f'judged_total{{model="m",promise="{promise}"}}'] == "1.0"
        assert found[f'broken_total{{model="m",promise="{promise}"}}'] == str(float(promise in broken))


@pytest.mark.parametrize(
    ("outcome", "judged", "broken"),
    [("failed", 1, 1), ("cut", 1, 1), ("refused", 0, 0), ("gone", 0, 0)],
    ids=str,
)
def test_only_failures_of_ours_are_errors(outcome: str, judged: int, broken: int) -> None:
    """What a caller did wrong, or gave up, burns no budget; and no latency is judged of what did not come whole."""
    metrics = Metrics(slo=ALL)
    metrics(finished(outcome=outcome))
    found = told(metrics)
    errors = 'model="m",promise="errors"'
    assert float(found.get(f"judged_total{{{errors}}}", 0)) == judged
    assert float(found.get(f"broken_total{{{errors}}}", 0)) == broken
    assert 'judged_total{model="m",promise="ttft"}' not in found


def test_goodput_is_judged_by_what_can_be_measured() -> None:
    """An answer that was not streamed has no first token to be late; it neither holds nor breaks such a promise."""
    metrics = Metrics(slo=Slo(ttft_p95_s=0.5, goodput=0.9))
    whole = finished()
    whole.stream = False
    metrics(whole)
    assert [name for name in told(metrics) if name.startswith("judged")] == ['judged_total{model="m",promise="errors"}']


def test_what_is_not_promised_makes_no_series() -> None:
    """The limits and the shares that may break them are exported beside the counts, and nothing else."""
    metrics = Metrics(slo=Slo(ttft_p95_s=0.5, error_rate=1))
    metrics(finished())
    assert told(metrics) == {
        'judged_total{model="m",promise="ttft"}': "1.0",
        'broken_total{model="m",promise="ttft"}': "0.0",
        'allowed_ratio{promise="ttft"}': "0.05",
        'limit_seconds{promise="ttft"}': "0.5",
    }
