"""Sites under test: two real gateways that name each other, each before engines of its own, and a scripted site."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from cluster.ports import free_port
from cluster.spec import Fleet
from router.backends.targets import watches_of
from tests.router.engine import Engine, Exchange, until
from tests.router.gateway import Running, Trio

Json = dict[str, Any]


def fleet_at(here: str, trio: Trio, sites: Mapping[str, Json], **parts: Any) -> Fleet:  # noqa: ANN401 - of a fleet file
    """The usual fleet as the site ``here``, with others."""
    plain = trio.fleet(**parts.pop("gateway", {})).model_dump(exclude_unset=True)
    return Fleet.model_validate({**plain, "site": here, "sites": sites, **parts})


class Pair:
    """``ber`` and ``fra``, each the other's only site."""

    def __init__(self, ber: Running, fra: Running, near: Trio, far: Trio) -> None:
        """``near`` are the engines of ``ber``, ``far`` those of ``fra``."""
        self.ber, self.fra, self.near, self.far = ber, fra, near, far

    def counts(self) -> tuple[int, int]:
        """Requests that the small engine of each site was asked."""
        return len(self.near.small.seen), len(self.far.small.seen)


@asynccontextmanager
async def pair(near: Trio, far: Trio, **parts: Any) -> AsyncIterator[Pair]:  # noqa: ANN401 - of a fleet file
    """Both gateways, each knowing how the other is; ``parts`` are of both fleet files."""
    ports = {"ber": free_port(), "fra": free_port()}
    sites = {name: {"url": f"http://127.0.0.1:{port}"} for name, port in ports.items()}
    async with AsyncExitStack() as stack:
        ber, fra = [
            await stack.enter_async_context(Running(fleet_at(name, trio, sites, **parts), port=ports[name]))
            for name, trio in (("ber", near), ("fra", far))
        ]
        for running in (ber, fra):
            await known(running)
        yield Pair(ber, fra, near, far)


async def known(running: Running) -> None:
    """Have a gateway ask its sites how they are, as it does every second."""
    for watch in watches_of(running.targets):
        await watch.look()


class ScriptedSite(Engine):
    """A site that says of itself what a test wants it to say."""

    def __init__(self, name: str, **offer: object) -> None:
        """``offer`` is what is not as usual of each of its models."""
        super().__init__()
        self.name = name
        self.offer = {"available": True, "free": True, "ttft_s": 0.0, **offer}
        self.is_silent = False
        self.asked: list[Exchange] = []
        """How it is."""

    def take(self, exchange: Exchange) -> None:
        """Tell how it is, or leave that unanswered; the rest as an engine does."""
        if exchange.path != "/v1/site":
            super().take(exchange)
            return
        self.asked.append(exchange)
        if not self.is_silent:
            exchange.answer({"site": self.name, "models": dict.fromkeys(("s", "l", "e"), self.offer)})

    async def answered(self) -> None:
        """Wait until it was asked once more."""
        count = len(self.asked)

        async def again() -> bool:
            return len(self.asked) > count

        await until(again)
