"""What accounts cost a gateway: throughput, CPU and latency with them beside the same gateway without, and the ledger.

The two take turns, round by round, under the same load. The ledger is read once the gateway has nothing under way.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import psutil

from benchmarks.lab import measures, probes, sides, wrk
from benchmarks.lab.accounts import Bank, bank, fleet, gateway
from benchmarks.lab.measures import Plan
from benchmarks.lab.processes import BenchmarkError
from benchmarks.lab.sides import CHAT, GATEWAY_CORE, LOAD_CORE, Side

CONNECTIONS: Final = 64
"""Enough for a group commit to have a group."""
_DRAIN_S, _QUIET_S = 30.0, 1.0
_SYNCS: Final = 100
_WORD: Final = "48213"
"""What differs from request to request; it is in the prompt."""

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of request."""

    name: str
    temperature: float


_KINDS: Final = (_Kind("unary", 0.7), _Kind("cacheable", 0.0))


@dataclass(slots=True)
class _Cost:
    """What one side did for one kind of request."""

    per_second: list[float] = field(default_factory=list)
    answers: int = 0
    cpu: float = 0.0
    """Of the gateway."""
    database_cpu: float = 0.0

    def figures(self, prefix: str) -> Figures:
        """The figures by the clock and by CPU time."""
        return {
            f"{prefix}_per_s": statistics.median(self.per_second),
            f"{prefix}_cpu_ms": self.cpu / self.answers * 1e3,
            f"{prefix}_per_core_s": self.answers / self.cpu,
        }


@dataclass(frozen=True, slots=True)
class _Bench:
    """Everything that runs."""

    books: Bank
    engine: Side
    without: Side
    accounts: Side

    def database(self) -> list[psutil.Process]:
        """All of the server's processes."""
        return [self.books.server, *self.books.server.children(recursive=True)]

    def database_cpu(self) -> float:
        """Seconds that they have used so far."""
        return probes.cpu_seconds(self.database())

    def processes(self) -> list[psutil.Process]:
        """All of them."""
        sides = (self.engine, self.without, self.accounts)
        return [*self.database(), *(member for side in sides for member in side.members())]


def load(plan: Plan, logs: Path) -> Figures:
    """Everything that is measured under load."""
    with sides.engine(logs) as engine, bank(core=LOAD_CORE) as books:
        plain = fleet(engine.url, logs / "open.json", access="open")
        keyed = fleet(engine.url, logs / "keys.json")
        with (
            gateway(books, plain, logs, name="open", core=GATEWAY_CORE) as without,
            gateway(books, keyed, logs, name="keys", core=GATEWAY_CORE) as keyless,
        ):
            key = books.key(keyless.url, "load", "plenty")
            accounts = replace(keyless, headers={"authorization": f"Bearer {key}"})
            sides.check(without)
            sides.check(accounts)
            figures = _measured(plan, _Bench(books, engine, without, accounts))
        return figures | _litellm(plan, logs, engine, figures)


def _litellm(plan: Plan, logs: Path, engine: Side, figures: Figures) -> Figures:
    """LiteLLM's proxy under the same load, in its favour without its database: no keys, quotas or spend to keep."""
    with sides.litellm(logs, engine.url) as proxy:
        sides.check(proxy)
        _drive(proxy, _KINDS[0], 2)
        before = probes.cpu_seconds(proxy.members())
        run = _drive(proxy, _KINDS[0], plan.seconds)
        cpu = (probes.cpu_seconds(proxy.members()) - before) / run.answers
    return {
        "litellm_unary_per_s": run.per_second,
        "litellm_unary_per_core_s": 1 / cpu,
        "unary_per_s_vs_litellm": figures["keys_unary_per_s"] / run.per_second,
        "unary_per_core_s_vs_litellm": figures["keys_unary_per_core_s"] * cpu,
    }


