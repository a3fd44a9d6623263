"""A gateway's accounts without its gateway: the registers, what it knows, and its door, on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

from starlette.types import Scope

from cluster.spec.tenants import Tenants
from router.accounts.channels import KEYS, TENANTS
from router.accounts.door import ANY_KEY, Doorkeeper
from router.accounts.facts import Principal
from router.accounts.issued import Issued, KeyRegister, Wanted
from router.accounts.keys import Keys
from router.accounts.pepper import Pepper
from router.accounts.store import Store
from router.accounts.tenants import TenantRegister
from router.wire.errors import Refusal

PEPPER_HEX = "70" * 32
PEPPER = Pepper(bytes.fromhex(PEPPER_HEX))
SPEC = Tenants.model_validate(
    {
        "access": "keys",
        "plans": {
            "explorer": {"messages_per_month": 100, "tiers": ["small"]},
            "master": {"priority": 9, "egress": True},
        },
        "default_plan": "explorer",
    },
)


class Reception:
    """``async with Reception(store)`` listens as a gateway does."""

    def __init__(self, store: Store, spec: Tenants = SPEC, pepper: Pepper = PEPPER) -> None:
        """One gateway's worth of objects."""
        self.store = store
        self.tenants = TenantRegister(store, spec)
        self.issued = KeyRegister(store, pepper)
        self.keys = Keys(store, spec, pepper)
        self.door = Doorkeeper(self.keys, pepper, store)
        self._heard: set[str] | None = None

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.keys.start()
        self._heard = set()
        for channel in (TENANTS, KEYS):
            await self.store.listen(channel, self._heard.add)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.keys.close()

    async def tenant(self, name: str) -> None:
        """A new tenant with the default plan."""
        await self.tenants.create(name, None, {})
        await self._hear(name)

    async def key(self, tenant: str, **wanted: Any) -> tuple[str, Issued]:  # noqa: ANN401 - the fields of Wanted
        """A new key's text and row; whoever listens has heard of it, so that no notice disturbs a count."""
        new, issued = await self.issued.create(Wanted(tenant, **wanted))
        await self._hear(new.id)
        return new.text, issued

    async def _hear(self, payload: str) -> None:
        async with asyncio.timeout(10):
            while True:
                if self._heard is None or payload in self._heard:
                    return
                await asyncio.sleep(0)

    async def admit(self, key: str, endpoint: str = ANY_KEY, client: str = "192.0.2.7") -> Principal | str:
        """Whom the door lets in, or the code of its refusal."""
        try:
            return await self.door.admit(request(key, client), endpoint)
        except Refusal as refusal:
            return str(refusal.code)

    async def until(self, expected: str | Callable[[Principal], bool], key: str) -> Principal | str:
        """Ask the door until its answer is as expected; a notice takes its time, and a test waits no longer."""
        async with asyncio.timeout(10):
            while True:
                answer = await self.admit(key)
                if answer == expected or (callable(expected) and isinstance(answer, Principal) and expected(answer)):
                    return answer
                await asyncio.sleep(0)


def request(key: str, client: str = "192.0.2.7", path: str = "/v1/models", **headers: str) -> Scope:
    """A request with a key, as the server hands it over."""
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    bearer = [(b"authorization", f"Bearer {key}".encode())] if key else []
    return {"type": "http", "path": path, "method": "GET", "client": (client, 50_000), "headers": [*bearer, *pairs]}
