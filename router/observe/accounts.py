"""Gauges of money and of the ledger, read when somebody looks; neighbour: :mod:`router.observe.metrics`.

Several workers become one by the worst of them: the least money left, the oldest row that waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Gauge

from router.accounts.facts import Backlog, Left


class Accounts:
    """Registered only where there is something to tell, so that nothing looks like an empty ledger."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Nothing is looked at yet."""
        self._registry = registry
        self._looks: list[Callable[[], None]] = []

    def look(self) -> None:
        """Set the gauges."""
        for look in self._looks:
            look()

    def money(self, budgets: Callable[[], Mapping[str, Left]]) -> None:
        """Tell from now on what is left of the fleet's budgets, by window."""
        by = ("window",)
        limit = Gauge(
            "freehold_budget_usd",
            "What the fleet may spend on paid targets.",
            by,
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        left = Gauge(
            "freehold_budget_left_ratio",
            "Share of it that is neither spent nor reserved.",
            by,
            registry=self._registry,
            multiprocess_mode="livemin",
        )

        def look() -> None:
            for window, found in budgets().items():
                limit.labels(window).set(found.usd)
                left.labels(window).set(found.share)

        self._looks.append(look)

    def ledger(self, backlog: Callable[[], Backlog]) -> None:
        """Tell from now on what waits for the database."""
        lag, size = (
            Gauge(f"freehold_ledger_{name}", text, registry=self._registry, multiprocess_mode="livemax")
            for name, text in (
                ("lag_seconds", "Age of the oldest ledger row that the database does not have."),
                ("spool_bytes", "Ledger rows on this machine's disk that wait for the database."),
            )
        )

        def look() -> None:
            found = backlog()
            lag.set(found.lag_s)
            size.set(found.spool_bytes)

        self._looks.append(look)
