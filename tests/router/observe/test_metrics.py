"""Metrics: their names are an interface, their labels are bounded, and what they count is what happened."""

from __future__ import annotations

import asyncio

import pytest

import router.backends.breaker
from tests.router.engine import Exchange, soon, until, usual
from tests.router.gateway import Running, Trio, chat

pytestmark = pytest.mark.anyio

NAMES = {
    "freehold_requests_total",
    "freehold_outcomes_total",
    "freehold_prompt_tokens_total",
    "freehold_cached_prompt_tokens_total",
    "freehold_completion_tokens_total",
    "freehold_upstream_errors_total",
    "freehold_upstream_retries_total",
    "freehold_time_to_first_token_seconds_bucket",
    "freehold_time_per_output_token_seconds_bucket",
    "freehold_e2e_request_latency_seconds_bucket",
    "freehold_queue_seconds_bucket",
    "freehold_decision_seconds_bucket",
    "freehold_in_flight",
    "freehold_queue_length",
    "freehold_target_up",
    "freehold_target_outside",
    "freehold_breaker_open",
    "freehold_slo_judged_total",
    "freehold_slo_broken_total",
    "freehold_slo_allowed_ratio",
}


async def cached(exchange: Exchange) -> None:
    """An answer of which the prompt was known."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    exchange.answer({"choices": [], "usage": usage})


async def broken(exchange: Exchange) -> None:
    """An internal error."""
    exchange.answer({}, 500)


async def test_every_name_is_there(engines: Trio) -> None:
    """After some traffic every documented name has samples."""
    go = asyncio.Event()

    async def held(exchange: Exchange) -> None:
        await go.wait()
        await usual(exchange)

    engines.small.then(cached, broken, usual, held)
    async with Running(engines.fleet(limits={"in_flight": 1})) as gateway:
        for _ in range(2):
            assert (await gateway.chat()).status == 200
        assert (await gateway.chat(model="l", stream=True)).status == 200
        waiting = [asyncio.create_task(gateway.chat(model="s")) for _ in range(2)]
        await gateway.queued(1)
        go.set()
        assert [(await soon(answer)).status for answer in waiting] == [200, 200]
        assert {name for name, _ in await gateway.metrics()} >= NAMES


async def test_counts_are_exact(gateway: Running, engines: Trio) -> None:
    """Requests, tokens, errors and retries are counted once each."""
    engines.small.then(cached, broken)
    for _ in range(2):
        assert (await gateway.chat()).status == 200
    assert (await gateway.chat(n=9)).status == 400
    assert await gateway.metric("freehold_requests_total", endpoint="chat", status="200", model="s") == 2
    assert await gateway.metric("freehold_requests_total", endpoint="chat", status="400", model="") == 1
    assert await gateway.metric("freehold_outcomes_total", outcome="complete") == 2
    assert await gateway.metric("freehold_outcomes_total", outcome="refused") == 1
    assert await gateway.metric("freehold_prompt_tokens_total", model="s") == 14
    assert await gateway.metric("freehold_completion_tokens_total", model="s") == 6
    assert await gateway.metric("freehold_cached_prompt_tokens_total", model="s") == 4
    assert await gateway.metric("freehold_upstream_errors_total", model="s", cause="status_500") == 1
    assert await gateway.metric("freehold_upstream_retries_total", model="s", cause="status_500") == 1


async def test_callers_cannot_make_labels(gateway: Running) -> None:
    """Whatever callers name, no new series appears: names of models, paths and fields are not labels."""
    assert (await gateway.chat(model="nobody")).status == 404
    before = set(await gateway.metrics())
    for number in range(20):
        assert (await gateway.chat(model=f"nobody-{number}")).status == 404
        await gateway.get(f"/path-{number}")
        await gateway.post("/v1/chat/completions", chat(user=f"user-{number}"), x_tenant=f"tenant-{number}")
    after = {key for key in set(await gateway.metrics()) - before if "nobody" in str(key) or "-1" in str(key[1])}
    assert after == set()


@pytest.mark.parametrize("name", ["time_to_first_token_seconds", "time_per_output_token_seconds"], ids=str)
async def test_only_streams_have_a_first_token(gateway: Running, name: str) -> None:
    """What can only be seen in a stream is only observed in streams."""
    assert (await gateway.chat()).status == 200
    assert await gateway.metric(f"freehold_{name}_count") == 0
    assert (await gateway.chat(stream=True)).status == 200
    assert await gateway.metric(f"freehold_{name}_count", model="s") == 1


async def test_the_text_is_prometheus(gateway: Running) -> None:
    """The answer has the content type that Prometheus knows."""
    response = await gateway.get("/metrics")
    assert response.header("content-type").startswith("text/plain; version=0.0.4")


async def test_a_breaker_is_open_until_an_answer(
    gateway: Running, engines: Trio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it pauses and also when it tries again; a pause that is over has not mended anything."""
    monkeypatch.setattr(router.backends.breaker, "FIRST_PAUSE_S", 0.01)
    engines.small.then(*[broken] * 4)
    for _ in range(2):
        assert (await gateway.chat(model="s")).status == 503

    async def tries_again() -> bool:
        return await gateway.metric("freehold_target_up", model="s") == 1

    await until(tries_again)
    assert await gateway.metric("freehold_breaker_open", model="s") == 1
    assert (await gateway.chat(model="s")).status == 200
    assert await gateway.metric("freehold_breaker_open", model="s") == 0
