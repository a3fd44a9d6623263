"""One replica's engine: continuous batching, chunked prefill and a bounded KV cache, as vLLM schedules them.

First come, first served. A request is admitted when a place in the batch and KV for its whole prompt are free; prompts
are computed in chunks beside the decoding sequences; when the KV cache is full the youngest sequence is preempted and
computed again later. Between two changes of the batch nothing is computed step by step: :mod:`cluster.simulate.pace`
tells how long the whole stretch takes, and a request that arrives cuts it at the end of the step under way.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush

from cluster.latency.timing import Step
from cluster.simulate.calls import NEVER, Calls, Fate, Limits
from cluster.simulate.pace import Pace

NO_LIMITS = Limits()


class Engine:
    """The batch of one replica. ``due`` is when its current stretch of steps ends; idle engines are never due."""

    __slots__ = (
        *("_ending", "_joined", "_prefilling", "_reserved", "_stretch", "calls", "context", "decoding", "due"),
        *("ended_tokens", "in_flight", "late", "limits", "now", "pace", "running", "steps", "waiting"),
    )

    def __init__(self, pace: Pace, calls: Calls, limits: Limits = NO_LIMITS) -> None:
        """An idle engine; ``limits`` are counted, not enforced."""
        self.pace, self.calls, self.limits = pace, calls, limits
        self.now, self.due = 0.0, NEVER
        self.waiting: deque[int] = deque()
        self.running: dict[int, int] = {}
        """Request → the step after which its last token is there, or 0 while its prompt is computed; oldest first."""
        self.decoding = 0
        self.context = 0
        """Tokens of KV cache that decoding sequences hold."""
        self.steps = 0
        self.in_flight = 0
        """Requests that wait or run here."""
        self.ended_tokens = 0
        """Output tokens of all requests that ended here."""
        self.late = 0
        """Requests that ended here beyond a limit."""
        self._reserved = 0
        self._prefilling: dict[int, int] = {}
        """Request → prompt tokens computed, or found in the prefix cache, so far."""
        self._joined: list[int] = []
        self._ending: list[tuple[int, int]] = []
        self._stretch = 0

    @property
    def kv_share(self) -> float:
        """The used part of the KV cache, as of the last change."""
        return (self.context + self._reserved) / self.pace.kv_tokens

    def offer(self, request: int, now: float) -> bool:
        """Take a request; whether ``due`` has changed."""
        self.in_flight += 1
        self.waiting.append(request)
        if self.due == NEVER:
            self.now = now
            self._plan()
            return True
        if self._stretch > 1 and len(self.waiting) == 1 and self._fits(request):
            steps = self.pace.steps_until(self.decoding, self.context, now - self.now)
            if steps < self._stretch:
                self._stretch = steps
                self.due = self.now + self.pace.decoding_s(self.decoding, self.context, steps)
                return True
        return False

    def advance(self) -> int:
        """Carry out the stretch that is due and begin the next; how many requests ended."""
        self.now = self.due
        self.steps += self._stretch
        self.context += self.decoding * self._stretch
        before = self.in_flight
        self._finish()
        if self._joined:
            self._join()
        self._plan()
        return before - self.in_flight

    def _fits(self, request: int) -> bool:
        # The next token of those that decode has room, too, or they would be preempted at once.
        room = self.pace.kv_tokens - self.context - self._reserved - self.decoding
        return len(self.running) < self.pace.max_seqs and self.calls.prompt[request] <= room

    def _finish(self) -> None:
        """End the sequences whose last token came."""
        calls, ending = self.calls, self._ending
        while ending and ending[0][0] <= self.steps:
            step, request = heappop(ending)
            if self.running.get(request) == step:  # else it was preempted since
                self.decoding -= 1
                self.context -= calls.prompt[request] + calls.left[request] - 1
                self._end(request)

    def _end(self, request: int) -> None:
        del self.running[request]
        self.in_flight -= 1
        self.ended_tokens += self.calls.output[request]
        self.calls.end[request], self.calls.fate[request] = self.now, Fate.ANSWERED
        self.late += self.calls.is_late(request, self.limits, self.pace.request_s)

    def _join(self) -> None:
        """Sequences whose prompt is computed have their first token; they decode from now on, or need no more."""
        calls = self.calls
        for request in self._joined:
            prompt, left = calls.prompt[request], calls.left[request]
            self._reserved -= prompt
            del self._prefilling[request]
            if calls.first[request] == NEVER:
                calls.first[request] = self.now
            if left == 1:
                self._end(request)
                continue
            self.running[request] = last = self.steps + left - 1
            heappush(self._ending, (last, request))
            self.decoding += 1
            self.context += prompt
        self._joined.clear()

    def _plan(self) -> None:
        """Compose the next step, or as many as are alike."""
        while self.context + self._reserved + self.decoding > self.pace.kv_tokens:
            self._preempt()
        if self.waiting or self._prefilling:
            tokens, before = self._chunks()
            if tokens:
                self._stretch = 1
                step = Step(tokens, before, self.decoding, self.context)
                self.due = self.now + self.pace.mixed_s(step)
                return
        if not self.decoding:
            self._stretch, self.due = 0, NEVER
            return
        while self.running.get(self._ending[0][1]) != self._ending[0][0]:
            heappop(self._ending)
        room = (self.pace.kv_tokens - self.context - self._reserved) // self.decoding
        self._stretch = min(self._ending[0][0] - self.steps, room)
        self.due = self.now + self.pace.decoding_s(self.decoding, self.context, self._stretch)

    def _chunks(self) -> tuple[int, int]:
        """Fill a step with prompts: tokens to compute, and the sum of tokens times those before them."""
        prefilling, prompts = self._prefilling, self.calls.prompt
        budget = self.pace.max_batched_tokens - self.decoding
        tokens = before = 0
        for request in list(prefilling):
            tokens, before, budget = self._chunk(request, tokens, before, budget)
        while self.waiting and budget > 0 and self._fits(self.waiting[0]):
            request = self.waiting[0]
            self.waiting.popleft()
            self.running[request] = 0
            self._reserved += prompts[request]
            prefilling[request] = self.calls.cached[request]
            tokens, before, budget = self._chunk(request, tokens, before, budget)
        return tokens, before

    def _chunk(self, request: int, tokens: int, before: int, budget: int) -> tuple[int, int, int]:
        done = self._prefilling[request]
        rest = self.calls.prompt[request] - done
        if rest <= budget:
            self._joined.append(request)
        else:
            rest = max(0, budget)
        self._prefilling[request] = done + rest
        return tokens + rest, before + rest * done, budget - rest

    def _preempt(self) -> None:
        """Send the youngest sequence back to the head of the queue; all of it must be computed again."""
        request, last = self.running.popitem()
        calls = self.calls
        if last:
            left = last - self.steps
            grown = calls.left[request] - left
            self.context -= calls.prompt[request] + grown - 1
            self.decoding -= 1
            calls.prompt[request] += grown
            calls.left[request] = left
        else:
            self._reserved -= calls.prompt[request]
            del self._prefilling[request]
        self.waiting.appendleft(request)
