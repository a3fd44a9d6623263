"""From labels in the database to another router in a running gateway, and back."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from router.accounts.labels import Label, Labels
from router.accounts.pepper import load_pepper
from router.accounts.routers import Artefact, Routers
from router.accounts.sealed import Sealer
from router.accounts.store import Store
from router.quality.nightly import night
from tests.router.engine import until
from tests.router.gateway import chat
from tests.router.quality.examined import Examined, Place
from tests.router.quality.test_retrain import cases

pytestmark = pytest.mark.anyio

_FREEHOLD = str(Path(sys.executable).with_name("freehold"))
LABEL = Label("", "", "acme", "judged", "s", "small", "short-prompt", "l", 1.0, 0.0, "l", "1", cost_micros=0)


async def _labelled(place: Place, count: int) -> None:
    """So many comparisons of the tenant acme in the database."""
    store = await Store.open(place.database, 1)
    labels = Labels(store, Sealer(load_pepper(place.home, os.environ)))
    for case in cases(count):
        await labels.keep("acme", case.request_id, case.prompt, 30)
        await labels.write(LABEL._replace(id=case.request_id, request_id=case.request_id, score=case.score))
    await store.close()


async def _decides(bank: Examined, key: str, how: str) -> None:
    """Wait until the gateway decides in a way."""

    async def so() -> bool:
        answer = await bank.running.post("/v1/route", chat(), authorization=f"Bearer {key}")
        return str(answer.json["reason"]).startswith(how)

    await until(so)


async def test_a_night(place: Place) -> None:
    """One of two trains; the gateway goes on with the new router without a restart; rolled back, it goes back."""
    fleet = place.fleet(references=["l"], usd_per_day=0)
    async with place.examined(references=["l"], usd_per_day=0) as bank:
        key = await bank.key("closed")
        await _labelled(place, 420)
        await _decides(bank, key, "short-prompt")
        both = await asyncio.gather(*(night(fleet, place.database, place.home) for _ in range(2)))
        assert sorted(json.loads(line)["says"][:15] for line in both) == ["another gateway", "better"], both
        await _decides(bank, key, "learned-")
        back = await bank.admin("/admin/router/rollback", {})
        assert (back.status, back.json["version"]) == (200, None)
        await _decides(bank, key, "short-prompt")
        await _from_the_command_line(bank, place, key)


async def test_a_router_that_cannot_be_used(place: Place) -> None:
    """One that is of another format or damaged is told in the log; the one in use goes on, and a night replaces it."""
    async with place.examined() as bank:
        key = await bank.key("closed")
        store = await Store.open(place.database, 1)
        await Routers(store).promote(Artefact({"version": "bad", "format": 0}, b""), None, {})
        refused = await bank.admin("/admin/router", {"card": {"version": "bad", "format": 0}, "model": ""})
        assert (refused.status, refused.error["param"]) == (400, "model")
        await _labelled(place, 420)
        await _decides(bank, key, "short-prompt")
        await store.close()
        said = json.loads(await night(place.fleet(), place.database, place.home))
        assert said["says"] == "better", said
        await _decides(bank, key, "learned-")


async def _from_the_command_line(bank: Examined, place: Place, key: str) -> None:
    """Trained on the database's labels, promoted at the gateway, in its log, and taken back."""
    made = place.home / "made"
    trained = json.loads(await _run(bank, "train", "--from-database", "--out", str(made), "--json"))
    assert trained["labels"] == 420
    version = json.loads(await _run(bank, "promote", "--model", str(made), "--json"))["version"]
    await _decides(bank, key, "learned-")
    moves = json.loads(await _run(bank, "moves", "--json"))
    assert (moves["in_use"]["version"], [move["action"] for move in moves["data"]]) == (
        version,
        ["promoted", "rolled-back", "promoted"],
    )
    assert "better" in await _run(bank, "moves")
    await _run(bank, "rollback")
    await _decides(bank, key, "short-prompt")


async def _run(bank: Examined, *words: str) -> str:
    """``freehold router`` to its end, with an admin's key."""
    named = {"FREEHOLD_URL": f"http://127.0.0.1:{bank.running.port}", "FREEHOLD_KEY": bank.admin_key}
    environment = {**named, "PATH": os.environ["PATH"]}
    done = await asyncio.to_thread(
        lambda: subprocess.run(
            [_FREEHOLD, "router", *words], env=environment, capture_output=True, text=True, check=False, timeout=120
        )
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
