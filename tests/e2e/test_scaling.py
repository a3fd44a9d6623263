"""A model grows under streams and shrinks again, and no stream is lost on the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import openai

from tests.e2e.fleet import Fleet, wait_until

MANY, FEW = 24, 2
"""Streams at a time: more and fewer than ``target_ongoing_requests`` of the demo's small model."""


def replicas(fleet: Fleet) -> int:
    """How many answer for the small model."""
    told = json.loads(fleet.command("status", "--json").stdout)
    return next(int(model["replicas"]) for model in told["models"] if model["name"] == "tiny-small")


def one_stream(client: openai.OpenAI) -> str | None:
    """How one stream ended, by the official client."""
    stream = client.completions.create(model="tiny-small", prompt="Hello", max_tokens=100, stream=True)
    ends = [chunk.choices[0].finish_reason for chunk in stream]
    return ends[-1] if ends else None


@contextmanager
def streams(fleet: Fleet, at_once: int, ends: list[str | None]) -> Iterator[None]:
    """One stream after the other, ``at_once`` side by side; ``ends`` gets every end."""
    over = threading.Event()
    client = openai.OpenAI(base_url=f"{fleet.url}/v1", api_key="none", max_retries=0, timeout=120)

    def go_on() -> None:
        while not over.is_set():
            try:
                ends.append(one_stream(client))
            except openai.OpenAIError as exc:
                ends.append(repr(exc))

    threads = [threading.Thread(target=go_on) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_one_two_one(fleet: Fleet) -> None:
    """From one replica to two while many stream, back to one while a few go on: every stream has its ending."""
    ends: list[str | None] = []
    with streams(fleet, MANY, ends):
        wait_until(lambda: replicas(fleet) == 2)
    grown = len(ends)
    with streams(fleet, FEW, ends):
        wait_until(lambda: replicas(fleet) == 1)
    assert grown >= MANY
    assert len(ends) > grown
    assert {end for end in ends if end not in {"length", "stop"}} == set()
