"""Answers given again: only the same to the same, for a time, within bounds, and not after a deletion."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from cluster.spec import Fleet
from router.accounts.cache import Responses
from router.accounts.forget import forget
from router.accounts.kept import Answer, Kept
from router.accounts.sameness import deterministic
from router.accounts.store import Store
from tests.router.accounts.written import add_tenants, until

pytestmark = pytest.mark.anyio

_ANSWER = Answer("application/json", b'{"id": "chatcmpl-1"}', 7, 5)
_REQUEST: dict[str, Any] = {
    "model": "auto",
    "messages": [{"role": "user", "content": "Hello"}],
    "temperature": 0.0,
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": 1, "b": 2}}}],
}


def _fleet(**cache: int) -> Fleet:
    return Fleet.model_validate(
        {
            "name": "test",
            "models": {name: {"engine": "url", "url": f"http://127.0.0.1:9/{name}"} for name in ("one", "two")},
            "tenants": {"cache": cache},
        }
    )


@asynccontextmanager
async def _gateway(database: str, **cache: int) -> AsyncIterator[Responses]:
    store = await Store.open(database, 2)
    try:
        yield await Responses.open(store, _fleet(**cache))
    finally:
        await store.close()


class Hands:
    """A clock that is set by hand."""

    time = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.time


def _responses(store: Store, hands: Hands | None = None, **cache: int) -> Responses:
    return Responses(store, _fleet(**cache), hands or Hands())


def _named(responses: Responses, request: dict[str, Any], tenant: str = "acme", **where: str) -> bytes | None:
    return responses.digest(tenant, where.get("endpoint", "chat"), request, where.get("model", "one"))


@pytest.mark.parametrize(
    ("request_", "is_"),
    [
        ({"temperature": 0}, True),
        ({"temperature": 0.0}, True),
        ({"seed": 0}, True),
        ({"seed": 7, "temperature": 1.0}, True),
        ({}, False),
        ({"temperature": None, "seed": None}, False),
        ({"temperature": 0.1}, False),
        ({"top_p": 0.0}, False),
    ],
    ids=["zero", "zero-float", "seed-zero", "seed", "nothing-said", "nulls", "warm", "top-p"],
)
def test_what_is_deterministic(request_: dict[str, Any], *, is_: bool) -> None:
    """Temperature 0 or a seed, said in the request: an engine's default is not known."""
    assert deterministic(request_) is is_


@pytest.mark.parametrize(
    ("wish", "request_", "kept"),
    [("on", {}, True), ("off", {"seed": 1}, False), ("", {"seed": 1}, True), ("", {}, False), ("yes", {}, False)],
    ids=["wished", "unwished", "deterministic", "neither", "another-word"],
)
async def test_on_request(store: Store, wish: str, request_: dict[str, Any], *, kept: bool) -> None:
    """A caller can have any answer kept, or none."""
    assert (_responses(store).digest("acme", "chat", request_, "one", wish) is not None) is kept


async def test_off(store: Store) -> None:
    """A time to live of 0 turns the cache off."""
    responses = _responses(store, ttl_seconds=0)
    assert _named(responses, _REQUEST) is None
    assert responses.answer_bytes == 0


_OTHER = {
    "tenant": {"tenant": "other"},
    "endpoint": {"endpoint": "completion"},
    "model": {"model": "two"},
}
_CHANGES: dict[str, dict[str, Any]] = {
    "text": {"messages": [{"role": "user", "content": "hello"}]},
    "role": {"messages": [{"role": "system", "content": "Hello"}]},
    "temperature": {"temperature": 0.5, "seed": 1},
    "seed": {"seed": 1},
    "max_tokens": {"max_tokens": 16},
    "stop": {"stop": ["\n"]},
    "n": {"n": 2},
    "logprobs": {"logprobs": True},
    "logit_bias": {"logit_bias": {"1": 5.0}},
    "stream": {"stream": True},
    "usage-in-stream": {"stream": True, "stream_options": {"include_usage": True}},
    "user": {"user": "someone"},
    "tools-in-another-order": {
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"b": 2, "a": 1}}}]
    },
    "no-tools": {"tools": None},
    "format": {"response_format": {"type": "json_object"}},
    "false-for-null": {"parallel_tool_calls": False},
}


async def test_whatever_changes_the_answer_changes_the_name(store: Store) -> None:
    """Requests that differ in anything have names that differ, each from each other."""
    responses = _responses(store)
    names = [_named(responses, _REQUEST)]
    names += [_named(responses, _REQUEST, **where) for where in _OTHER.values()]
    names += [_named(responses, {**_REQUEST, **change}) for change in _CHANGES.values()]
    assert None not in names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "same",
    [
        dict(reversed(_REQUEST.items())),
        {**_REQUEST, "stream": False},
        {**_REQUEST, "stop": None, "stream": None},
        {**_REQUEST, "model": "one"},
    ],
    ids=["order", "no-stream", "nulls", "the-model-that-auto-chose"],
)
async def test_what_means_the_same_has_the_same_name(store: Store, same: dict[str, Any]) -> None:
    """The order of fields, what is null and how the model was named do not matter."""
    responses = _responses(store)
    assert _named(responses, same) == _named(responses, _REQUEST)


async def test_another_version_of_a_model(store: Store) -> None:
    """A model that is served from elsewhere under the same name is another model."""
    fleet = _fleet().model_dump(mode="json")
    fleet["models"]["one"]["url"] = "http://127.0.0.1:9/newer"
    newer = Responses(store, Fleet.model_validate(fleet))
    assert _named(newer, _REQUEST) != _named(_responses(store), _REQUEST)
    assert _named(newer, _REQUEST, model="two") == _named(_responses(store), _REQUEST, model="two")


