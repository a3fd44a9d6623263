"""What happens while a fleet starts and runs, as facts; the terminal and the log of a detached start are listeners.

The same facts travel as lines of JSON: ``python -m serving`` prints the first four, a detached supervisor all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cluster.supervise.state import Record


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True)


class Step(_Fact):
    """A part of the start is done."""

    event: Literal["step"] = "step"
    name: str
    seconds: float


class ModelReady(_Fact):
    """An engine answered one real token, or embedded one text."""

    event: Literal["model_ready"] = "model_ready"
    model: str
    seconds: float
    replicas: int = 1
    memory_bytes: int = 0


class ModelFailed(_Fact):
    """An engine died or refused while loading."""

    event: Literal["model_failed"] = "model_failed"
    model: str
    cause: str
    log: str = ""


class EnginesReady(_Fact):
    """Every engine answers."""

    event: Literal["ready"] = "ready"
    seconds: float = 0


class FleetReady(_Fact):
    """Every model answered through the gateway."""

    event: Literal["fleet_ready"] = "fleet_ready"
    record: Record
    seconds: float


class Notice(_Fact):
    """Something that whoever watches should know; the fleet goes on."""

    event: Literal["notice"] = "notice"
    text: str


class Failed(_Fact):
    """The fleet could not start, or could not go on; it is down."""

    event: Literal["failed"] = "failed"
    message: str


Event = Step | ModelReady | ModelFailed | EnginesReady | FleetReady | Notice | Failed
Tell = Callable[[Event], None]
"""A listener."""

_EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def parse_event(line: bytes | str) -> Event | None:
    """The fact in one line of JSON; None for any other line, such as a library's print."""
    try:
        return _EVENTS.validate_json(line)
    except ValidationError:
        return None
