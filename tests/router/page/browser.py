"""A Chromium for tests, and one visit of it to the page."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

PATIENCE_MS = 10_000


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's, or another that is installed; a test without one is skipped."""
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("there is no Chromium here; on Debian: apt-get install chromium")
    expect.set_options(PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        await browser.close()


class Visit:
    """``async with Visit(browser, port, folder)`` opens the page; it asks nobody else, and runs nothing strange."""

    def __init__(self, browser: Browser, port: int, shots: Path, **how: Any) -> None:  # noqa: ANN401 - of a context
        """``how`` is what Playwright calls a context's options."""
        self._browser, self._how, self._shots = browser, how, shots
        self.url = f"http://127.0.0.1:{port}/"
        self.asked: list[str] = []
        """Addresses that the browser asked for."""
        self.wrong: list[str] = []
        """What the browser complained about: errors in scripts, and what the policy of the page forbade."""

    async def __aenter__(self) -> Self:
        """Go there."""
        self._context = await self._browser.new_context(**self._how)
        self.page: Page = await self._context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda message: self.wrong.append(message.text) if "Policy" in message.text else None)
        await self.page.goto(self.url)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Take a picture, and look at what it did."""
        await self.page.screenshot(path=self._shots / "page.png", full_page=True)
        await self._context.close()
        if kind is None:
            assert [url for url in self.asked if not url.startswith(self.url)] == []
            assert self.wrong == []

    async def ready(self) -> Self:
        """Wait for the first figures."""
        await expect(self.page.get_by_role("heading", name="Models")).to_be_visible()
        return self
