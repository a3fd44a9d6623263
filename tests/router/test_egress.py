"""A canary in every prompt, and an internet that must never see it: every path, every trigger, every failure."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cluster.spec import Fleet
from tests.router.engine import Engine
from tests.router.gateway import Running, Trio
from tests.router.hosted import PRICE, refuses, says, spilling

pytestmark = pytest.mark.anyio

CANARY = "canary-4711"
NEVER = {"x_freehold_egress": "never"}
BODIES: dict[str, dict[str, object]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": CANARY}]},
    "/v1/completions": {"prompt": CANARY},
    "/v1/responses": {"input": CANARY},
    "/v1/messages": {"max_tokens": 5, "messages": [{"role": "user", "content": CANARY}]},
    "/v1/embeddings": {"input": CANARY},
}
LONG = " ".join([CANARY] * 1000)
MODELS = ("auto", "small", "large", "embedding", "s", "l", "e", "c", "u")


@pytest.fixture
async def internet() -> AsyncIterator[Engine]:
    """Whatever is outside, on one address."""
    async with Engine() as outside:
        outside.then(*[says] * 500)
        yield outside


def fleet_before(trio: Trio, internet: Engine, **spillover: object) -> Fleet:
    """With a hosted model of each kind outside, both in the chain."""
    plain = spilling(trio, internet).model_dump(exclude_unset=True)
    outside = {"engine": "url", "url": internet.url, "price": PRICE, "capabilities": ["chat", "vision"]}
    plain["models"]["u"] = {**outside, "context_length": 200_000}
    plain["spillover"] = {"chain": ["c", "u"], "open_usd_per_day": 1000, **spillover}
    return Fleet.model_validate(plain)


async def every_path(gateway: Running, **headers: str) -> set[int]:
    """Ask everything of everybody; gives back the statuses."""
    statuses = set()
    for path, body in BODIES.items():
        for model in MODELS:
            for stream in (False, True) if path != "/v1/embeddings" else (False,):
                asked = {**body, "model": model, **({"stream": True} if stream else {})}
                statuses.add((await gateway.post(path, asked, **headers)).status)
            explained = await gateway.post("/v1/route", {**body, "model": model}, **headers)
            statuses.add(explained.status)
            assert not {"c", "u"} & {explained.json.get("model"), *explained.json.get("alternatives", [])}
    long = {"model": "auto", "messages": [{"role": "user", "content": LONG}]}
    statuses.add((await gateway.post("/v1/chat/completions", long, **headers)).status)
    statuses.add((await gateway.post("/v1/route", long, **headers)).status)
    return statuses


def nothing_wrong(trio: Trio) -> None:
    """All is well."""
    assert len(list(trio)) == 3


def all_down(trio: Trio) -> None:
    """Nobody listens."""
    for engine in trio:
        engine.stop()


def all_failing(trio: Trio) -> None:
    """Everybody fails."""
    for engine in trio:
        engine.then(*[refuses(500)] * 1000)


def all_too_small(trio: Trio) -> None:
    """Every prompt that is counted is too long."""
    for engine in trio:
        engine.tokens = 1 << 20


STATES = {"well": nothing_wrong, "down": all_down, "failing": all_failing, "too-small": all_too_small}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("spillover", [{}, {"ttft_seconds": 1e-9}], ids=["usual", "slow"])
async def test_never_means_never(engines: Trio, internet: Engine, state: str, spillover: dict[str, object]) -> None:
    """With the header, not even a connection is opened to the outside, whatever is asked and whatever happens here."""
    STATES[state](engines)
    async with Running(fleet_before(engines, internet, **spillover)) as gateway:
        statuses = await every_path(gateway, **NEVER)
        egress = [line for line in gateway.lines if line["event"] == "egress"]
    assert 403 in statuses
    assert (internet.opened, egress) == (0, [])


async def test_what_leaves_is_on_record(engines: Trio, internet: Engine) -> None:
    """Without the header it leaves, and the record has every byte count, before the request's own line."""
    all_down(engines)
    async with Running(fleet_before(engines, internet)) as gateway:
        for path in ("/v1/chat/completions", "/v1/messages", "/v1/completions", "/v1/responses"):
            for model in ("auto", "c", "u"):
                await gateway.post(path, {**BODIES[path], "model": model})
        egress = [line for line in gateway.lines if line["event"] == "egress"]
        counted = await gateway.metric("freehold_egress_bytes_total")
        asked = {line["request_id"] for line in await gateway.told(12)}
    assert all(CANARY in exchange.body.decode() for exchange in internet.seen)
    assert [line["bytes"] for line in egress] == [len(exchange.body) for exchange in internet.seen]
    assert counted == sum(line["bytes"] for line in egress)
    assert {line["request_id"] for line in egress} == asked
    assert {line["host"] for line in egress} == {"127.0.0.1"}


@pytest.mark.parametrize("wish", ["always", "allow", "nevr", "never, always", ""], ids=str)
async def test_a_request_cannot_loosen(engines: Trio, internet: Engine, wish: str) -> None:
    """Anything but never is refused: neither a permission nor a slip of the pen may pass for one."""
    async with Running(fleet_before(engines, internet)) as gateway:
        body = {"model": "auto", **BODIES["/v1/chat/completions"]}
        answer = await gateway.post("/v1/chat/completions", body, x_freehold_egress=wish)
    assert (answer.status, answer.json["error"]["param"]) == (400, "x-freehold-egress")
    assert internet.opened == 0


async def test_a_count_never_leaves(engines: Trio, internet: Engine) -> None:
    """To learn how long a prompt is, nobody outside is asked; nor to explain, nor to see whether all is ready."""
    async with Running(fleet_before(engines, internet)) as gateway:
        for model in ("u", "c"):
            long = {"model": model, "messages": [{"role": "user", "content": LONG * 20}]}
            assert (await gateway.post("/v1/route", long)).status == 200
    assert not internet.asides + internet.seen


async def test_readiness_costs_nothing(engines: Trio, internet: Engine) -> None:
    """Whether a hosted model would answer is not asked of it."""
    async with Running(fleet_before(engines, internet)) as gateway:
        ready = await gateway.get("/readyz")
    assert (ready.status, ready.json["models"]["c"]) == (200, True)
    assert CANARY not in "".join(exchange.body.decode() for exchange in internet.asides)
