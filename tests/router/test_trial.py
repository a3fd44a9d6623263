"""The cascade in a whole gateway: what is held, kept, given up, cut out, counted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.router.client import Client
from tests.router.doubtful import LAST, ROLE, SAID, begins, plain, sure, weighing
from tests.router.engine import DONE
from tests.router.gateway import Running, Trio, chat

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"


@pytest.fixture
async def gateway(engines: Trio) -> AsyncIterator[Running]:
    """A gateway that gives half of the answers up: the first is kept, a less sure second one is not."""
    async with Running(weighing(engines)) as running:
        yield running


async def test_a_kept_stream_is_what_it_would_be_without(gateway: Running, engines: Trio) -> None:
    """The engine is asked for log probabilities, the caller sees none of them, and everything else as it came."""
    engines.small.then(sure())
    answer = await gateway.chat(stream=True)
    assert answer.body == b"".join((ROLE, *map(plain, SAID), LAST, DONE))
    assert answer.header("x-freehold-reason") == "cascade-kept"
    assert answer.header("x-freehold-cascade").startswith("kept; held_ms=")
    asked = engines.small.seen[0].request
    assert (asked["logprobs"], asked["top_logprobs"], asked["stream"]) == (True, 0, True)


async def test_a_doubtful_stream_is_given_up_early(gateway: Running, engines: Trio) -> None:
    """The engine's connection closes while it would go on; the large model answers, and nothing else is seen."""
    engines.small.then(sure(-0.1), begins(-4.0))
    await gateway.chat(stream=True)
    answer = await gateway.chat(stream=True)
    await engines.small.seen[1].left()
    assert (answer.header("x-freehold-model"), answer.header("x-freehold-reason")) == ("l", "cascade-escalated")
    assert answer.whole
    assert "w0" not in answer.body.decode()
    assert "logprobs" not in engines.large.seen[0].request
