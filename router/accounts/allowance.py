"""What this gateway may use of a tenant's quota without asking anybody: arithmetic in memory, microseconds a request.

Invariant: the units that are free here and those that are held are never more than what the database counts as leased
to this gateway; every hold ends once, as used or as released. Only the monotonic clock is read.
Neighbours: :mod:`router.accounts.quota` fills the leases; :mod:`router.accounts.leases` is the other side's arithmetic.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from cluster.spec import Plan
from router.accounts.facts import Used
from router.accounts.kinds import NEVER, Kind, Limits, limits_of, next_block
from router.accounts.leases import Ask, Grant

Clock = Callable[[], float]
_NO_WINDOW = datetime.min.replace(tzinfo=UTC)
_FIRST_BLOCK = 8
"""Times what the first request needs."""
_SURELY_S = 1.0
"""A window that ends so soon may be over for the database, or for this gateway."""


class Lease:
    """Units of one kind, in one window."""

    __slots__ = (
        "block",
        "brief",
        "denied_short",
        "denied_until",
        "ends",
        "field",
        "following",
        "free",
        "granted_at",
        "kind",
        "limit",
        "lost",
        "low",
        "of_messages",
        "of_tokens",
        "room",
        "scarce_until",
        "used",
        "window_end",
        "window_start",
    )

    def __init__(self, kind: Kind, limit: int) -> None:
        """Begin with nothing, in no window."""
        self.kind, self.limit = kind, limit
        self.field, self.brief = kind.field, kind.brief
        self.of_tokens, self.of_messages = kind.basis == "tokens", kind.basis == "messages"
        self.window_start = self.window_end = _NO_WINDOW
        self.ends = -NEVER
        """Monotonic; nothing can be taken from then on."""
        self.free = 0
        self.room, self.used = limit, 0
        """Of the window, as the database last said; ``used`` only ever grows."""
        self.block, self.low, self.granted_at = 0, -1, 0.0
        """What was leased last and when; below ``low`` free units it is time for more."""
        self.scarce_until = -NEVER
        """Another gateway ran out: lease nothing ahead of need until then."""
        self.denied_short, self.denied_until = NEVER, -NEVER
        """Whoever is short by so many units need not ask again before then."""
        self.lost = False
        """The database gave it to others, because this gateway had been silent."""
        self.following: Lease | None = None
        """The next window's, leased ahead."""

    def add(self, grant: Grant, ask: Ask, asked_at: float) -> None:
        """Take over what was granted."""
        self.window_start, self.window_end = grant.window_start, grant.window_end
        self.ends = asked_at + grant.seconds_left
        self.free += grant.units
        self.room, self.used = grant.room - grant.units, max(self.used, grant.used)
        self.block, self.granted_at = grant.units or self.block, asked_at
        plenty = grant.units > ask.need and asked_at >= self.scarce_until
        self.low = grant.units // 2 if plenty else -1

    def want(self, need: int, now: float) -> int:
        """How many units to lease: what is needed, and if no one is short of them, for the time after that."""
        if now < self.scarce_until:
            return need
        if not self.block:
            return _FIRST_BLOCK * need
        return next_block(self.block, now - self.granted_at, need)

    def next(self, now: float) -> Lease:
        """The lease for the window after this one's end."""
        following = self.following
        if following is not None and following.window_start == self.window_end and now < following.ends:
            return following
        fresh = Lease(self.kind, self.limit)
        fresh.block = self.block
        return fresh


