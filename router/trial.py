"""The cascade: an answer of ``small`` is held back until its first tokens tell whether to ask ``large`` instead.

Invariants: nothing is given up once the caller has seen a byte; a stream is held for so many tokens and so long at
most; the share of answers that are given up holds whatever the traffic. Neighbours: :mod:`router.decide.cascade` weighs
(pure), :mod:`router.relay` passes on what is kept, :mod:`router.gateway` asks the next one where it is not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from cluster.spec import Capability, Fleet
from router.backends.contract import Exchange
from router.decide.cascade import Doubt, signals_of, surprise
from router.decide.facts import Ask, Decision, Reason
from router.learn.quantile import RollingQuantile
from router.observe.events import Listener, Tried
from router.wire.endpoints import Endpoint, Kind
from router.wire.errors import Refusal
from router.wire.logprobs import A_TOKEN, tokens_of
from router.wire.parse import Request

HEADER = b"x-freehold-cascade"
_NEVER = b"never"
_TRIED = frozenset({Reason.SHORT, Reason.EASY})
"""Why a request is at ``small`` that might be better off at ``large``; any other reason is one to stay."""
_PLAIN = frozenset({Capability.CHAT, Capability.VISION})
_SILENT = 4
"""After so many pieces without a log probability, none will come."""


class EscalatedError(Exception):
    """The attempt was given up; ``decision`` says who is asked instead."""

    def __init__(self, decision: Decision) -> None:
        """Whoever holds the connection drops it, which cancels the request at the engine."""
        super().__init__(decision.model)
        self.decision = decision


class Cascade:
    """Which requests of one fleet are tried, and what is decided of them."""

    def __init__(self, fleet: Fleet, is_free: Callable[[str], bool], tell: Listener) -> None:
        """Off where the fleet file says no share; ``is_free`` tells whether a model would take one request more."""
        self.spec = fleet.routing.cascade
        self.tell = tell
        self.doubt: Doubt = surprise
        """The composition root may know a better one."""
        self._fleet, self._is_free = fleet, is_free
        self._quantile = RollingQuantile(self.spec.share, ())

    def trial(
        self, headers: Iterable[tuple[bytes, bytes]], named: str, ask: Ask, request: Request, decision: Decision
    ) -> Trial | None:
        """The trial of a request's first attempt; None where it is not to be tried.

        ``named`` is the model that its caller asked for, which may be a named route.

        Raises:
            Refusal: 400 for a header that says anything but ``never``.

        """
        if not self.spec.share or decision.reason not in _TRIED or not _is_plain(ask, request) or _opted_out(headers):
            return None
        if named in self._fleet.routes and not self._fleet.routes[named].cascade:
            return None
        if not self._fleet.models[decision.model].tells_doubt or not self._larger(decision):
            return None
        return Trial(self, request, decision)

    def _larger(self, decision: Decision) -> list[str]:
        return [name for name in decision.alternatives if name in self._fleet.tiers.large]

    def instead(self, decision: Decision) -> Decision | None:
        """Who would answer in the place of ``small``; None while every large model is down or busy."""
        large = self._larger(decision)
        free = [name for name in large if self._is_free(name)]
        if not free:
            return None
        others = [name for name in (*decision.alternatives, decision.model) if name not in free]
        return Decision(free[0], "large", Reason.ESCALATED, (*free[1:], *others))

    def is_doubtful(self, doubt: float) -> bool:
        """Whether an answer is among the least sure ones; remembers it."""
        return self._quantile.is_large(doubt)


class Trial:
    """One request's first attempt, at ``small``."""

    def __init__(self, cascade: Cascade, request: Request, decision: Decision) -> None:
        """``request`` as the caller sent it."""
        self.decision = decision
        self.withholds = not request.get("logprobs")
        """Whether the caller is to see no log probabilities, as it asked for none."""
        self.tokens = 0
        """Generated so far, while it is held."""
        self.note = b""
        """What ``x-freehold-cascade`` says of it."""
        self._cascade = cascade
        self._began = self._heard = 0.0

    def fields(self) -> Request:
        """What the engine is asked for besides; the clock of the attempt starts."""
        self._began, self.tokens = time.monotonic(), 0
        top = self._cascade.spec.top_logprobs
        return {"stream": True, "logprobs": True, "top_logprobs": top} if self.withholds else {"stream": True}

    async def held(self, exchange: Exchange, data: bytes, between_tokens: float, endpoint: Endpoint) -> bytes:
        """Read on until enough tokens have come, all of the answer has, or time is up; ``data`` came first.

        Raises:
            UpstreamError: the attempt failed meanwhile.

        """
        spec = self._cascade.spec
        self._heard = time.monotonic()
        pieces = seen = 0
        try:
            async with asyncio.timeout(spec.hold_seconds):
                while True:
                    end = data.rfind(b"\n") + 1
                    self.tokens += data.count(A_TOKEN, seen, end)
                    pieces += data.count(endpoint.piece, seen, end)
                    silent = pieces >= _SILENT and not self.tokens
                    if self.tokens >= spec.tokens or silent or _has_end(data[seen:end], endpoint):
                        break
                    seen = end
                    exchange.expect("between_tokens", between_tokens)
                    piece = await exchange.read()
                    if not piece:
                        break
                    data += piece
        except TimeoutError:
            pass
        return data

    def decided(self, data: bytes, request_id: str) -> Decision:
        """Who answers, after what was held of the first attempt."""
        signals = signals_of(tokens_of(data, self._cascade.spec.tokens))
        instead = self._cascade.instead(self.decision)
        doubt = None if signals is None else self._cascade.doubt(signals)
        decision, verdict = self.decision._replace(reason=Reason.KEPT), "kept"
        if doubt is None or instead is None:
            decision, verdict = self.decision, "blind" if doubt is None else "alone"
        elif self._cascade.is_doubtful(doubt):
            decision, verdict = instead, "escalated"
        now = time.monotonic()
        held_s, spent_s = now - self._heard, now - self._began
        self.note = b"%b; held_ms=%d; spent_ms=%d" % (verdict.encode(), held_s * 1000, spent_s * 1000)
        told = signals._asdict() if signals else {"tokens": 0}
        self._cascade.tell(Tried(request_id, self.decision.model, verdict, held_s, spent_s, doubt=doubt, **told))
        return decision


def _has_end(lines: bytes, endpoint: Endpoint) -> bool:
    """Whether the stream's ending is among whole lines of it."""
    return any(lines.startswith(ending) or b"\n" + ending in lines for ending in endpoint.endings)


def _is_plain(ask: Ask, request: Request) -> bool:
    """Whether one text is asked for: in a tool call or JSON, probabilities tell of the format, not of the answer.

    A whole answer is put together from a stream, where log probabilities would have to be, too.
    """
    if ask.kind is not Kind.CHAT or not ask.needs <= _PLAIN or (request.get("n") or 1) > 1:
        return False
    return bool(request.get("stream")) or not request.get("logprobs")


def _opted_out(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    wishes = [value.strip().lower() for name, value in headers if name == HEADER]
    if any(wish != _NEVER for wish in wishes):
        msg = "x-freehold-cascade: may only say never."
        raise Refusal(400, msg, param="x-freehold-cascade", code="invalid_value")
    return bool(wishes)
