"""Several gateways admit together what one that does everything in turn would: random histories, on a real database."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable
from datetime import datetime
from typing import Any, NamedTuple

import hypothesis.strategies as st
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from router.accounts.allowance import Hold
from router.accounts.facts import Principal
from router.accounts.kinds import Kind, limits_of
from tests.router.accounts.conftest import Server
from tests.router.accounts.team import Member, Team, principal

_tenants = itertools.count(1)
_GATEWAYS = 3


class Serial:
    """What one gateway with no leases would count, in two dictionaries."""

    def __init__(self) -> None:
        """Begin with nothing used."""
        self.used: dict[tuple[str, datetime], int] = {}
        self.held: dict[tuple[str, datetime], int] = {}

    def fits(self, who: Principal, now: datetime, tokens: int) -> bool:
        """Whether a request is within every limit."""
        return all(
            self.used.get(key, 0) + self.held.get(key, 0) + need <= limit
            for key, need, limit in self._needs(who, now, tokens)
        )

    def hold(self, who: Principal, now: datetime, tokens: int, sign: int = 1) -> None:
        """Count it as under way, or no longer so."""
        for key, need, _ in self._needs(who, now, tokens):
            self.held[key] = self.held.get(key, 0) + sign * need

    def settle(self, who: Principal, now: datetime, messages: int, tokens: int) -> None:
        """Count what it used, in the windows that it was admitted in."""
        for kind, _ in limits_of(who.plan).counted:
            amount = {"tokens": tokens, "messages": messages, "requests": 1}[kind.basis]
            key = (kind.field, _window(kind, now))
            self.used[key] = self.used.get(key, 0) + amount

    def _needs(self, who: Principal, now: datetime, tokens: int) -> list[tuple[tuple[str, datetime], int, int]]:
        return [
            ((kind.field, _window(kind, now)), tokens if kind.basis == "tokens" else 1, limit)
            for kind, limit in limits_of(who.plan).counted
        ]


def _window(kind: Kind, now: datetime) -> datetime:
    minute = now.replace(second=0, microsecond=0)
    return minute if kind.unit == "minute" else minute.replace(day=1, hour=0, minute=0)


class Underway(NamedTuple):
    """A request that was admitted."""

    member: Member
    hold: Hold
    who: Principal
    since: datetime
    tokens: int


class Histories(RuleBasedStateMachine):
    """Requests at random gateways, which end, die, fall silent; minutes and months that pass; plans that change."""

    team: Team
    runner: asyncio.Runner

    def __init__(self) -> None:
        """A new tenant for every history; the gateways go on, as they do in life."""
        super().__init__()
        self.serial = Serial()
        self.underway: list[Underway] = []
        self.tenant = f"tenant{next(_tenants)}"
        self.who = principal(self.tenant)

    def _run(self, work: Awaitable[Any]) -> Any:  # noqa: ANN401 - whatever the work returns
        async def whole() -> Any:  # noqa: ANN401
            return await work

        return self.runner.run(whole())

    @initialize(
        messages=st.none() | st.integers(0, 40),
        month_tokens=st.none() | st.integers(0, 400),
        requests=st.none() | st.integers(0, 30),
        minute_tokens=st.none() | st.integers(0, 200),
    )
    def begin(
        self, messages: int | None, month_tokens: int | None, requests: int | None, minute_tokens: int | None
    ) -> None:
        """Make the tenant."""
        self.who = principal(
            self.tenant,
            messages_per_month=messages,
            tokens_per_month=month_tokens,
            requests_per_minute=requests,
            tokens_per_minute=minute_tokens,
        )
        self._run(self.team.tenants(self.tenant))

    @rule(at=st.integers(0, _GATEWAYS - 1), tokens=st.integers(0, 60), times=st.integers(1, 6))
    def ask(self, at: int, tokens: int, times: int) -> None:
        """Some requests, one after the other: each is admitted exactly when it fits."""
        member, now = self.team.members[at], self.team.clock.now
        for _ in range(times):
            fits = self.serial.fits(self.who, now, tokens)
            hold = self._run(member.take(self.who, tokens))
            assert isinstance(hold, Hold) == fits, hold
            if isinstance(hold, Hold):
                self.serial.hold(self.who, now, tokens)
                self.underway.append(Underway(member, hold, self.who, now, tokens))

    @rule(tokens=st.integers(0, 60))
    def ask_at_once(self, tokens: int) -> None:
        """Requests at every gateway in the same moment: together as many as fit."""
        now = self.team.clock.now
        members = self.team.members * 2

        async def everywhere() -> list[Any]:
            return await asyncio.gather(*(member.take(self.who, tokens) for member in members))

        answers = self._run(everywhere())
        for member, hold in zip(members, answers, strict=True):
            if isinstance(hold, Hold):
                assert self.serial.fits(self.who, now, tokens)
                self.serial.hold(self.who, now, tokens)
                self.underway.append(Underway(member, hold, self.who, now, tokens))
        if not all(isinstance(answer, Hold) for answer in answers):
            assert not self.serial.fits(self.who, now, tokens)

    @rule(which=st.integers(0, 100), messages=st.integers(0, 1), percent=st.integers(0, 100))
    def finish(self, which: int, messages: int, percent: int) -> None:
        """A request ends with what it really used."""
        if not self.underway:
            return
        one = self.underway.pop(which % len(self.underway))
        tokens = one.tokens * percent // 100
        self.serial.hold(one.who, one.since, one.tokens, sign=-1)
        self.serial.settle(one.who, one.since, messages, tokens)
        self._run(one.member.settle(one.who, one.hold, messages, tokens))

    @rule(which=st.integers(0, 100))
    def refuse_later(self, which: int) -> None:
        """A request is refused by something else after all."""
        if not self.underway:
            return
        one = self.underway.pop(which % len(self.underway))
        self.serial.hold(one.who, one.since, one.tokens, sign=-1)
        one.hold.release()
        one.hold.release()

    @rule(seconds=st.sampled_from([0.5, 7.0, 28.0, 61.0]))
    def wait(self, seconds: float) -> None:
        """Time passes, through ends of minutes."""
        self._run(self.team.pass_time(seconds))

    @rule()
    def next_month(self) -> None:
        """Much time passes."""
        self._run(self.team.jump(31 * 86_400))

    @rule(at=st.integers(0, _GATEWAYS - 1))
    def background(self, at: int) -> None:
        """A gateway does what it does beside requests."""
        supply = self.team.members[at].quotas._supply

        async def beside() -> None:
            if supply._thirst.is_set():
                await supply.fill()
            await supply.look_ahead()
            await supply.tidy()

        self._run(beside())

    @rule(at=st.integers(0, _GATEWAYS - 1))
    def kill(self, at: int) -> None:
        """A gateway dies without a word; when the others have noticed, what it held is free."""
        dead = self.team.members[at]

        async def replace() -> None:
            await dead.store.close()
            await self.team.pass_time(21.0, without=[dead])
            self.team.members[at] = await self.team.join()

        self._run(replace())
        for one in [one for one in self.underway if one.member is dead]:
            self.underway.remove(one)
            self.serial.hold(one.who, one.since, one.tokens, sign=-1)

    @rule(at=st.integers(0, _GATEWAYS - 1))
    def fall_silent(self, at: int) -> None:
        """A gateway that does nothing is taken for dead, and then goes on."""
        member = self.team.members[at]
        if not any(one.member is member for one in self.underway):
            self._run(self.team.pass_time(21.0, without=[member]))

    @rule(field=st.sampled_from(["messages_per_month", "tokens_per_minute"]), limit=st.integers(0, 60))
    def change_plan(self, field: str, limit: int) -> None:
        """An administrator changes a limit."""
        if getattr(self.who.plan, field) is not None:
            self.who = self.who._replace(plan=self.who.plan.model_copy(update={field: limit}))

    @invariant()
    def books_are_straight(self) -> None:
        """What the database says is used is what was used; leases add up and stay within the limit."""
        month = self.team.clock.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for kind, _ in limits_of(self.who.plan).counted:
            if not kind.brief:
                used, leased, of_leases = self._run(self._window_of(kind.field, month))
                assert used == self.serial.used.get((kind.field, month), 0)
                assert leased == of_leases

    async def _window_of(self, kind: str, start: datetime) -> tuple[int, int, int]:
        return await self.team.window(self.tenant, kind, start)

    def teardown(self) -> None:
        """Leave nothing under way."""
        for one in self.underway:
            one.hold.release()


def test_together_they_admit_what_one_would(server: Server) -> None:
    """Hypothesis looks for a history in which several gateways admit more or less than a serial model."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        team = Team(server.create(), gateways=_GATEWAYS)
        runner.run(team.__aenter__())
        machine = type("On", (Histories,), {"team": team, "runner": runner})
        try:
            run_state_machine_as_test(machine, settings=_SETTINGS)
        finally:
            runner.run(team.__aexit__(None, None, None))


_SETTINGS = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