class Allowance:
    """One tenant at this gateway."""

    __slots__ = (
        "_clock",
        "_wake",
        "idle_since",
        "leases",
        "limits",
        "most",
        "plan",
        "running",
        "taken",
        "taken_before",
        "tenant",
        "turn",
        "until",
        "wire",
    )

    def __init__(self, tenant: str, plan: Plan, clock: Clock, wake: Callable[[Allowance], None]) -> None:
        """``wake`` is called when a lease runs low."""
        self.tenant, self.plan = tenant, plan
        self._clock, self._wake = clock, wake
        self.limits = Limits(0, ())
        self.leases: tuple[Lease, ...] = ()
        self.running = 0
        self.until = -NEVER
        """Monotonic; the first end of a window."""
        self.taken = self.taken_before = 0
        """Holds taken so far, and at the last look; who takes none for long is forgotten."""
        self.idle_since = clock()
        self.turn = asyncio.Lock()
        """Whoever finds too little here asks for more, one after the other."""
        self.wire = asyncio.Lock()
        """Whoever moves units between here and the database."""
        self.adopt(plan)

    def matches(self, plan: Plan) -> bool:
        """Whether a plan, perhaps another object, has the limits that the leases are for."""
        if limits_of(plan) != self.limits:
            return False
        self.plan = plan
        return True

    def adopt(self, plan: Plan) -> list[Lease]:
        """Follow a changed plan; returns the leases whose free units must go back first."""
        self.plan, self.limits = plan, limits_of(plan)
        self.most = self.limits.concurrent
        before = {lease.kind: lease for lease in self.leases}
        changed = [lease for lease in self.leases if (lease.kind, lease.limit) not in self.limits.counted]
        for kind, limit in self.limits.counted:
            if kind in before:
                before[kind].limit = limit
                before[kind].following = None
        self.leases = tuple(before.get(kind) or Lease(kind, limit) for kind, limit in self.limits.counted)
        self.renew()
        return changed

    def accept(self, ask: Ask, grant: Grant, asked_at: float) -> Lease | None:
        """Take over what the database granted, into the lease of its window; returns a lease that had to make way.

        A window before the one that is held is either over, or the database's clock was set back.
        """
        held = next((lease for lease in self.leases if lease.kind == ask.kind), None)
        if held is None:
            return None
        if grant.window_start < held.window_start and self._clock() + _SURELY_S >= asked_at + grant.seconds_left:
            return None
        replaced: Lease | None = None
        if held.window_start in (_NO_WINDOW, grant.window_start):
            held.add(grant, ask, asked_at)
        else:
            fresh = Lease(held.kind, held.limit)
            fresh.add(grant, ask, asked_at)
            if ask.ahead:
                held.following = fresh
            else:
                self.leases = tuple(fresh if lease is held else lease for lease in self.leases)
                replaced = held
        self.renew()
        return replaced

    def shortfalls(self, messages: int, tokens: int) -> list[tuple[Lease, int, int]]:
        """The leases that must be added to before a request fits: each with its need, and how much of it lacks."""
        now = self._clock()
        self.turn_over(now)
        found: list[tuple[Lease, int, int]] = []
        for lease in self.leases:
            need = tokens if lease.of_tokens else messages
            if now >= lease.ends:
                found.append((lease, need, need))
            elif lease.free < need:
                found.append((lease, need, need - lease.free))
        return found

    def renew(self) -> None:
        """Note the first end of a window, after leases changed."""
        self.until = min((lease.ends for lease in self.leases), default=NEVER)

    def turn_over(self, now: float) -> None:
        """Go over to the next windows where the present ones have ended."""
        self.leases = tuple(lease.next(now) if now >= lease.ends else lease for lease in self.leases)
        self.renew()

    def doubt(self) -> None:
        """Forget what the database said about the windows: it may no longer be so."""
        for lease in self.leases:
            lease.used, lease.denied_until, lease.following = 0, -NEVER, None

    def begin_anew(self) -> tuple[Lease, ...]:
        """Forget every window, because the database's clock was set; returns the leases, to be given back."""
        before = self.leases
        self.leases = tuple(Lease(lease.kind, lease.limit) for lease in before)
        self.renew()
        return before

    def lose(self) -> None:
        """Forget every lease: the database has given them to others."""
        for lease in self.leases:
            lease.lost = True
        self.begin_anew()

    def take(self, messages: int, tokens: int, good_until: float) -> Hold | None:
        """Hold what a request may use; None when that cannot be said from here."""
        now = self._clock()
        if now >= self.until:
            self.turn_over(now)
        leases = self.leases
        if self.running >= self.most or (leases and (now >= self.until or now >= good_until)):
            return None
        for lease in leases:
            if lease.free < (tokens if lease.of_tokens else messages):
                return None
        for lease in leases:
            free = lease.free = lease.free - (tokens if lease.of_tokens else messages)
            if free < lease.low:
                lease.low = -1
                self._wake(self)
        self.running += 1
        self.taken += 1
        return Hold(self, leases, messages, tokens)

    def settle(self, hold: Hold, messages: int, tokens: int) -> tuple[Used, ...]:
        """End a hold; what was held and not used is free again."""
        self.running -= 1
        used = []
        now = self._clock()
        for lease in hold.leases:
            if lease.of_tokens:
                held, amount = hold.tokens, tokens
            else:
                held = hold.messages
                amount = messages if lease.of_messages else held
            leased = amount
            if lease.lost:
                leased = 0
            elif amount > held:
                leased = min(amount, held + lease.free)
            lease.free += held - leased
            if amount and not (lease.brief and now >= lease.ends):
                used.append(Used(lease.field, lease.window_start, amount, leased))
        return tuple(used)

    def free_up(self, hold: Hold) -> None:
        """End a hold as if it had never been."""
        self.running -= 1
        for lease in hold.leases:
            lease.free += hold.tokens if lease.of_tokens else hold.messages


class Hold:
    """What one request has taken. Call :meth:`used` when its usage is known, :meth:`release` in any case at its end."""

    __slots__ = ("_allowance", "leases", "messages", "tokens")

    def __init__(self, allowance: Allowance, leases: tuple[Lease, ...], messages: int, tokens: int) -> None:
        """Made by :meth:`Allowance.take`."""
        self._allowance: Allowance | None = allowance
        self.leases, self.messages, self.tokens = leases, messages, tokens

    def used(self, messages: int, tokens: int) -> tuple[Used, ...]:
        """End it: what the request used, to be settled with its ledger row; nothing the second time."""
        allowance, self._allowance = self._allowance, None
        return () if allowance is None else allowance.settle(self, messages, tokens)

    def release(self) -> None:
        """End it without any use; does nothing after :meth:`used`."""
        allowance, self._allowance = self._allowance, None
        if allowance is not None:
            allowance.free_up(self)


MONOTONIC: Clock = time.monotonic
