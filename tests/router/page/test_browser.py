"""The page in a real Chromium, before a real gateway with scripted engines; screenshots lie in pytest's directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

import router.page.overview
import router.page.routes
from router.observe.events import TargetFailed
from router.page.hour import PROBLEMS
from router.page.lookout import Lookout
from tests.router.admin.office import Office
from tests.router.engine import COUNTED, DONE, STOP, Exchange, delta, until
from tests.router.gateway import Running, Trio
from tests.router.page.browser import Visit, chromium
from tests.router.page.facts import HOSTILE, finished

pytestmark = pytest.mark.anyio

FIRST_VIEW_BYTES = 100_000
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
DARK: dict[str, Any] = {"color_scheme": "dark"}


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """One event loop for all of this file, because the browser is started once."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all."""
    async with chromium() as found:
        yield found


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hour's figures at every look."""
    monkeypatch.setattr(router.page.overview, "PAST_S", 0.0)


@pytest.fixture
async def visit(browser: Browser, gateway: Running, tmp_path: Path) -> AsyncIterator[Visit]:
    """The page of a gateway before three scripted engines."""
    async with Visit(browser, gateway.port, tmp_path) as visit:
        yield await visit.ready()


@pytest.fixture
def lookout(gateway: Running) -> Lookout:
    """What the gateway's page looks at."""
    return lookout_of(gateway)


def lookout_of(gateway: Running) -> Lookout:
    """Inside of the application."""
    app: Any = gateway.app
    found: Lookout = app.app._lookout
    return found


async def write(page: Page, message: str = "Hello?") -> None:
    """A message into the playground."""
    await page.get_by_label("Message").fill(message)


async def test_the_fleet_at_a_glance(visit: Visit, gateway: Running) -> None:
    """Landmarks, headings in order, figures that change by themselves, a status that is read out."""
    page = visit.page
    for role in ("banner", "main"):
        await expect(page.get_by_role(role)).to_have_count(1)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Ftest")
    await expect(page.get_by_role("heading", level=2)).to_have_text(
        [
            "Models",
            "Who answers, and why",
            "How fast",
            "Playground",
            "Budgets and quotas",
            "Autoscaling",
            "Recent errors",
        ]
    )
    await expect(page.get_by_role("banner").get_by_role("status")).to_have_text("Live")
    await expect(page.locator(".card")).to_have_count(3)
    await expect(page.locator("#split")).to_contain_text("No answers yet.")
    await gateway.chat()
    await expect(page.locator("#split .reasons").first).to_have_text("short-prompt 1")
    await expect(page.get_by_label("At a glance")).to_contain_text("100 %")
    assert await page.title() == "test · Freehold"


async def test_the_first_view_is_light(browser: Browser, gateway: Running, tmp_path: Path) -> None:
    """All files with their heads, and the first figures, are less than 100 kB on the wire."""
    received: list[float] = []
    async with Visit(browser, gateway.port, tmp_path) as visit:
        wire = await visit.page.context.new_cdp_session(visit.page)
        await wire.send("Network.enable")
        await wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
        wire.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
        wire.on("Network.dataReceived", lambda event: received.append(event["dataLength"]))
        await visit.page.reload()
        await visit.ready()

        async def all_came() -> bool:
            return sum(received) > 2 * FIRST_VIEW_BYTES // 3

        await until(all_came)
    assert len(visit.asked) / 2 == 11
    assert sum(received) / 2 < FIRST_VIEW_BYTES, "each byte of a file is counted twice, and those of the figures once"


