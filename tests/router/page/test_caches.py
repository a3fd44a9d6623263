"""How full KV caches are, by what engines say."""

from __future__ import annotations

import pytest

from router.backends.target import Target
from router.page.caches import Caches, fullest
from tests.router.engine import Engine, Exchange, until
from tests.router.page.facts import FLEET

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (b'# TYPE x gauge\nvllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25\n', 0.25),
        (b'vllm:kv_cache_usage_perc{engine="0"} 0.25\nvllm:kv_cache_usage_perc{engine="1"} 9e-1\n', 0.9),
        (b"vllm:kv_cache_usage_perc 0.0\n", 0.0),
        (b"some_other_server 1\n", None),
        (b"", None),
    ],
    ids=["one", "several", "plain", "other", "nothing"],
)
def test_what_an_engine_says(text: bytes, share: float | None) -> None:
    """The fullest of its cores."""
    assert fullest(text) == share


async def test_engines_are_asked() -> None:
    """One that starts here, for its metrics; one behind a URL is somebody else's."""

    async def metrics(exchange: Exchange) -> None:
        exchange.answer(b"vllm:kv_cache_usage_perc 0.5\n")

    async with Engine() as engine:
        engine.then(metrics)
        targets = [Target(name, FLEET.models[name], engine.url, FLEET.gateway) for name in ("l", "s")]
        caches = Caches(targets)
        caches.look()
        caches.look()

        async def told() -> bool:
            return caches.used == {"l": 0.5, "s": None}

        await until(told)
        assert [exchange.path for exchange in engine.seen] == ["/metrics"]
        for target in targets:
            await target.close()
