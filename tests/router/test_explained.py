"""``freehold route``: the real command, and what a real gateway tells it."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner, Result

from cluster.cli import freehold
from tests.router.gateway import Running, Trio

pytestmark = pytest.mark.anyio


async def asked(gateway: Running, *words: str) -> Result:
    """Run the command to its end, while the gateway answers."""
    command = ["route", "--url", f"http://127.0.0.1:{gateway.port}", *words]
    return await asyncio.to_thread(CliRunner().invoke, freehold, command)


async def test_a_decision_for_people(gateway: Running) -> None:
    """Who and why in the first line, everybody who may answer below it; nothing is generated."""
    said = await asked(gateway, "Hello?")
    lines = said.output.splitlines()
    assert (said.exit_code, lines[0]) == (0, "s (small: short-prompt)")
    rows = [line.split() for line in lines[4:6]]
    assert [row[:3] for row in rows] == [["s", "small", "yes"], ["l", "large", "yes"]]
    assert "large_share: 0.2" in lines[-1]


async def test_a_decision_for_scripts(gateway: Running) -> None:
    """All that ``/v1/route`` says."""
    said = await asked(gateway, "--json", "-m", "large", "Hello?")
    told = json.loads(said.output)
    assert (told["model"], told["reason"], told["object"]) == ("l", "tier", "route")


async def test_headers_have_their_say(engines: Trio) -> None:
    """As in a request; one that is none is wrong use, and one that the gateway refuses is said."""
    plain = engines.fleet().model_dump(exclude_unset=True)
    rules = {"rules": [{"to": "large", "headers": {"x-team": "research"}}]}
    fleet = type(engines.fleet()).model_validate({**plain, "routing": rules})
    async with Running(fleet) as gateway:
        ruled = await asked(gateway, "-H", "x-team: research", "-H", "x-freehold-egress:never", "Hello?")
        wrong = [await asked(gateway, "-H", header, "Hello?") for header in ("x-team", "x team:a", "x-team:a\r\nb: c")]
        refused = await asked(gateway, "-H", "x-freehold-egress:always", "Hello?")
    assert ruled.output.splitlines()[0] == "l (large: rule)"
    assert [one.exit_code for one in wrong] == [2, 2, 2]
    assert "is no header" in wrong[0].output
    assert (refused.exit_code, "may only say never" in refused.output) == (2, True)


async def test_a_shortcut_has_no_figures(engines: Trio) -> None:
    """What no model answers is explained, too."""
    plain = engines.fleet().model_dump(exclude_unset=True)
    fleet = type(engines.fleet()).model_validate({**plain, "shortcuts": {"hi": {"pattern": "hi", "answer": "Hi!"}}})
    async with Running(fleet) as gateway:
        said = await asked(gateway, "hi")
    assert said.output.splitlines()[0] == "shortcut (shortcut: shortcut)"