async def test_the_playground_streams(visit: Visit, engines: Trio) -> None:
    """The decision, then the answer as it comes, as text whatever it contains; then what it took."""
    go = asyncio.Event()

    async def slowly(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(delta("Well, "))
        await go.wait()
        exchange.piece(delta(HOSTILE) + STOP + COUNTED + DONE)
        exchange.end()

    engines.small.then(slowly)
    page = visit.page
    await write(page)
    await page.get_by_role("button", name="Send").click()
    run, answer = page.get_by_role("article"), page.get_by_label("Answer of auto")
    await expect(answer).to_have_text("Well, ")
    await expect(run).to_contain_text("short-prompt")
    await expect(answer).to_have_attribute("aria-busy", "true")
    go.set()
    await expect(answer).to_have_text("Well, " + HOSTILE)
    await expect(run.locator(".badge")).to_have_text("Done")
    await expect(run).to_contain_text("7 in, 3 out")
    await expect(page.locator("#playground").get_by_role("status")).to_have_text("s: done, 3 tokens")
    assert await page.locator("img").count() == 0


async def test_two_tiers_side_by_side(visit: Visit, engines: Trio) -> None:
    """Each has its own decision and answer; one that fails says why."""
    engines.large.stop()
    page = visit.page
    await write(page)
    await page.get_by_label("side by side with").check()
    await page.get_by_label("The other one").select_option("l")
    await page.get_by_label("Message").press("Control+Enter")
    runs = page.get_by_role("article")
    await expect(runs).to_have_count(2)
    await expect(runs.nth(0)).to_contain_text("Grüße from the engine")
    await expect(runs.nth(1).get_by_role("alert")).to_contain_text("does not answer")
    await expect(page.locator("#problems")).to_contain_text("upstream_connect")
    assert len(engines.small.seen) == 1


async def test_an_answer_that_breaks_off(visit: Visit, engines: Trio) -> None:
    """Does not look complete; and one may be stopped, which the engine learns."""

    async def cut(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(delta("Half"))
        exchange.reset()

    async def endless(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(delta("On and on"))
        await exchange.gone.wait()

    page = visit.page
    engines.small.then(cut, endless)
    await write(page)
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_label("Answer of auto")).to_have_text("On and on")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("article").locator(".badge")).to_have_text("Stopped")
    await engines.small.seen[-1].left()
    assert len(engines.small.seen) == 2


async def test_names_do_no_harm(browser: Browser, engines: Trio, tmp_path: Path) -> None:
    """Whatever a model, a tenant, a reason or a code is called, it is text."""
    fleet = engines.fleet()
    fleet = fleet.model_copy(update={"name": HOSTILE, "models": {**fleet.models, HOSTILE: fleet.models["s"]}})
    async with Running(fleet) as gateway:
        hour = lookout_of(gateway).hour
        hour(finished(HOSTILE, HOSTILE))
        hour(finished(HOSTILE, HOSTILE, "failed", error=HOSTILE, tenant=HOSTILE, request_id=HOSTILE, status=500))
        hour(TargetFailed(HOSTILE, HOSTILE, HOSTILE, HOSTILE, retried=True))
        async with Visit(browser, gateway.port, tmp_path) as visit:
            page = (await visit.ready()).page
            await expect(page.locator(".card .name").last).to_have_text(HOSTILE)
            await expect(page.locator("#split .reasons li").first).to_have_text(f"{HOSTILE} 1")
            await expect(page.locator("#problems .what").first).to_have_text(HOSTILE)
            await expect(page.locator("#problems")).to_contain_text(f", {HOSTILE}")
            assert await page.locator("img, script:not([src^='/page/'])").count() == 0
            assert await page.title() == f"{HOSTILE} · Freehold"


async def test_by_keyboard_alone(visit: Visit) -> None:
    """In the order of reading, each with a name; the first leads past the top."""
    page = visit.page
    focused = (
        "(e => e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent)(document.activeElement)"
    )
    found = []
    for _ in range(10):
        await page.keyboard.press("Tab")
        found.append(await page.evaluate(focused))
    assert found == [
        *("Skip to the figures", "Dark", "As a table", "As a table", "As a table"),
        *("Message", "Ask", "side by side with", "Tokens at most", "Send"),
    ]
    await page.reload()
    await visit.ready()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("table")).to_have_count(1)


async def test_on_a_phone(browser: Browser, gateway: Running, tmp_path: Path) -> None:
    """Nothing is wider than the screen, and what is to be touched is large enough."""
    await gateway.chat()
    async with Visit(browser, gateway.port, tmp_path, **PHONE) as visit:
        page = (await visit.ready()).page
        await write(page)
        await page.get_by_role("button", name="Send").tap()
        await expect(page.get_by_role("article")).to_contain_text("Grüße")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for target in await page.get_by_role("button").all():
            box = await target.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 24, "WCAG 2.2, 2.5.8"


