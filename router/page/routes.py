"""``/`` and what it loads, open to everybody for they say nothing; ``/admin/overview``, which tells, once or live.

With accounts, :mod:`router.guard` asks for an admin key before anything here is reached. Without, the figures are for
this machine's own browser (:mod:`router.wire.origin`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from router.api import Json, refused
from router.page.lookout import Lookout
from router.page.overview import Overview
from router.wire.errors import Refusal
from router.wire.origin import refuse_foreign_host, refuse_foreign_page

TICK_S = 2.0
"""Between two looks of a live page."""
MOST_LIVE = 64
"""Live pages that one worker serves at once."""
_RETRY_S = 30
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_SECURE = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Whatever a name contains, the browser runs nothing but the page's own files, and sends nothing anywhere else."""
_LIVE = {"cache-control": "no-store", "x-accel-buffering": "no", **_SECURE}
_EVENTS = "text/event-stream"
_NOTHING_NEW = b": still here\n\n"

Endpoint = Callable[[Request], Awaitable[Response]]


def page_routes(lookout: Lookout) -> list[Route]:
    """Every route, for Starlette; where there are keys they must stand behind a :class:`router.guard.Guard`."""
    page, keys = _Page(Overview(lookout)), lookout.fleet.tenants.access == "keys"
    figures = page.overview if keys else _only_here(page.overview)
    return [Route("/", page.first), Route("/page/{file}", page.file), Route("/admin/overview", figures)]


def _only_here(step: Endpoint) -> Endpoint:
    async def checked(request: Request) -> Response:
        try:
            refuse_foreign_host(request.scope["headers"])
            refuse_foreign_page(request.scope["headers"])
        except Refusal as refusal:
            return refused(refusal)
        return await step(request)

    return checked


def _kind(name: str) -> str:
    """Empty for what is no part of the page, such as a licence."""
    return _TYPES.get(name.rpartition(".")[2], "")


class _File:
    """A file as it is sent."""

    def __init__(self, name: str, content: bytes) -> None:
        self.content = content
        self.tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        self.headers = {"content-type": _kind(name), "etag": self.tag, "cache-control": "no-cache", **_SECURE}


class _Page:
    """The steps behind the routes."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        static = (files("router.page") / "static").iterdir()
        self._files = {file.name: _File(file.name, file.read_bytes()) for file in static if _kind(file.name)}
        self._live = 0

    async def first(self, request: Request) -> Response:
        """The page itself."""
        return self._sent(request, self._files["index.html"])

    async def file(self, request: Request) -> Response:
        """What it loads."""
        found = self._files.get(request.path_params["file"])
        if found is None:
            return refused(Refusal(404, "The page has no such file.", code="not_found"))
        return self._sent(request, found)

    def _sent(self, request: Request, found: _File) -> Response:
        """A file, or that it has not changed."""
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=found.headers)
        return Response(found.content, headers=found.headers)

    async def overview(self, request: Request) -> Response:
        """All figures; to whom accepts server-sent events, from then on those sections that have changed."""
        if _EVENTS not in request.headers.get("accept", ""):
            return Json(await self._overview.sections(), headers=_LIVE)
        if self._live >= MOST_LIVE:
            return refused(Refusal(503, "Too many live pages are open.", code="too_many_pages", retry_after=_RETRY_S))
        events = self._events(request.scope["extensions"]["freehold.drain"])
        return StreamingResponse(events, media_type=_EVENTS, headers=_LIVE)

    async def _events(self, watch: Callable[[Callable[[], None]], None]) -> AsyncIterator[bytes]:
        """Until the client leaves, or the gateway does."""
        ends = asyncio.Event()
        watch(ends.set)
        self._live += 1
        sent: dict[str, Any] = {}
        try:
            while not ends.is_set():
                now = await self._overview.sections()
                new = {name: section for name, section in now.items() if sent.get(name) != section}
                sent.update(new)
                yield b"data: " + orjson.dumps(new) + b"\n\n" if new else _NOTHING_NEW
                await _pause(ends)
        finally:
            self._live -= 1


async def _pause(ends: asyncio.Event) -> None:
    """Until the next look, or the end."""
    try:
        async with asyncio.timeout(TICK_S):
            await ends.wait()
    except TimeoutError:
        return
