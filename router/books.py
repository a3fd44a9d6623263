"""The desk with accounts: a key opens a tab, quota and money are held while a request is under way, the ledger ends it.

Invariant: the end of an answer is released only after its rows are durable, and whatever was held is given back or
settled exactly once. Neighbours: :mod:`router.accounts.door` (keys), :mod:`router.accounts.quota`,
:mod:`router.accounts.budget`, :mod:`router.accounts.ledger`.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from starlette.types import Scope

from cluster.spec import AT, SHORTCUT, Fleet, Model
from router.accounts.allowance import Hold
from router.accounts.budget import Budgets, cost_of, worst_case
from router.accounts.cache import Responses
from router.accounts.door import Doorkeeper, permits
from router.accounts.errors import SpoolError
from router.accounts.facts import Attempt, Leaving, Principal
from router.accounts.group import Entry
from router.accounts.kept import Answer
from router.accounts.ledger import Ledger
from router.accounts.quota import Quotas
from router.accounts.store import Store
from router.accounts.trail import Trail
from router.backends.fairness import Caller
from router.decide.facts import Ask
from router.decide.policy import LoadOf
from router.desk import Headers, Tab, terms_of
from router.observe.events import Finished
from router.wire.endpoints import Endpoint
from router.wire.errors import Refusal
from router.wire.parse import Request

ANSWER_TOKENS = 256
"""Held for an answer whose request sets no limit; what it really used is settled in the end."""
_RETRY_S = 5


class Offices(NamedTuple):
    """What the desk works with."""

    store: Store
    door: Doorkeeper
    quotas: Quotas
    budgets: Budgets
    ledger: Ledger
    responses: Responses
    trail: Trail


class Books:
    """Opens tabs for those who have a key."""

    def __init__(self, fleet: Fleet, offices: Offices, load: LoadOf) -> None:
        """``load`` tells how many requests share a target's GPUs."""
        self.fleet, self.offices, self.load = fleet, offices, load
        self.tiers = {name: fleet.tier_of(name) for name in fleet.models}
        self._allowed: dict[str, tuple[Principal, Collection[str] | None]] = {}

    async def open(self, scope: Scope, endpoint: Endpoint) -> Tab:
        """Let a request in.

        Raises:
            Refusal: 401 or 403 by its key, 503 while answers could be written nowhere.

        """
        principal = await self.offices.door.admit(scope, endpoint.kind.value)
        if not self.offices.ledger.able:
            msg = "Neither the database nor the disk takes the accounts of an answer."
            raise _unavailable(msg)
        wish = next((value for name, value in scope["headers"] if name == _WISH), b"")
        return AccountTab(self, principal, self.allowed(principal), wish.decode("latin-1"))

    def allowed(self, principal: Principal | None) -> Collection[str] | None:
        """The models that a caller may use; worked out again only when its key or plan has changed."""
        if principal is None:
            return ()
        found = self._allowed.get(principal.key_id)
        if found is None or found[0] is not principal:
            found = self._allowed[principal.key_id] = (principal, self._permitted(principal))
            if len(self._allowed) > _MOST_KEYS:
                self._allowed = {principal.key_id: found}
        return found[1]

    def _permitted(self, principal: Principal) -> Collection[str] | None:
        models = self.fleet.models
        may = {
            name
            for name, model in models.items()
            if permits(principal, name.partition(AT)[0], self.tiers[name]) and self._may_go(principal, model)
        }
        return None if len(may) == len(models) else may

    def _may_go(self, principal: Principal, model: Model) -> bool:
        """Whether the plan lets a request go where the model is."""
        plan = principal.plan
        near = not model.site or plan.regions is None or self.fleet.sites[model.site].region in plan.regions
        return near and (plan.egress or not model.is_outside)


_MOST_KEYS = 10_000
_WISH = b"x-freehold-cache"