async def test_dark_and_light(browser: Browser, gateway: Running, tmp_path: Path) -> None:
    """As the system says, until one chooses; the choice stays."""
    brightness = "Math.max(...getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number))"
    async with Visit(browser, gateway.port, tmp_path, **DARK) as visit:
        page = (await visit.ready()).page
        switch = page.get_by_role("button", name="Dark")
        assert await page.evaluate(brightness) < 60
        await expect(switch).to_have_attribute("aria-pressed", "true")
        await switch.click()
        assert await page.evaluate(brightness) > 200
        await page.reload()
        await visit.ready()
        assert await page.evaluate(brightness) > 200
        await expect(switch).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize("how", [{}, {**DARK, **PHONE}], ids=["light", "dark-phone"])
async def test_accessible(
    browser: Browser, gateway: Running, lookout: Lookout, tmp_path: Path, how: dict[str, Any]
) -> None:
    """Axe finds nothing: contrast, names, roles, landmarks."""
    lookout.hour(finished("l", "long-prompt", "failed", error="upstream_connect", status=503))
    await gateway.chat()
    async with Visit(browser, gateway.port, tmp_path, **how) as visit:
        page = (await visit.ready()).page
        await write(page)
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("article").locator(".badge")).to_have_text("Done")
        await page.locator("summary").first.click()
        await expect(page.get_by_role("table")).to_have_count(1)
        found = await Axe().run(page)
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found.response["violations"]] == []


async def test_a_cut_connection(visit: Visit, gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says so, keeps what it knows, tries again, and at once when the network is back."""
    page = visit.page
    status = page.get_by_role("banner").get_by_role("status")
    monkeypatch.setattr(router.page.routes, "MOST_LIVE", 0)
    for connection in list(gateway.server.server_state.connections):
        connection.transport.abort()
    await expect(status).to_have_text("Connection lost; trying again")
    await expect(page.locator(".card")).to_have_count(3)
    tried = len(visit.asked)

    async def again() -> bool:
        return len(visit.asked) > tried

    await until(again)
    await expect(status).to_have_text("Connection lost; trying again")
    monkeypatch.undo()
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(status).to_have_text("Live")
    assert len(visit.asked) > tried + 1


async def test_left_open(visit: Visit, gateway: Running, lookout: Lookout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred updates with ever new errors later there are no more nodes than after the first."""
    monkeypatch.setattr(router.page.routes, "TICK_S", 0.005)
    monkeypatch.setattr(router.page.overview, "FRESH_S", 0.0)
    await visit.page.reload()
    await visit.ready()
    wire = await visit.page.context.new_cdp_session(visit.page)
    await wire.send("Performance.enable")
    number = 0

    async def nodes(updates: int) -> float:
        nonlocal number
        for _ in range(updates):
            number += 1
            lookout.hour(finished(outcome="failed", error=f"e{number}", status=503))
            await expect(visit.page.locator("#problems .what").first).to_have_text(f"e{number}")
        await wire.send("HeapProfiler.collectGarbage")
        metrics = (await wire.send("Performance.getMetrics"))["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "Nodes"))

    for old in range(PROBLEMS):
        lookout.hour(finished(outcome="failed", error=f"old{old}", status=503))
    early = await nodes(15)
    assert await nodes(85) <= early * 1.1
    await gateway.chat()


async def test_with_a_key(browser: Browser, office: Office, admin: str, tmp_path: Path) -> None:
    """It is asked for, told when it is wrong, kept by this tab alone, and forgotten on request."""
    async with Visit(browser, office.port, tmp_path) as visit:
        page = visit.page
        for key in ("fh-wrong", admin):
            await page.get_by_role("textbox", name="Key").fill(key)
            await page.get_by_role("button", name="Show the fleet").click()
            if key != admin:
                await expect(page.get_by_role("alert")).to_contain_text("Incorrect API key")
        await visit.ready()
        assert await page.evaluate("Object.values(sessionStorage)") == [admin]
        assert await page.evaluate("localStorage.length + document.cookie.length") == 0
        await expect(page.locator("#money")).to_contain_text("Nothing has been used of any limit yet.")
        await page.get_by_role("button", name="Forget the key").click()
        await expect(page.get_by_role("textbox", name="Key")).to_be_visible()
        assert await page.evaluate("sessionStorage.length") == 0
    assert not [url for url in visit.asked if admin in url]
