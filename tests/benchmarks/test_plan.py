"""The planner's benchmark: enough candidates, and a plan that the simulator finds good."""

from __future__ import annotations

from benchmarks.plan import compared, searched


def test_the_search_judges_more_than_five_hundred_setups() -> None:
    """Two models on every GPU of the catalogue; what it takes is for the benchmark to judge."""
    figures = searched()
    assert figures["search_candidates"] >= 500
    assert figures["search_plans"] == 5


def test_planned_fleets_keep_their_promises_in_the_simulator() -> None:
    """Every example fleet, every tier, with the spare replicas and without them; latencies are about those foretold."""
    figures = compared(0.05)
    assert figures["kept_lowest_share"] >= 0.95
    assert figures["kept_with_spares_down_lowest_share"] >= 0.95
    assert figures["tpot_p95_median_error"] <= 0.25