def _measured(plan: Plan, bench: _Bench) -> Figures:
    figures: Figures = {}
    answers = 0
    for kind in _KINDS:
        costs = _alternating(plan, kind, bench)
        for name, cost in costs.items():
            figures |= cost.figures(f"{name}_{kind.name}")
        for per in ("per_s", "per_core_s"):
            ratio = figures[f"keys_{kind.name}_{per}"] / figures[f"open_{kind.name}_{per}"]
            figures[f"{kind.name}_{per}_with_accounts"] = ratio
        keyed = costs["keys"]
        figures[f"postgres_{kind.name}_cpu_ms"] = keyed.database_cpu / keyed.answers * 1e3
        answers += keyed.answers
    figures["ledger_rows_per_core_s"] = 1e3 / figures["postgres_unary_cpu_ms"]
    figures |= _latency(plan, bench, figures["keys_unary_per_s"] / 2)
    return figures | _books(bench, answers) | {"disk_sync_p50_ms": _disk_sync_s(bench.books.home) * 1e3}


def _alternating(plan: Plan, kind: _Kind, bench: _Bench) -> dict[str, _Cost]:
    """The same load on each side in turn; the first run of each only warms it up."""
    both = [bench.without, bench.accounts]
    costs = {side.name: _Cost() for side in both}
    for number in range(plan.rounds + 1):
        for side in both if number % 2 else reversed(both):
            before, of_database = probes.cpu_seconds(side.members()), bench.database_cpu()
            run = _drive(side, kind, plan.seconds if number else 2)
            if not number:
                continue
            cost = costs[side.name]
            cost.per_second.append(run.per_second)
            cost.answers += run.answers
            cost.cpu += probes.cpu_seconds(side.members()) - before
            cost.database_cpu += bench.database_cpu() - of_database
    return costs


def _drive(side: Side, kind: _Kind, seconds: float) -> wrk.Throughput:
    asked = json.loads(side.body(stream=False)) | {"temperature": kind.temperature}
    body = json.dumps(asked).encode()
    return wrk.drive(
        side.url + CHAT,
        body,
        seconds=seconds,
        headers=side.headers,
        core=LOAD_CORE,
        connections=CONNECTIONS,
        vary=_WORD,
    )


def _latency(plan: Plan, bench: _Bench, per_second: float) -> Figures:
    """At half of the load: with accounts minus without, round by round."""
    others = probes.Neighbours(bench.processes())
    rounds = [
        tuple(measures.open_loop(side, per_second, plan.seconds) for side in (bench.without, bench.accounts))
        for _ in range(max(3, plan.rounds))
    ]
    figures: Figures = {
        "half_load_per_s": per_second,
        "half_load_others_core_share": others.core_share(),
        "half_load_reached": min(keyed["per_second"] for _, keyed in rounds) / per_second,
    }
    for name in ("p50", "p99"):
        key = f"{name}_ms"
        figures[f"open_half_load_{key}"] = statistics.median(plain[key] for plain, _ in rounds)
        figures[f"keys_half_load_{key}"] = statistics.median(keyed[key] for _, keyed in rounds)
        figures[f"added_{key}"] = statistics.median(keyed[key] - plain[key] for plain, keyed in rounds)
    return figures


def _books(bench: _Bench, answers: int) -> Figures:
    """What the ledger has beside what the gateway and the load have counted."""
    books = bench.books
    counted = _settled(lambda: books.complete(bench.accounts.url))
    rows = books.count("SELECT count(*) FROM ledger WHERE outcome = 'complete'")
    size = books.count(
        "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'ledger'::regclass"
    )
    return {
        "wrk_answers": answers,
        "gateway_answers": counted,
        "ledger_rows": rows,
        "ledger_rows_minus_gateway_answers": rows - counted,
        "answers_without_row": max(0, answers - rows),
        "ledger_bytes_per_row": size / rows,
    }


def _disk_sync_s(folder: Path) -> float:
    """Seconds until a page is on the disk; no commit is faster."""
    taken = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(bytes(8192))
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _settled(count: Callable[[], int]) -> int:
    """A count once it has stopped to grow: what was under way when the load ended has ended too."""
    until, before = time.monotonic() + _DRAIN_S, -1
    while (now := count()) != before:
        if time.monotonic() > until:
            msg = f"the gateway still answers {_DRAIN_S:.0f} s after the last request"
            raise BenchmarkError(msg)
        before = now
        time.sleep(_QUIET_S)
    return now
