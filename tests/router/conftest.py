"""What the gateway's tests share: uvloop, as in production, three scripted engines, and a gateway before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import settings

from tests.router.engine import Engine
from tests.router.gateway import Running, Trio
from tests.router.hosted import says

settings.register_profile("router", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("router")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The event loop that the gateway runs on in production."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def engines() -> AsyncIterator[Trio]:
    """Three scripted engines."""
    async with Trio() as trio:
        yield trio


@pytest.fixture
async def outside() -> AsyncIterator[Engine]:
    """A hosted model."""
    async with Engine() as engine:
        engine.then(*[says] * 20)
        yield engine


@pytest.fixture
async def gateway(engines: Trio) -> AsyncIterator[Running]:
    """A gateway with the defaults of a fleet file."""
    async with Running(engines.fleet()) as running:
        yield running
