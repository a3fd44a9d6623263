"""One worker's share of a load test: closed-loop users, or the clock of an open loop, and the samples of both.

It sleeps and spawns as it is told to, so it runs in locust's greenlets and, under test, in threads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import count

from cluster.errors import UsageError
from loadtests.arrivals import Arrival, arrivals
from loadtests.asks import Ask, Asker, Chat
from loadtests.facts import Sample
from loadtests.order import Order
from loadtests.prompts import Prompts
from loadtests.send import Sender, Tenant
from loadtests.wire import Connection, Origin

Spawn = Callable[[Callable[[], None]], object]
"""Runs something beside what runs now."""


class Work:
    """What one worker does; ``worker`` is its number among ``order.workers``."""

    def __init__(self, order: Order, worker: int) -> None:
        """Look up the fleet's address and read the keys; UsageError where a variable holds none."""
        self.order, self._worker = order, worker
        self._origin = Origin.of(order.url)
        self._tenants = tenants(order.key_envs)
        self._prompts = Prompts(order.per_word, order.overhead)
        self._zero = time.monotonic() + order.zero - time.time()
        self._samples: list[Sample] = []
        self._sender = Sender(order.scenario, self._origin, self.now, self._samples.append)
        self._numbers = count(worker, order.workers)
        self._idle: list[Connection] = []
        self._running = 0

    def now(self) -> float:
        """Seconds since the run's start."""
        return time.monotonic() - self._zero

    @property
    def under_way(self) -> int:
        """Requests that were sent and have not ended."""
        return self._sender.under_way

    @property
    def is_over(self) -> bool:
        """Whether all that was to be asked has been answered, or will no longer be waited for."""
        now = self.now() - self.order.duration_s
        return now > self.order.drain_s or (now > 0 and not (self._running or self._sender.under_way))

    def take(self) -> list[Sample]:
        """The samples since the last call."""
        taken = list(self._samples)
        del self._samples[: len(taken)]
        return taken

    def end(self) -> None:
        """Count what is still under way as cut, and hang up."""
        self._samples.extend(self._sender.abandon())
        while self._idle:
            self._idle.pop().close()

    def live(self) -> None:
        """One closed-loop user, from the first message to the end of the duration.

        Thinking takes exponential time, so users who all begin now send as evenly as those who began long ago.
        """
        number, order = next(self._numbers), self.order
        asker, connection = Asker(order, self._prompts, number), Connection(self._origin, order.silence_s)
        tenant = self._tenants[number % len(self._tenants)]
        chat = Chat(self._prompts, asker)
        intended = asker.draw.expovariate(1 / order.think_s)
        self._running += 1
        while intended < order.duration_s:
            ask = chat.next()
            self._sleep_until(intended)
            answer = self._sender.send(connection, ask, tenant, intended, keep=True)
            chat.answered(ask, answer.text, (answer.prompt_tokens or ask.prompt_tokens) + answer.output_tokens)
            intended = self.now() + asker.draw.expovariate(1 / order.think_s)
        self._running -= 1
        connection.close()

    def keep_time(self, spawn: Spawn) -> None:
        """The clock of an open loop: begin each request when it is due, however many are under way."""
        self._running += 1
        asker = Asker(self.order, self._prompts, self._worker)
        for arrival in arrivals(self.order, self._worker):
            lengths = (arrival.prompt_tokens, arrival.output_tokens, arrival.shared_tokens)
            ask = asker.single(asker.kind(), *lengths)
            self._sleep_until(arrival.at_s)
            spawn(lambda arrival=arrival, ask=ask: self._answer(arrival, ask))  # type: ignore[misc] # bound now
        self._running -= 1

    def _answer(self, arrival: Arrival, ask: Ask) -> None:
        connection = self._idle.pop() if self._idle else Connection(self._origin, self.order.silence_s)
        tenant = self._tenants[arrival.number % len(self._tenants)]
        self._sender.send(connection, ask, tenant, arrival.at_s)
        self._idle.append(connection)

    def _sleep_until(self, when: float) -> None:
        time.sleep(max(0.0, when - self.now()))


def tenants(key_envs: tuple[str, ...]) -> list[Tenant]:
    """Who the variables' keys belong to, by the variables' names; without any, nobody in particular."""
    missing = [name for name in key_envs if not os.environ.get(name)]
    if missing:
        msg = f"--key-env: {missing[0]} holds no key; export it"
        raise UsageError(msg)
    named = [Tenant(name, {"authorization": f"Bearer {os.environ[name]}"}) for name in key_envs]
    return named or [Tenant("", {})]
