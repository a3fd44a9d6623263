"""A fleet that does well, and then everything happens to it that an alert is for; a real Prometheus watches.

The gateway is a process with a real database, the engines are simulated, the GPUs made up; each is scraped as it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cluster.ports import free_port
from cluster.spec import Fleet
from cluster.supervise.state import Home
from serving.autoscaling import leave_word
from serving.simulated import Simulation, Steady, simulated_engine
from tests.cluster.gpus.fake import Script
from tests.monitoring.prometheus import DASHBOARDS, WINDOW, Prometheus, prometheus
from tests.router.accounts.outage import Outage
from tests.router.accounts.town import Town, town
from tests.serving.gpus.test_main import agent

SECONDS = 30
"""Until what is waited for must have happened."""
QUICK = Steady(token_s=0.005, kv_tokens=100_000)
SLOW = Steady(token_s=0.2, kv_tokens=1024)
CHAT = ["chat"]
HOSTED = ["gone", "cloud"]
"""The first is asked in vain, then the second."""
FULL = "word " * 985
"""Tokens of a prompt that almost fills the cache."""
PRICE = {"prompt": 1000, "completion": 1000}
CAUSED_LAST = "FreeholdLedgerLags"
"""Without a database nothing is paid for any more, and no panel of money has anything to show."""


@dataclass
class Story:
    """What Prometheus saw."""

    calm: set[str] = field(default_factory=set)
    """Alerts that fired while all was well."""
    fired: set[str] = field(default_factory=set)
    panels: dict[tuple[str, str], int] = field(default_factory=dict)
    """Dashboard and title → samples of the query that has fewest."""


class Causes(NamedTuple):
    """What makes things happen."""

    gpus: Script
    outage: Outage


def panels() -> Iterator[tuple[str, str, list[str]]]:
    """Dashboard, title and queries of every panel, as Grafana would send them."""
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            asked = [target["expr"].replace("$__rate_interval", WINDOW) for target in panel["targets"]]
            yield file.stem, panel["title"], [query.replace("$model", ".*") for query in asked]


def fleet_of(engines: dict[str, str]) -> Fleet:
    """Two tiers with a cascade, an engine with a small cache, hosted models, keys, promises and some money."""
    local: dict[str, dict[str, Any]] = {
        name: {"engine": "url", "url": url, "capabilities": CHAT} for name, url in engines.items()
    }
    local["mini"]["logprobs"] = True
    for name in HOSTED:
        local[name] |= {"price": PRICE, "capabilities": [*CHAT, "json_schema"]}
    return Fleet.model_validate(
        {
            "name": "watched",
            "models": {name: {"context_length": 1024, **model} for name, model in local.items()},
            "tiers": {"small": ["mini"], "large": ["maxi"]},
            "routing": {"cascade": {"share": 0.1}},
            "slo": {"ttft_p95_s": 1, "tpot_p95_s": 0.1, "e2e_p95_s": 10, "goodput": 0.9},
            "spillover": {"chain": HOSTED, "baseline": PRICE},
            "tenants": {
                "access": "keys",
                "plans": {"paying": {"egress": True, "usd_per_day": 1000, "usd_per_month": 1000}},
                "default_plan": "paying",
                "budget": {"usd_per_day": 1000, "usd_per_month": 1000},
                "cache": {"ttl_seconds": 0},
                "in_metrics": 1,
            },
            "gateway": {"limits": {"in_flight": 2}, "probe_seconds": 0},
        }
    )


def told(folder: Path, database: str, outside: str, library: Path) -> Story:
    """All of it; ``outside`` is another database of the same server."""
    script = Script(folder / "gpus")
    script.add("gpus 2", "0.nvlinks 18", "0.pid 1", "1.migs 2")
    with ExitStack() as stack:
        simulations = [Simulation(name, QUICK, 1024) for name in ("mini", "maxi", "cloud")]
        simulations.append(Simulation("packed", SLOW, 1024))
        engines = {one.model: stack.enter_context(simulated_engine(one)) for one in simulations}
        gpus = stack.enter_context(agent(library, script, free_port()))
        scraped = {"engines": [_host(url) for url in engines.values()], "gpus": [_host(gpus)]}
        fleet = fleet_of({**engines, "gone": f"http://127.0.0.1:{free_port()}"})
        outage = stack.enter_context(Outage(database, outside))
        return asyncio.run(_told(folder, fleet, database, Causes(script, outage), scraped))


async def _told(folder: Path, fleet: Fleet, database: str, causes: Causes, scraped: dict[str, list[str]]) -> Story:
    story = Story()
    _tell_replicas(folder / "home")
    async with town(folder, fleet, database, 1) as running:
        targets = {**scraped, "gateway": [f"127.0.0.1:{running.gateways[0].port}"]}
        with prometheus(folder, targets) as watching:
            await _happen(story, running, watching, causes)
    return story


def _tell_replicas(home: Path) -> None:
    """What the supervisor and the autoscaling policy leave below the fleet's directory."""
    with Home(home).held():
        Home(home).tell_replicas('{"mini": 1, "maxi": 2}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FREEHOLD_HOME", str(home))
        leave_word("maxi", 2, "a test")


async def _happen(story: Story, running: Town, watching: Prometheus, causes: Causes) -> None:
    key = await running.key("paying")
    async with _asked(running, key, {"model": "auto"}, {"model": "mini", "stream": True}, lanes=3):
        await _until(lambda: len(watching.query("freehold:slo_burn:rate1h")) >= 4)
        story.calm = watching.firing()
        causes.gpus.add("event 0 79", "1.ecc.uncorrected 1", "0.reasons 72")
        causes.outage.connection.execute(SPENT)
        abroad = {
            "model": "auto",
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}},
        }
        full = {
            "model": "packed",
            "messages": [{"role": "user", "content": FULL}],
            "ignore_eos": True,
            "max_tokens": 25,
        }
        async with _asked(running, key, abroad), _asked(running, key, full, lanes=2):
            await _until(lambda: _shown(story, watching) and story.fired >= alerts() - {CAUSED_LAST})
            causes.outage.begin()
            await _until(lambda: _shown(story, watching) and CAUSED_LAST in story.fired)


