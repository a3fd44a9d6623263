"""Facts travel between processes as lines of JSON, and nothing else passes for one."""

from __future__ import annotations

import pytest

from cluster.supervise.events import EnginesReady, Event, Failed, FleetReady, ModelFailed, ModelReady, Notice, Step
from cluster.supervise.events import parse_event as parse
from tests.cluster.supervise.test_state import RECORD

FACTS: list[Event] = [
    Step(name="ray", seconds=1.5),
    ModelReady(model="m", seconds=30, replicas=2, memory_bytes=5),
    ModelFailed(model="m", cause="no such file", log="/l"),
    EnginesReady(seconds=31),
    FleetReady(record=RECORD, seconds=32),
    Notice(text="again"),
    Failed(message="no"),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.event)
def test_a_fact_survives_its_line(fact: Event) -> None:
    """What is written is read again."""
    assert parse(fact.model_dump_json()) == fact


@pytest.mark.parametrize("line", ["", "loading…", '{"event": "party"}', '{"event": "step"}', "[1]", b"\xff"], ids=repr)
def test_what_a_library_prints_is_no_fact(line: str | bytes) -> None:
    """Other lines are passed over."""
    assert parse(line) is None


def test_the_contract_with_the_engines_holds() -> None:
    """The lines that ``python -m serving`` prints, as they were agreed."""
    assert parse('{"event":"step","name":"weights","seconds":1.2}') == Step(name="weights", seconds=1.2)
    ready = '{"event":"model_ready","model":"m","seconds":31.0,"replicas":1,"memory_bytes":123,"new":1}'
    assert parse(ready) == ModelReady(model="m", seconds=31, replicas=1, memory_bytes=123)
