"""Engines that nobody asks, asked for one token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cluster.spec import Capability, Gateway, Model
from router.backends.breaker import FAILURES
from router.backends.health import Health, probe
from router.backends.target import Target
from tests.router.engine import Engine, Exchange, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    """An engine whose server runs, whatever its model does."""
    async with Engine() as engine:
        yield engine


def target_of(engine: Engine, *capabilities: Capability) -> Target:
    """One of the fleet's own models, at that engine."""
    model = Model(source="builtin:tiny-small", context_length=512, capabilities=frozenset(capabilities))
    return Target("own", model, engine.url, Gateway())


async def dead(exchange: Exchange) -> None:
    """The server lives, the engine does not."""
    exchange.answer({"error": {"message": "EngineDeadError"}}, 500)


async def test_a_dead_engine_is_known_before_a_caller_comes(engine: Engine) -> None:
    """Its breaker opens by what the looks find, and closes by the first one that finds it alive."""
    engine.then(*[dead] * FAILURES)
    target = target_of(engine, Capability.CHAT)
    seen = [target.load().available]
    for _ in range(FAILURES):
        await probe(target)
    seen.append(target.load().available)
    await probe(target)
    seen.append(target.load().available)
    assert seen == [True, False, True]


@pytest.mark.parametrize(
    ("capability", "path"),
    [(Capability.CHAT, "/v1/chat/completions"), (Capability.EMBEDDINGS, "/v1/embeddings")],
    ids=["chat", "embeddings"],
)
async def test_it_is_asked_for_what_it_can_do(engine: Engine, capability: Capability, path: str) -> None:
    """One token of a model that writes, one embedding of one that embeds."""
    await probe(target_of(engine, capability))
    [asked] = engine.seen
    assert asked.path == path
    assert asked.request.get("max_tokens", 1) == 1


async def test_only_the_idle_are_asked(engine: Engine) -> None:
    """A target with a request under way tells of itself; one without is asked, again and again."""
    busy, idle = target_of(engine, Capability.CHAT), target_of(engine, Capability.EMBEDDINGS)
    await busy.slots.take()
    running = asyncio.create_task(Health([busy, idle], 0.01).run())

    async def asked() -> bool:
        return len(engine.seen) >= 3

    await until(asked)
    running.cancel()
    assert {one.path for one in engine.seen} == {"/v1/embeddings"}
