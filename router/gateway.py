"""The life of one request: admit, understand, decide, forward, account, learn.

1. *Admit*: the body within its limits (:mod:`router.call`), its JSON and its fields (:mod:`router.wire.parse`).
2. *Understand*: what it needs; the engine's tokenizer counts where an estimate may err.
3. *Decide*: who answers (:mod:`router.choice` does both).
4. *Forward*: to the chosen target, then its alternatives, until the first byte (:mod:`router.relay` from there on).
5. *Account* and 6. *learn*: one event at the end, whatever the end was; metrics and the log listen.

Invariant: a request has one unmistakable end: a complete answer, an error in its API's shape, or an error event
without the stream's ending. Nothing is retried once the client has seen a byte.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial

from starlette.types import Receive, Scope, Send

from cluster.spec import AT, Fleet
from router.accounts.facts import Leaving
from router.accounts.kept import Answer
from router.backends.contract import Audit, Backend
from router.backends.errors import UpstreamError
from router.backends.retries import Retries
from router.backends.slots import QueueFullError
from router.call import Call, ClientLeftError
from router.choice import Chooser
from router.decide.facts import Decision, Load, Reason
from router.decide.policy import Policy
from router.desk import OPEN_DESK, Desk
from router.failures import Failure, UnpaidError, no_answer, worth_another_replica
from router.observe.events import Listener, TargetFailed
from router.patience import Patience
from router.relay import Relay, answer_again, answer_whole
from router.trial import Cascade, EscalatedError
from router.wire.endpoints import Endpoint
from router.wire.errors import NoAnswer, Refusal, error_event
from router.wire.parse import Request, parse
from router.wire.spoken import spoken

_BAD_REQUEST = 400
_CLIENT_LEFT = 499
_SERVER_ERROR = 500


class Gateway:
    """Answers requests for one fleet."""

    def __init__(
        self, fleet: Fleet, targets: Mapping[str, Backend], policy: Policy, tell: Listener, desk: Desk = OPEN_DESK
    ) -> None:
        """``tell`` receives every event; ``desk`` lets requests in and keeps their accounts."""
        self._fleet, self._targets = fleet, targets
        self.chooser = Chooser(fleet, targets, policy)
        self.desk, self._tell = desk, tell
        deadlines = fleet.gateway.deadlines
        self._for_client, self._for_answer = Patience("client", deadlines.client), Patience("total", deadlines.total)
        self._retries = Retries()
        self.cascade = Cascade(fleet, lambda name: policy.is_free(name, self.load(name)), tell)
        self._chain = frozenset(fleet.spillover.chain)

    async def answer(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Lead one request from its first byte to its end."""
        call = Call(endpoint, scope, receive, send)
        waits = self._for_client
        waits.begin(call)
        try:
            call.tab = await self.desk.open(scope, endpoint)
            body = await call.body(self._fleet.gateway.limits.body_bytes)
            waits.end(call)
            waits = self._for_answer
            waits.begin(call)
            await self._live(call, body)
        except Refusal as refusal:
            await call.refuse(refusal)
        except ClientLeftError:
            call.left = True
        except asyncio.CancelledError:
            if not call.left:
                await self._end_expired(call)
            if not (call.left or call.expired):
                raise
        finally:
            waits.end(call)
            await self._account(call)

    async def _live(self, call: Call, body: bytes) -> None:
        began = time.perf_counter()
        request = parse(call.endpoint, body, self._fleet.gateway.limits)
        call.event.asked_model, call.event.stream = request["model"], bool(request.get("stream"))
        choice = await self.chooser.choose(call.endpoint, request, call.headers, call.tab.terms)
        request, ask, decision = choice.request, choice.ask, choice.decision
        if choice.came.request_id:
            call.came(choice.came.request_id)
        call.event.decision_s = time.perf_counter() - began - choice.counting_s
        call.event.prompt_tokens = ask.prompt_tokens
        call.decided(decision)
        call.limits = await call.tab.hold(ask)
        if choice.said:
            kind, said = spoken(ask.kind, request, choice.said, call.request_id)
            await answer_again(call, Answer(kind, said, 0, 0), [])
            return
        self.chooser.policy.remember(ask, decision)
        answer = await call.tab.cached(call.endpoint, request, decision.model)
        if answer is not None:
            call.decided(decision._replace(reason=Reason.CACHED))
            await answer_again(call, answer, [(b"x-freehold-cache", b"hit")])
            return
        call.trial = self.cascade.trial(call.headers, call.event.asked_model, ask, request, decision)
        self._retries.earn()
        try:
            await self._forward(call, request, decision)
        except EscalatedError as given_up:
            self._escalated(call, given_up.decision)
            self.chooser.policy.remember(ask, given_up.decision)
            await self._forward(call, request, given_up.decision)

    def load(self, model: str) -> Load:
        """The live load of a model."""
        return self._targets[model].load()

    # -- forward ----------------------------------------------------------------------------------------------------

    async def _forward(self, call: Call, request: Request, decision: Decision) -> None:
        """Try the chosen target, then the alternatives; those that would make the request wait come last."""
        names = [decision.model, *decision.alternatives]
        if len(names) > 1 and decision.model not in self._chain:
            names.sort(key=lambda name: (name in self._chain, not self._targets[name].slots.free))
        last: Failure | None = None
        for position, name in enumerate(names):
            if name != call.event.model:
                call.decided(self._instead(decision, name, last))
            try:
                await self._at(call, self._targets[name], request, others=position + 1 < len(names))
            except (UpstreamError, QueueFullError, UnpaidError) as exc:
                last = last if isinstance(last, UnpaidError) else exc
                continue
            except NoAnswer as nobody:
                if not isinstance(last, UnpaidError):
                    raise
                call.event.outcome = ""
                raise last.refusal from nobody  # what the caller can do something about
            return
        raise no_answer(call, last) from last

    def _escalated(self, call: Call, decision: Decision) -> None:
        """Account for an attempt that was given up; the caller has seen nothing of it."""
        event = call.event
        call.tab.escalated(event, event.model)
        event.completion_tokens = 0
        call.decided(decision)

    def _instead(self, decision: Decision, name: str, last: Failure | None) -> Decision:
        """The decision for another target than the first; where its tier is another too, the reason says why."""
        tier, reason = self._fleet.tier_of(name), decision.reason
        if AT in name:
            reason = Reason.SITE
        elif tier != decision.tier and name in self._chain:
            reason = Reason.SPILL_DOWN
        elif tier != decision.tier and isinstance(last, UnpaidError):
            reason = Reason.UNPAID
        elif tier != decision.tier:
            reason = Reason.DOWN if isinstance(last, UpstreamError) else Reason.BUSY
        return Decision(name, tier, reason, decision.alternatives, decision.score)

    async def _at(self, call: Call, target: Backend, request: Request, *, others: bool) -> None:
        """Take a slot at a target and have it answer, with a second try where another replica may do better."""
        waits = time.monotonic()
        await target.slots.take(call.tab.caller)
        try:
            call.event.queued_s += time.monotonic() - waits
            try:
                await self._attempt(call, target, request)
            except UpstreamError as exc:
                elsewhere = target.model.is_outside or target.model.site
                again = not elsewhere and worth_another_replica(exc, others=others)
                self._failed(call, target, exc, more=again or others)
                if not again:
                    raise
                await self._last_attempt(call, target, request, others=others)
        finally:
            target.slots.give(call.tab.caller)

    async def _last_attempt(self, call: Call, target: Backend, request: Request, *, others: bool) -> None:
        try:
            await self._attempt(call, target, request)
        except UpstreamError as exc:
            self._failed(call, target, exc, more=others)
            raise

    def _failed(self, call: Call, target: Backend, error: UpstreamError, *, more: bool) -> None:
        """Tell of an attempt that failed; raises Refusal where no ``more`` can be done, or the budget is spent."""
        retried = more and self._retries.spend(error)
        call.tab.failed(call.event, target.name, retried=retried)
        self._tell(TargetFailed(call.request_id, target.name, error.cause, str(error), retried=retried))
        if not retried:
            raise no_answer(call, error) from error

    async def _attempt(self, call: Call, target: Backend, request: Request) -> None:
        """Ask the target; from its first byte on, what comes is relayed and no error leaves this method."""
        call.event.attempts += 1
        audit: Audit | None = None
        if target.model.leaves_site:
            await self._pay(call, target)
            audit = partial(self._leaving, call, target)
        trial = call.trial if call.trial and call.trial.decision.model == target.name else None
        relay = Relay(call, request, self._fleet.gateway.deadlines, trial)
        connection, first = await target.ask(relay.path, relay.request, call.request_id.encode(), audit)
        if trial is not None and connection.status >= _BAD_REQUEST:  # perhaps for what the trial asks besides
            target.release(connection)
            call.trial = None
            await self._attempt(call, target, request)
            return
        if target.model.adapters:
            call.adapted(relay.request["model"] if relay.request["model"] in target.model.adapters else "")
        try:
            if relay.streams and connection.status < _BAD_REQUEST:
                failure = await relay.stream(connection, first)
                if failure is not None:
                    self._tell(TargetFailed(call.request_id, target.name, failure.cause, str(failure), retried=False))
            else:
                if trial is not None and connection.status < _BAD_REQUEST:
                    first = await relay.whole(trial, connection, first)
                await answer_whole(call, connection, first)
        finally:
            target.release(connection)

    async def _pay(self, call: Call, target: Backend) -> None:
        """Reserve what the attempt may cost; where that cannot be, the target is not for this request."""
        try:
            await call.tab.pay(call.event, target.name)
        except Refusal as refusal:
            raise UnpaidError(refusal) from refusal

    async def _leaving(self, call: Call, target: Backend, size: int) -> None:
        """Have it on record first; what cannot be stays, like what cannot be paid."""
        leaving = Leaving(call.request_id, call.tab.tenant, target.name, target.site, call.event.reason, size)
        try:
            await call.tab.leaves(leaving)
        except Refusal as refusal:
            raise UnpaidError(refusal) from refusal
        self._tell(leaving)

    # -- the ends ---------------------------------------------------------------------------------------------------

    async def _end_expired(self, call: Call) -> None:
        """Tell the client why its request was stopped: a deadline passed, or the gateway is done draining."""
        which = call.expired or "drain"
        seconds = getattr(self._fleet.gateway.deadlines, which)
        if which == "client":
            message = f"The body did not arrive within gateway.deadlines.client ({seconds:g} s)."
            await call.refuse(Refusal(408, message, code="request_timeout", close=True))
            return
        message = f"The answer took longer than gateway.deadlines.{which} ({seconds:g} s)."
        if call.started:
            call.event.outcome, call.event.error = "cut", f"deadline_{which}"
            await call.end(error_event(message, f"deadline_{which}", call.endpoint.dialect))
        else:
            call.event.outcome = "failed"
            await call.refuse(NoAnswer(504, message, code=f"deadline_{which}"))

    async def _account(self, call: Call) -> None:
        event = call.event
        event.last_byte = event.last_byte or time.monotonic()
        if call.left and event.outcome != "complete":
            event.outcome = "gone"
            event.status = event.status or _CLIENT_LEFT
        elif not event.outcome:  # a mistake of ours, on its way to the log and to a 500
            event.outcome = "cut" if call.started else "failed"
            event.status = event.status or _SERVER_ERROR
        event.tenant = call.tab.tenant
        try:
            await call.tab.settle(event)
        except Refusal as refusal:
            event.error = event.error or refusal.code or ""
        self._tell(event)