SPENT = b"""
    INSERT INTO budget_windows (tenant, kind, window_start, spent_micros)
    SELECT '', kind, date_trunc(kind, now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC', 950000000
    FROM unnest(ARRAY['day', 'month']) AS kind
    ON CONFLICT (tenant, kind, window_start) DO UPDATE SET spent_micros = excluded.spent_micros
"""
"""All but a twentieth of the fleet's budgets."""


def alerts() -> set[str]:
    """Those that the story causes; burning budgets need days, and promtool has them."""
    return {
        *("FreeholdBreakerOpen", "FreeholdBudgetNearEnd", "FreeholdSpillsMuch", "FreeholdKvCacheFull", CAUSED_LAST),
        *("FreeholdGpuCondemned", "FreeholdGpuXid", "FreeholdGpuMemoryErrors", "FreeholdGpuSlowedDown"),
    }


def _shown(story: Story, watching: Prometheus) -> bool:
    """Look at the alerts, and at every panel that had nothing to show yet."""
    story.fired |= watching.firing()
    for dashboard, title, queries in panels():
        if not story.panels.get((dashboard, title)):
            story.panels[dashboard, title] = min(len(watching.query(query)) for query in queries)
    return all(story.panels.values())


async def _until(condition: Callable[[], bool]) -> None:
    """Wait; what has not come in time is found missing by a test, with its name."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - Prometheus tells nobody by itself
                await asyncio.sleep(0.2)


@asynccontextmanager
async def _asked(running: Town, key: str, *bodies: dict[str, Any], lanes: int = 1) -> AsyncIterator[None]:
    """Ask for each of the bodies without a pause, in so many lanes, until the block is left."""

    async def lane() -> None:
        while True:
            for body in bodies:
                await running.ask(key, **{"max_tokens": 20, **body})

    tasks = [asyncio.create_task(lane()) for _ in range(lanes)]
    try:
        yield
    finally:
        for task in tasks:
            assert task.cancel(), task.exception()
        await asyncio.gather(*tasks, return_exceptions=True)


def _host(url: str) -> str:
    return url.removeprefix("http://")
