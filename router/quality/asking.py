"""Asking a model on behalf of the quality loop: only an idle one, within the loop's own money, and on record first.

Invariant: nothing of a request goes to a model outside of the site that the request itself may not go to. Money is
reserved at the worst case before, and settled after; nothing is tried again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import orjson

from cluster.spec import Model, Quality
from router.accounts.budget import cost_of, worst_case
from router.accounts.errors import StoreUnavailableError
from router.accounts.facts import Leaving
from router.accounts.pot import Pot
from router.accounts.trail import Trail
from router.backends.contract import Backend
from router.backends.errors import ConnectError, CutError, StatusError, UnfitError, UpstreamError
from router.backends.fairness import Caller
from router.backends.slots import QueueFullError
from router.observe.events import Listener
from router.quality.watch import Seen
from router.wire.errors import Refusal
from router.wire.parse import Request
from router.wire.usage import usage_of

BUSY, UNPAID, FAILED, AWAY = "busy", "unpaid", "failed", "away"
LONGEST_S = 300.0
"""For one answer."""
_CHAT = b"/v1/chat/completions"
_OK = 200
_CALLER = Caller("~quality")
"""On whose behalf a slot is taken: no tenant can have this name."""
_NOT_ASKED_AGAIN = frozenset({"model", "stream", "stream_options", "logprobs", "top_logprobs", "n", "user", "metadata"})
_NOT_CHARGED = (ConnectError, StatusError, UnfitError)


class NotAskedError(Exception):
    """There is no answer; ``outcome`` says why, for metrics."""

    def __init__(self, outcome: str) -> None:
        """One of the four above."""
        super().__init__(outcome)
        self.outcome = outcome


class Reply(NamedTuple):
    """What a model said."""

    text: str
    cost_micros: int


class Asker:
    """Asks the fleet's models."""

    def __init__(self, spec: Quality, targets: Mapping[str, Backend], pot: Pot, trail: Trail, tell: Listener) -> None:
        """``tell`` hears of what leaves."""
        self._quality, self._targets = spec, targets
        self._pot, self._trail, self._tell = pot, trail, tell
        self._unsettled: dict[str, int] = {}

    def may(self, name: str, seen: Seen) -> bool:
        """Whether a model may see a request, and could be asked for it at all."""
        model = self._targets[name].model
        if model.leaves_site and name not in seen.elsewhere:
            return False
        if model.is_outside and not self._quality.usd_per_day:
            return False
        ask = seen.ask
        if model.is_outside and ask.only_here:
            return False
        return ask.needs.issubset(model.capabilities) and ask.prompt_tokens + ask.room <= model.context_length

    async def ask(self, name: str, request: Request, seen: Seen, why: str) -> Reply:
        """One answer to a request that belongs to ``seen``.

        Raises:
            NotAskedError: there is none.

        """
        target = self._targets[name]
        load = target.load()
        if not load.available or load.waiting or load.in_flight >= self._quality.below_in_flight:
            raise NotAskedError(BUSY)
        call_id = f"ql_{secrets.token_hex(12)}"
        try:
            if target.model.price is None:
                return await self._answer(target, request, seen, why, call_id)
            return await self._paid(target, request, seen, why, call_id)
        except Refusal as exc:
            raise NotAskedError(UNPAID if exc.code == "insufficient_quota" else AWAY) from exc
        except StoreUnavailableError as exc:
            raise NotAskedError(AWAY) from exc
        except (UpstreamError, QueueFullError, TimeoutError) as exc:
            raise NotAskedError(FAILED) from exc

    async def _paid(self, target: Backend, request: Request, seen: Seen, why: str, call_id: str) -> Reply:
        """The same within the loop's money; what may have been charged counts as if it was."""
        await self._settle_the_rest()
        cost = _worst(target.model, request)
        await self._pot.reserve(seen.tenant, call_id, cost)
        try:
            reply = await self._answer(target, request, seen, why, call_id)
            cost = reply.cost_micros
        except (*_NOT_CHARGED, QueueFullError, Refusal):
            cost = 0
            raise
        finally:
            self._unsettled[call_id] = cost
            await self._settle_the_rest()
        return reply

    async def _answer(self, target: Backend, request: Request, seen: Seen, why: str, call_id: str) -> Reply:
        audit = partial(self._leaving, target, seen, why) if target.model.leaves_site else None
        asked = {field: value for field, value in request.items() if field not in _NOT_ASKED_AGAIN}
        async with asyncio.timeout(LONGEST_S):
            await target.slots.take(_CALLER)
            try:
                exchange, body = await target.ask(_CHAT, asked, call_id.encode(), audit)
                target.release(exchange)
            finally:
                target.slots.give(_CALLER)
        if exchange.status != _OK:
            raise StatusError(exchange.status)
        return _reply(target.model, body)

    async def _leaving(self, target: Backend, seen: Seen, why: str, size: int) -> None:
        leaving = Leaving(seen.request_id, seen.tenant, target.name, target.site, why, size)
        await self._trail.record(leaving)
        self._tell(leaving)

    async def _settle_the_rest(self) -> None:
        """Settle what is over; nothing more is reserved while that cannot be."""
        for call_id, cost in list(self._unsettled.items()):
            await self._pot.settle(call_id, cost)
            self._unsettled.pop(call_id, None)


def _worst(model: Model, request: Request) -> int:
    """What an answer costs at most: the whole prompt, a token a byte, and the longest answer."""
    if model.price is None:
        return 0
    prompt = min(len(orjson.dumps(request)), model.context_length)
    limit = request.get("max_completion_tokens") or request.get("max_tokens") or model.answer_limit
    return worst_case(model.price, prompt, limit)


def _reply(model: Model, body: bytes) -> Reply:
    """What a completion says; CutError where it is none, or does not tell what it cost."""
    msg = "what came is no answer"
    try:
        found = orjson.loads(body)
        text = found["choices"][0]["message"].get("content") or ""
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError) as exc:
        raise CutError(msg) from exc
    used = usage_of(found)
    if used is None:
        if model.is_outside:
            raise CutError(msg)
        return Reply(str(text), 0)
    return Reply(str(text), cost_of(model.price, used.prompt, used.completion, used.cached, used.written))