async def test_from_memory_without_a_round_trip(store: Store) -> None:
    """What this gateway answered it answers again, for as long as it may; a miss costs no statement either."""
    hands = Hands()
    responses = _responses(store, hands, ttl_seconds=60)
    name = _named(responses, _REQUEST) or b""
    before = store.statements
    assert responses.get("acme", name) is None
    assert await responses.fetch("acme", name) is None
    responses.put("acme", name, _ANSWER, since=hands() - 1)
    hands.time += 59.9
    assert responses.get("acme", name) == _ANSWER
    assert responses.get("other", name) is None
    hands.time += 0.1
    assert responses.get("acme", name) is None
    assert store.statements == before


async def test_shared_by_gateways(database: str) -> None:
    """What one gateway kept another gives: a stream as the bytes that were sent, to the same tenant alone."""
    stream = Answer("text/event-stream", b'data: {"x": "\xc3\xa9"}\n\ndata: [DONE]\n\n', 7, 5)
    async with _gateway(database) as one, _gateway(database) as two:
        await add_tenants(one._store, "acme", "other")
        name = _named(one, {**_REQUEST, "stream": True}) or b""
        one.put("acme", name, stream, since=one.now - 1)
        await one.flush()
        await until(lambda: bool(two._marks))
        assert await two.fetch("other", name) is None
        await one.flush()
        two._heard(name[:8].hex())
        assert await two.fetch("acme", name) == stream
        assert two.get("acme", name) == stream
        async with _gateway(database) as later:
            assert await later.fetch("acme", name) == stream


async def test_the_table_forgets_in_time(database: str) -> None:
    """An answer in the table expires by the database's clock, and is removed."""
    async with _gateway(database, ttl_seconds=1) as one:
        await add_tenants(one._store, "acme")
        one.put("acme", b"n" * 32, _ANSWER, since=one.now - 1)
        await one.flush()
        async with one._store.begin() as connection:
            await connection.execute(text("UPDATE responses SET expires_at = now()"))
        one._heard("6e" * 8)
        assert await one.fetch("acme", b"n" * 32) is None
        await one.sweep()
        assert await _rows(one) == 0


async def test_the_table_is_bounded(database: str) -> None:
    """The oldest answers go when the table has more bytes than it may."""
    async with _gateway(database, table_bytes=10_000) as one:
        await add_tenants(one._store, "acme")
        for number in range(8):
            one.put("acme", bytes([number]) * 32, Answer("text/plain", b"x" * 1800, 1, 1), since=one.now - 1)
            await one.flush()
        await one.sweep()
        async with one._store.begin() as connection:
            kept = (await connection.scalars(text("SELECT digest FROM responses ORDER BY digest"))).all()
        assert kept == [bytes([number]) * 32 for number in range(3, 8)]


async def test_too_long_to_keep(store: Store) -> None:
    """An answer beyond ``answer_bytes`` is kept nowhere."""
    responses = _responses(store, answer_bytes=10)
    responses.put("acme", b"n" * 32, _ANSWER, since=99.0)
    await responses.flush()
    assert responses.get("acme", b"n" * 32) is None
    assert await _rows(responses) == 0


async def test_deletion(database: str) -> None:
    """When a tenant is deleted its answers are gone from the table and from every memory, also one under way."""
    async with _gateway(database) as one, _gateway(database) as two:
        await add_tenants(one._store, "acme", "other")
        asked_before = two.now
        for tenant, name in (("acme", b"a" * 32), ("other", b"o" * 32)):
            for gateway in (one, two):
                gateway.put(tenant, name, _ANSWER, since=gateway.now - 1)
                await gateway.flush()
        await forget(one._store, "acme")
        await until(lambda: not one.get("acme", b"a" * 32) and not two.get("acme", b"a" * 32))
        two.put("acme", b"b" * 32, _ANSWER, since=asked_before)
        assert two.get("acme", b"b" * 32) is None
        two.put("acme", b"c" * 32, _ANSWER, since=two.now + 1)
        await two.flush()
        async with one._store.begin() as connection:
            assert (await connection.scalars(text("SELECT tenant FROM responses"))).all() == ["other"]
        assert one.get("other", b"o" * 32) == _ANSWER


async def test_after_an_outage_memory_is_empty(store: Store) -> None:
    """A deletion may have gone unheard while the database was away."""
    responses = _responses(store)
    responses.put("acme", b"n" * 32, _ANSWER, since=99.0)
    responses._doubt()
    assert responses.get("acme", b"n" * 32) is None
    responses.put("acme", b"n" * 32, _ANSWER, since=100.0)
    assert responses.get("acme", b"n" * 32) is None


def test_memory_is_bounded() -> None:
    """However much is kept, so many bytes are; what was given last stays."""
    kept = Kept(10_000)
    for number in range(1000):
        kept.add(f"tenant{number % 3}", number.to_bytes(32), Answer("text/plain", b"x" * 600, 1, 1), 60.0)
        assert kept.get("tenant0", (0).to_bytes(32), 0.0) is not None
        assert kept.size <= 10_000
    assert len(kept) == 9
    kept.add("tenant0", b"n" * 32, Answer("text/plain", b"x" * 10_001, 1, 1), 60.0)
    assert len(kept) == 9
    for number in range(3):
        kept.forget(f"tenant{number}")
    assert (len(kept), kept.size) == (0, 0)


def test_memory_counts_each_answer_once() -> None:
    """Keeping an answer again does not count it again."""
    kept = Kept(10_000)
    for _ in range(100):
        kept.add("acme", b"n" * 32, _ANSWER, 60.0)
    assert (len(kept), kept.size) == (1, _ANSWER.size)


async def _rows(responses: Responses) -> int:
    async with responses._store.begin() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM responses")) or 0)
