"""What a load test leaves behind: a sample a request, the generator's own ceiling, and the run that both belong to.

Latencies count from the INTENDED send time: a generator that is late, or a fleet that slows its callers down, must not
look faster for it (coordinated omission). Everything here is data; who writes it is :mod:`loadtests.samples`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from cluster.spec import Slo


class Kind(StrEnum):
    """What was asked for."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    TOOLS = "tools"
    """A chat whose request offers tools."""


class Outcome(StrEnum):
    """The one end of a request."""

    COMPLETE = "complete"
    """The whole answer with its ending."""
    ERROR = "error"
    """A status of 5xx, an error event within the stream, or nobody to connect to."""
    CUT = "cut"
    """It began, or was accepted, and stopped without its ending; also what the run's drain did not wait for."""
    CANCELLED = "cancelled"
    """The client hung up on purpose; no failure, and without an e2e latency that means anything."""
    REFUSED = "refused"
    """A status of 4xx: quota, rate, budget, or a wrong request."""


class Sample(NamedTuple):
    """One request. Times are seconds since the run's start."""

    scenario: str
    kind: Kind
    tenant: str
    """The name of the key that asked, from the scenario; never the key."""
    tier: str
    """Which answered, from ``x-freehold-tier``; empty where nobody said."""
    model: str
    reason: str
    """Why that one, from ``x-freehold-reason``."""
    prompt_tokens: int
    """As the engine counted; as it was meant to be where no usage came."""
    output_tokens: int
    """As the engine counted; the pieces that came where no usage did."""
    intended_s: float
    """When it should have been sent."""
    sent_s: float
    first_s: float | None
    """When the first token came; None when none did, and for embeddings."""
    end_s: float
    outcome: Outcome
    status: int
    """HTTP's; 0 when none came."""
    error: str
    """The error's code, or what the connection said; empty when complete."""

    @property
    def late_s(self) -> float:
        """Seconds between when it should have been sent and when it was."""
        return self.sent_s - self.intended_s

    @property
    def ttft_s(self) -> float | None:
        """Seconds from the intended send time to the first token."""
        return None if self.first_s is None else self.first_s - self.intended_s

    @property
    def e2e_s(self) -> float:
        """Seconds from the intended send time to the end."""
        return self.end_s - self.intended_s

    @property
    def tpot_s(self) -> float | None:
        """Seconds per output token after the first; None for fewer than two tokens."""
        if self.first_s is None or self.output_tokens < 2:  # noqa: PLR2004 - one token has no gap
            return None
        return (self.end_s - self.first_s) / (self.output_tokens - 1)

    @property
    def failed(self) -> bool:
        """Whether it counts against ``slo.error_rate``."""
        return self.outcome not in {Outcome.COMPLETE, Outcome.CANCELLED}


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What the generator itself could carry, measured just before against an engine that does nothing."""

    streams: int
    """Held at once while it was measured."""
    chunks_per_s: float
    """That it read, all streams together."""
    cores: float
    """Of CPU that the generator's process used meanwhile."""
    complete_share: float
    """Streams that came whole; below 1 the measurement says nothing."""

    @property
    def chunks_per_core_s(self) -> float:
        """Chunks that one full core reads in a second."""
        return self.chunks_per_s / self.cores if self.cores else 0.0

    @property
    def streams_per_core(self) -> float:
        """Streams of 20 chunks a second that one full core carries."""
        return self.chunks_per_core_s / 20


@dataclass(frozen=True, slots=True)
class Run:
    """One load test: what was asked for, and where its samples lie."""

    fleet: str
    """The fleet's name."""
    fleet_file: Path
    url: str
    scenario: str
    """Such as ``chat-500``, ``rate``, ``burst``, ``trace``."""
    users: int | None
    """In a closed loop; None in an open one."""
    rate: float | None
    """Requests per second that an open loop intends, on average."""
    trace: Path | None
    burst: bool
    seed: int
    duration_s: float
    """For which requests were begun."""
    elapsed_s: float
    """Until the last one had ended."""
    started: str
    """ISO 8601, UTC."""
    versions: dict[str, str]
    """Of freehold, python, locust and the platform."""
    slo: Slo
    """The fleet file's, with what the command line overrode."""
    samples: Path
    """Read it with :func:`loadtests.samples.read_samples`; in the order in which requests ended, nearly."""
    count: int
    workers: int
    cores: float
    """Of CPU that the busiest generator process used during the run; near 1 it was the bottleneck itself."""
    ceiling: Ceiling | None
    """None where the measurement was turned off."""
