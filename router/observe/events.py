"""Facts that the gateway tells; Prometheus and the log are two listeners, the ledger will be a third."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from router.accounts.facts import Leaving


@dataclass(slots=True)
class Finished:
    """One request, from its first byte in to its last byte out. Filled as it goes; told once, at its end."""

    request_id: str
    endpoint: str
    started: float
    """Monotonic seconds, as all times here."""
    stream: bool = False
    tenant: str = ""
    asked_model: str = ""
    model: str = ""
    adapter: str = ""
    """The LoRA adapter that the model answered with."""
    tier: str = ""
    reason: str = ""
    status: int = 0
    """HTTP status that the client saw; 499 when it had left before one."""
    outcome: str = ""
    """``complete``, ``refused``, ``failed``, ``cut`` (ended by an error event) or ``gone`` (the client left)."""
    error: str = ""
    queued_s: float = 0.0
    decision_s: float = 0.0
    first_byte: float = 0.0
    last_byte: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    """Prompt tokens that a vendor's cache took in, which cost more than others there."""
    attempts: int = 0
    cost_micros: int = 0
    """Millionths of a dollar that paid targets charge for it, all attempts together."""
    baseline_micros: int = 0
    """What ``spillover.baseline`` would have charged for the answer."""


@dataclass(frozen=True, slots=True)
class TargetFailed:
    """One attempt at one target failed; ``retried`` says whether another followed."""

    request_id: str
    model: str
    cause: str
    message: str
    retried: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """An answer of ``small`` was held back until it was decided whether it is good enough."""

    request_id: str
    model: str
    verdict: str
    """``kept``, ``escalated``, ``alone`` (kept: no large model was free) or ``blind`` (kept: no log probabilities)."""
    held_s: float
    """From its first token until the decision."""
    spent_s: float
    """From the request's leaving for it until the decision: what an escalation adds to the caller's wait."""
    tokens: int
    """That were looked at."""
    doubt: float | None = None
    mean_logprob: float | None = None
    min_logprob: float | None = None
    entropy: float | None = None
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """An answer that was sampled has been compared with a reference's, or will not be."""

    request_id: str
    model: str
    """That answered."""
    reference: str
    """Empty where it did not come to one."""
    outcome: str
    """``win``, ``tie`` or ``loss`` of the answer; ``undecided`` (no verdict), ``unfit`` (not to be compared),
    ``dropped`` (too many waited), ``busy`` (a model to be asked), ``unpaid``, ``failed``, ``away`` (the database)."""


Event = Finished | TargetFailed | Leaving | Tried | Compared
Listener = Callable[[Event], None]
