"""A real PostgreSQL, gateways with accounts before the do-nothing engine, and a look into the books.

The database is the one that ``freehold up`` embeds, as it is configured there: every commit is synced to the disk.
Invariant: when a ``with`` block is left, neither the server nor a gateway is alive, and their directory is gone.
Neighbours: :mod:`benchmarks.lab.nursery` starts gateways fast, :mod:`benchmarks.lab.caller` asks them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

from benchmarks.lab.processes import module, pinned, running
from benchmarks.lab.sides import Side
from cluster.ports import free_port
from cluster.supervise.postgres import Postgres

PLENTY: Final = 10**12
"""A limit that is counted and leased like any other, and never reached."""
PLANS: Final[dict[str, Mapping[str, object]]] = {
    "plenty": {
        "requests_per_minute": PLENTY,
        "tokens_per_minute": PLENTY,
        "messages_per_month": PLENTY,
        "tokens_per_month": PLENTY,
    }
}
PRICE: Final = 1000
"""US dollars for a million tokens: a thousandth of a dollar for each."""
_CONNECTIONS: Final = 200
"""Enough for gateways that were killed a moment ago and those that follow them."""
_OUTCOME: Final = re.compile(r'^freehold_outcomes_total\{.*outcome="complete".*\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Bank:
    """A database, and the ``FREEHOLD_HOME`` of the gateways that use it."""

    url: str
    home: Path
    server: psutil.Process
    """PostgreSQL's first process; its children serve the connections."""

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database has."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql.encode(), values).fetchall()

    def count(self, sql: str, *values: object) -> int:
        """The one number that a query gives, 0 for null."""
        return int(self.rows(sql, *values)[0][0] or 0)

    @property
    def admin(self) -> str:
        """The key that the first gateway made."""
        return (self.home / "admin.key").read_text().strip()

    @property
    def environment(self) -> dict[str, str]:
        """What a gateway finds it by."""
        return {"FREEHOLD_HOME": str(self.home), "FREEHOLD_DATABASE_URL": self.url}

    def key(self, gateway: str, tenant: str, plan: str) -> str:
        """A new tenant with a plan, and a key of it, made by one of the gateways."""
        self._ask(f"{gateway}/admin/tenants", {"name": tenant, "plan": plan})
        return str(json.loads(self._ask(f"{gateway}/admin/keys", {"tenant": tenant}))["key"])

    def complete(self, gateway: str) -> int:
        """Complete answers, as a gateway has counted them since its start."""
        return int(sum(float(value) for value in _OUTCOME.findall(self._ask(f"{gateway}/metrics").decode())))

    def _ask(self, url: str, body: object = None) -> bytes:
        headers = {"authorization": f"Bearer {self.admin}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310  our own address
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return bytes(answer.read())


@contextmanager
def bank(*, core: int | None = None) -> Iterator[Bank]:
    """An empty database with a server of its own, kept on one CPU where one is given."""
    folder = Path(tempfile.mkdtemp(prefix="fhb-"))
    postgres = Postgres(folder / "postgres", folder, folder / "postgres.log", connections=_CONNECTIONS)
    try:
        child = postgres.start(os.environ)
        try:
            server = psutil.Process(child.pid)
            _pin(server, core)
            yield Bank(postgres.url, folder / "home", server)
        finally:
            postgres.stop()
            child.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fleet(engine: str, file: Path, *, access: str = "keys", plans: Mapping[str, object] = PLANS) -> Path:
    """Write a fleet file: two free models and, with keys, a paid one, all of them the do-nothing engine."""
    free = {"engine": "url", "url": engine, "served_as": "burst", "context_length": 131_072}
    price = {"price": {"prompt": PRICE, "completion": PRICE}}
    models = {"first": free, "second": free} | ({"paid": free | price} if access == "keys" else {})
    default = next(iter(plans))
    budget = {"usd_per_day": 10**6, "usd_per_month": 10**6}
    tenants = {"access": access, "plans": plans, "default_plan": default, "budget": budget}
    content = {
        "name": "accounts",
        "models": models,
        "tiers": {"small": ["first"], "large": ["second"]},
        "tenants": tenants if access == "keys" else {"access": "open"},
    }
    file.write_text(json.dumps(content))
    return file


@contextmanager
def gateway(bank: Bank, spec: Path, logs: Path, *, name: str, core: int | None = None) -> Iterator[Side]:
    """One gateway of the bank, one worker."""
    bank.home.mkdir(mode=0o700, exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = module("router", "--fleet", str(spec), "--host", "127.0.0.1", "--port", str(port))
    command = command if core is None else pinned(core, command)
    with running(command, ready=f"{url}/healthz", log=logs / f"{name}.log", env=bank.environment) as process:
        yield Side(name, url, "auto", process)


@contextmanager
def gateways(bank: Bank, spec: Path, logs: Path, number: int) -> Iterator[list[Side]]:
    """Several gateway processes of one bank; each has a port of its own, so that a caller can choose among them."""
    with ExitStack() as stack:
        names = [f"gateway{index}" for index in range(number)]
        yield [stack.enter_context(gateway(bank, spec, logs, name=name)) for name in names]


def _pin(server: psutil.Process, core: int | None) -> None:
    """Keep a server and what it starts on one CPU, where there are several and the system lets us."""
    if core is None or core >= (os.cpu_count() or 1) or not hasattr(server, "cpu_affinity"):
        return
    for process in [server, *server.children()]:
        process.cpu_affinity([core])
