"""The whole page as facts: sections that the browser draws as they come. No prompt, no answer, no key is in them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cluster.catalog.gpus import GIB, gpu
from cluster.errors import CatalogError
from cluster.spec import AUTO, Model
from router.page.figures import MICROS, Figures, Places, Windows, saved, series, speed, split, stayed
from router.page.hour import MINUTES
from router.page.lookout import RECENT_MINUTES, Lookout
from router.page.money import Money
from router.page.workers import Gauge, Share

FRESH_S = 1.0
"""How long the figures of now hold for everybody who asks."""
PAST_S = 10.0
"""The same for those of the hour; they are made in another thread, so that answers do not wait for them."""
_MINUTE_S = 60


class Overview:
    """Makes the sections, at most once a second however many look, and only while anybody does."""

    def __init__(self, lookout: Lookout) -> None:
        """Nothing is looked at before somebody asks."""
        self._lookout = lookout
        self._places = Places(lookout.fleet)
        self._money = Money(lookout)
        self._fleet = self._about()
        self._found: Figures = {}
        self._hour: Figures = {}
        self._hour_at = 0.0
        self._looking = asyncio.Lock()

    async def sections(self) -> Mapping[str, Any]:
        """By name, as JSON has them."""
        async with self._looking:
            now = time.time()
            if now - self._found.get("now", 0) > FRESH_S:
                self._lookout.caches.look()
                await self._money.look()
                if now - self._hour_at > PAST_S:
                    self._hour = await asyncio.to_thread(self._past, await self._lookout.past(), now)
                    self._hour_at = now
                self._found = self._sections(await self._lookout.recent(), now)
        return self._found

    def _past(self, share: Share, now: float) -> Figures:
        """Of the last hour."""
        windows = Windows(share.minutes, now)
        minutes = windows.last(MINUTES)
        return {
            "split": split(minutes, self._places),
            "latency": speed(windows),
            "speeds": {name: speed(windows, name) for name in self._lookout.fleet.models},
            "series": series(windows, self._places),
            "saved": saved(minutes) if self._lookout.fleet.spillover.baseline else None,
        }

    def _sections(self, share: Share, now: float) -> Figures:
        hour, replicas = self._hour, self._lookout.replicas
        windows = Windows(share.minutes, now)
        live = split(windows.last(RECENT_MINUTES), self._places)
        return {
            "now": now,
            "fleet": self._fleet,
            "models": [self._model(name, share, windows) for name in self._lookout.fleet.models],
            "split": {"live": live, "hour": hour["split"]},
            "latency": hour["latency"],
            "series": hour["series"],
            "stayed": stayed(hour["split"]),
            "saved": hour["saved"],
            "money": self._money.told(share.spent_micros / MICROS),
            "problems": [asdict(problem) for problem in reversed(share.problems)],
            "scaling": [asdict(move) for move in reversed(replicas.moves)] if replicas.known else None,
        }

    def _about(self) -> Figures:
        fleet = self._lookout.fleet
        return {
            "name": fleet.name,
            "access": fleet.tenants.access,
            "outside": self._places.outside,
            "live_minutes": RECENT_MINUTES,
            "choices": [AUTO, *(tier for tier in ("small", "large") if fleet.tiers_by_name()[tier])],
            "writers": [name for name, model in fleet.models.items() if not model.is_embedding],
            "slo": {"ttft": fleet.slo.ttft_p95_s, "tpot": fleet.slo.tpot_p95_s},
        }

    def _model(self, name: str, share: Share, windows: Windows) -> Figures:
        model, gauge = self._lookout.fleet.models[name], share.gauges.get(name, Gauge())
        rate = windows.rate(name)
        return {
            "name": name,
            "place": self._places.of(name),
            "engine": model.engine.value,
            "hardware": _hardware(model),
            "replicas": _replicas(model, self._lookout.replicas.known.get(name)),
            "kv_share": self._lookout.caches.used.get(name),
            "in_flight": gauge.in_flight,
            "waiting": gauge.waiting,
            "available": gauge.available,
            "answers_per_minute": rate.answered,
            "output_tokens_per_s": round(rate.completion_tokens / _MINUTE_S, 1),
            "prompt_tokens_per_s": round(rate.prompt_tokens / _MINUTE_S, 1),
            **self._hour["speeds"][name],
        }


def _hardware(model: Model) -> Figures | None:
    """What one replica runs on; None where it runs elsewhere."""
    if not model.runs_here:
        return None
    accelerator = model.accelerator
    try:
        memory = gpu(accelerator.type).memory_bytes / GIB * accelerator.count if accelerator.count else None
    except CatalogError:
        memory = None
    return {"type": accelerator.type, "count": accelerator.count, "memory_gib": memory}


def _replicas(model: Model, ready: int | None) -> Figures | None:
    """None where nobody here starts or ends any; ``ready`` is None where nobody says."""
    return {"ready": ready, "min": model.replicas.min, "max": model.replicas.max} if model.runs_here else None
