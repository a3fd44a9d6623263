"""Requests that have ended, as the gateway tells of them, and a clock that a test moves."""

from __future__ import annotations

from typing import Any

from cluster.spec import Fleet
from router.observe.events import Finished

NOON = 1_767_268_800.0
"""A full minute."""
HOSTILE = "<img src=x onerror=alert(1)>\"'`${7*7}{{7*7}}</script>\u202e"
"""A name that would do harm wherever it is taken for HTML, for a template, or for a script."""

FLEET = Fleet.model_validate(
    {
        "name": "test",
        "models": {
            "s": {"engine": "url", "url": "http://127.0.0.1:9"},
            "l": {"engine": "simulated", "accelerator": {"type": "H100", "count": 2}, "replicas": {"min": 1, "max": 4}},
            "e": {"engine": "url", "url": "http://127.0.0.1:9", "capabilities": ["embeddings"]},
            "c": {"engine": "claude", "price": {"prompt": 3, "completion": 15}},
        },
        "tiers": {"small": ["s"], "large": ["l"], "embedding": ["e"]},
        "spillover": {"chain": ["c"], "open_usd_per_day": 2, "baseline": {"prompt": 3, "completion": 15}},
    }
)


class Clock:
    """Unix time."""

    def __init__(self) -> None:
        """Noon."""
        self.now = NOON

    def __call__(self) -> float:
        """Now."""
        return self.now


def finished(model: str = "s", reason: str = "short-prompt", outcome: str = "complete", **fields: Any) -> Finished:  # noqa: ANN401 - of Finished
    """A streamed answer of 11 tokens to a prompt of 100, the first after 0.2 s and each other one 0.05 s later."""
    usual: dict[str, Any] = {"stream": True, "status": 200, "prompt_tokens": 100, "completion_tokens": 11}
    times = {"first_byte": 1000.2, "last_byte": 1000.7} if outcome == "complete" else {}
    event = Finished("req", "chat", 1000.0, model=model, reason=reason, outcome=outcome)
    for name, value in {**usual, **times, **fields}.items():
        setattr(event, name, value)
    return event