class AccountTab(Tab):
    """One request's account."""

    def __init__(self, books: Books, principal: Principal, allowed: Collection[str] | None, wish: str) -> None:
        """Opened by :meth:`Books.open`; ``wish`` is the caller's ``x-freehold-cache``."""
        self.allowed, self.tenant = allowed, principal.tenant
        self.terms = terms_of(principal, allowed)
        self.caller = Caller(principal.tenant, 1 << principal.plan.priority)
        self.keeps_samples = principal.plan.keep_samples
        self._books, self._principal = books, principal
        self._at: datetime = books.offices.store.now()
        self._hold: Hold | None = None
        self._ask: Ask | None = None
        self._paid: set[int] = set()
        self._entries: list[Entry] = []
        self._settled = False
        self._wish = wish
        self._digest: bytes | None = None
        self._kept_for = "", ""
        self._since = 0.0
        self._pieces: list[bytes] = []
        self._room = 0
        self._again = False

    async def hold(self, ask: Ask) -> Headers:
        """Hold a message, the prompt's tokens and the answer's."""
        self._ask = ask
        quotas = self._books.offices.quotas
        tokens = ask.prompt_tokens + (ask.answer_tokens or (ANSWER_TOKENS if ask.room else 0))
        self._hold = quotas.try_take(self._principal, 1, tokens) or await quotas.take(self._principal, 1, tokens)
        return quotas.headers(self._principal)

    async def cached(self, endpoint: Endpoint, request: Request, model: str) -> Answer | None:
        """Look into memory, then into the table where another gateway said that it is there."""
        responses = self._books.offices.responses
        self._digest = responses.digest(self.tenant, endpoint.kind.value, request, model, self._wish)
        adapters = self._books.fleet.models[model].adapters
        self._kept_for = model, request["model"] if request["model"] in adapters else ""
        if self._digest is None:
            return None
        self._since, self._room = responses.now, responses.answer_bytes
        answer = responses.get(self.tenant, self._digest) or await responses.fetch(self.tenant, self._digest)
        self._again = answer is not None
        return answer

    def passed(self, data: bytes) -> None:
        """Collect what may be kept."""
        if self._digest is not None and self._room >= 0:
            self._room -= len(data)
            self._pieces.append(data)

    def _keep(self, event: Finished) -> None:
        """Keep an answer of the model that it was looked up for, and of no other that stood in."""
        if (event.model, event.adapter) != self._kept_for:
            return
        if self._digest is not None and self._room >= 0 and self._pieces and not self._again:
            kind = "text/event-stream" if event.stream else "application/json"
            answer = Answer(kind, b"".join(self._pieces), event.prompt_tokens, event.completion_tokens)
            self._books.offices.responses.put(self.tenant, self._digest, answer, self._since)

    async def pay(self, event: Finished, model: str) -> None:
        """Reserve the worst case of an attempt: the whole prompt, and the longest answer that may come."""
        spec = self._books.fleet.models[model]
        if spec.price is None or self._ask is None:
            return
        answer = self._ask.answer_tokens or spec.answer_limit
        worst = worst_case(spec.price, min(self._ask.most_tokens, spec.context_length), answer)
        await self._books.offices.budgets.reserve(self._principal, event.request_id, event.attempts, worst)
        self._paid.add(event.attempts)

    async def leaves(self, leaving: Leaving) -> None:
        """A row, durable before the first byte goes."""
        await self._books.offices.trail.record(leaving)

    def failed(self, event: Finished, model: str, *, retried: bool) -> None:
        """Keep the row of an attempt that another one follows."""
        if retried:
            self._entries.append(self._entry(event, model, "retried", delivered=False))

    def escalated(self, event: Finished, model: str) -> None:
        """Keep the row of an attempt whose answer nobody saw; nobody else would have been paid for it, either."""
        entry = self._entry(event, model, "escalated", delivered=True)
        self._entries.append(entry._replace(attempt=entry.attempt._replace(baseline_micros=0)))

    async def settle(self, event: Finished) -> None:
        """Write the request's rows."""
        if self._settled:
            return
        self._settled = True
        delivered = event.outcome == "complete" or event.completion_tokens > 0
        entries = self._entries
        if event.attempts > len(entries) or self._again or event.model == SHORTCUT:
            entries.append(self._entry(event, event.model, event.outcome, delivered=delivered))
        if self._hold is not None:
            used = self._hold.used(1, event.prompt_tokens + event.completion_tokens) if delivered else ()
            self._hold.release()
            if used:
                entries[-1] = entries[-1]._replace(used=used)
        if entries:
            event.cost_micros = sum(entry.attempt.cost_micros for entry in entries)
            event.baseline_micros = entries[-1].attempt.baseline_micros
        try:
            await self._books.offices.ledger.write(entries)
        except SpoolError as exc:
            msg = "The account of this answer could be written nowhere."
            raise _unavailable(msg) from exc
        if event.outcome == "complete":
            self._keep(event)

    def _entry(self, event: Finished, model: str, outcome: str, *, delivered: bool) -> Entry:
        fleet = self._books.fleet
        spec = fleet.models.get(model)
        prompt, completion = (event.prompt_tokens, event.completion_tokens) if delivered else (0, 0)
        cached = event.cached_tokens if delivered else 0
        baseline = fleet.spillover.baseline
        total_s = (event.last_byte or time.monotonic()) - event.started
        gpus_shared = spec.accelerator.count / max(1, self._books.load(model).in_flight) if spec else 0.0
        price = spec.price if spec else None
        attempt = Attempt(
            request_id=event.request_id,
            attempt=event.attempts,
            at=self._at,
            tenant=self._principal.tenant,
            key_id=self._principal.key_id,
            endpoint=event.endpoint,
            model=model,
            tier=self._books.tiers.get(model, model),
            reason=event.reason,
            status=event.status,
            outcome=outcome,
            stream=event.stream,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=cached,
            gpu_ms=0 if self._again else round(total_s * 1000 * gpus_shared),
            cost_micros=0 if self._again else cost_of(price, prompt, completion, cached, event.written_tokens),
            baseline_micros=cost_of(baseline, prompt, completion, cached),
            queued_ms=round(event.queued_s * 1000),
            ttft_ms=round((event.first_byte - event.started) * 1000) if event.first_byte else 0,
            total_ms=round(total_s * 1000),
        )
        return Entry(attempt, reserved=event.attempts in self._paid)


def _unavailable(message: str) -> Refusal:
    return Refusal(503, message, code="accounts_unavailable", retry_after=_RETRY_S)
