"""Recorded prompts, answered one and all by real engines; the split by tier and reason is printed."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from cluster.client.prompts import Conversation, read_prompts
from tests.e2e.fleet import Fleet

OWN = Path(__file__).with_name("prompts.jsonl")
LIMIT = 200


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_replay_of_our_own_prompts(fleet: Fleet, stream: str) -> None:
    """Short ones go to the small tier, long ones to the large one, and none is lost."""
    ran = fleet.command("replay", str(OWN), "--json", "--max-tokens", "16", stream)
    assert ran.returncode == 0, ran.stderr
    *ways, everything = json.loads(ran.stdout)["rows"]
    assert (everything["count"], everything["errors"]) == (len(OWN.read_text().splitlines()), 0)
    assert {way["tier"] for way in ways} == {"small", "large"}
    assert all(way["reason"] for way in ways)
    assert (everything["ttft_p50_s"] is not None) == (stream == "--stream")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_recorded_prompts_by_the_official_client(fleet: Fleet, prompts: Path, stream: bool) -> None:
    """The first 200, sent to auto by OpenAI's client: every one answered by a model that the fleet has."""

    def answered(conversation: Conversation) -> tuple[str, str, bool]:
        raw = client.chat.completions.with_raw_response.create(
            model="auto",
            messages=conversation,  # type: ignore[arg-type] # recorded, so only the server can say
            max_tokens=16,
            stream=stream,
        )
        parsed = raw.parse()
        chunks = list(parsed) if isinstance(parsed, openai.Stream) else []
        whole = chunks[-1] if isinstance(parsed, openai.Stream) else parsed
        return raw.headers["x-freehold-tier"], raw.headers["x-freehold-reason"], bool(whole.choices[0].finish_reason)

    with (
        openai.OpenAI(base_url=f"{fleet.url}/v1", api_key="none", max_retries=0) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        outcomes = list(pool.map(answered, read_prompts(prompts, LIMIT)))
    split = Counter((tier, reason) for tier, reason, _ in outcomes)
    print(f"\n{prompts.name}, {'streamed' if stream else 'whole'}: {dict(split)}")  # noqa: T201 - the figure is wanted
    assert len(outcomes) == LIMIT
    assert all(finished for _, _, finished in outcomes)
    assert {tier for tier, _ in split} == {"small", "large"}


def test_replay_of_recorded_prompts(fleet: Fleet, prompts: Path) -> None:
    """The command that the README shows, on the same prompts."""
    ran = fleet.command("replay", str(prompts), "--model", "auto", "--limit", str(LIMIT), "--max-tokens", "16")
    print(f"\n{ran.stdout}")  # noqa: T201 - the table is wanted
    assert ran.returncode == 0, ran.stderr
    assert "TTFT p50" in ran.stdout
