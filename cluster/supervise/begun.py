"""A fleet that has begun to start: its processes, and the record that tells the rest of the world."""

from __future__ import annotations

import asyncio
import time
from asyncio.subprocess import Process
from dataclasses import dataclass, field
from pathlib import Path

from cluster.errors import EngineFailedError, EnginesLostError, StartError
from cluster.spec import Engine
from cluster.supervise import children, tokens
from cluster.supervise.database import VARIABLE, Database, embedded, url_of
from cluster.supervise.events import EnginesReady, Failed, FleetReady, ModelFailed, ModelReady, Notice, Step, Tell
from cluster.supervise.plan import Plan
from cluster.supervise.replicas import keep_telling
from cluster.supervise.state import Phase, Record, ServedModel

BACKOFF_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before the gateway is started again, by how often that was needed since it last ran steadily."""
STEADY_S = 60.0


@dataclass(slots=True)
class Begun:
    """Starts in order, then watches; whoever holds it takes the fleet down afterwards."""

    plan: Plan
    record: Record
    tell: Tell
    _database: Database | None = None
    _database_url: str = ""
    _serving: Process | None = None
    _gateway: Process | None = None
    _ready: dict[str, ModelReady] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)

    async def start(self) -> None:
        """Bring everything up; a StartError says what did not come, and leaves the rest running."""
        self._keep(self.record)
        await self._start_database()
        if self.plan.has_engines:
            await self._start_engines()
        begun = time.monotonic()
        await self._start_gateway()
        self.tell(Step(name="gateway", seconds=time.monotonic() - begun))
        await self._first_tokens()
        self._keep(self.record.model_copy(update={"phase": Phase.READY, "models": self._served()}))
        self.tell(FleetReady(record=self.record, seconds=time.monotonic() - self._since))

    async def watch(self) -> None:
        """Start database and gateway again whenever they die; raise EnginesLostError when the engines do."""
        engines = asyncio.create_task(self._engines_gone())
        database = asyncio.create_task(self._database.keep()) if self._database else engines
        telling = asyncio.create_task(keep_telling(self.plan.home, self.record))
        deaths = 0
        try:
            while True:
                began = time.monotonic()
                gateway = asyncio.create_task(self._gateway_gone())
                await asyncio.wait({engines, gateway}, return_when=asyncio.FIRST_COMPLETED)
                if engines.done():
                    gateway.cancel()
                    engines.result()
                deaths = 1 if time.monotonic() - began > STEADY_S else deaths + 1
                pause = BACKOFF_S[min(deaths, len(BACKOFF_S)) - 1]
                self.tell(Notice(text=f"the gateway ended ({gateway.result()}); starting it again in {pause:g} s"))
                await asyncio.sleep(pause)
                self._gateway = await self._spawn("gateway")
        finally:
            for task in (engines, database, telling):
                task.cancel()

    def _keep(self, record: Record) -> None:
        self.record = record
        self.plan.home.write(record)

    def _log(self, name: str) -> Path:
        return self.plan.home.logs / f"{name}.log"

    async def _spawn(self, name: str) -> Process:
        engines = name == "serving"
        command = self.plan.serving_command(self.record) if engines else self.plan.gateway_command(self.record)
        environment = self.plan.environment(self.record, name)
        if not engines and self._database_url:
            environment[VARIABLE] = self._database_url
        return await children.start(command, environment, self._log(name), talks=engines)

    async def _start_database(self) -> None:
        postgres = embedded(self.plan.home, Path(self.record.scratch), self.plan.fleet)
        self._database_url = url_of(self.plan.fleet, postgres)
        if self._database_url == postgres.url:
            self._database = Database(postgres, self.plan.environment(self.record, "database"), self.tell)
            await self._database.start()

    async def _start_engines(self) -> None:
        self._serving = await self._spawn("serving")
        async for event in children.facts(self._serving):
            if isinstance(event, ModelFailed):
                raise EngineFailedError(event.model, event.cause, event.log or self._log("serving"))
            if isinstance(event, Failed):
                raise StartError(event.message)
            if isinstance(event, ModelReady):
                self._ready[event.model] = event
            self.tell(event)
            if isinstance(event, EnginesReady):
                return
        raise StartError(await self._ended("the engines", self._serving, "serving"))

    async def _start_gateway(self) -> None:
        self._gateway = await self._spawn("gateway")
        gone = asyncio.create_task(self._gateway.wait())
        alive = asyncio.create_task(tokens.until_alive(self.record.url))
        await asyncio.wait({gone, alive}, return_when=asyncio.FIRST_COMPLETED)
        alive.cancel()
        if gone.done():
            raise StartError(await self._ended("the gateway", self._gateway, "gateway"))
        gone.cancel()

    async def _ended(self, what: str, process: Process, name: str) -> str:
        code = await process.wait()
        words = children.last_words(self._log(name))
        return f"{what} ended with exit code {code} while starting: {words} (log: {self._log(name)})"

    async def _first_tokens(self) -> None:
        url, key = self.record.url, self.plan.home.admin_key()
        all_models = self.plan.fleet.models.items()
        models = [(name, model) for name, model in all_models if not (model.is_outside or model.site)]
        if not await tokens.lets_in(url, key):
            text = f"no key of this fleet in {self.plan.home.root}, so no model was asked through the gateway"
            self.tell(Notice(text=text))
            return
        seconds = await asyncio.gather(*(tokens.first(url, key, name, model) for name, model in models))
        for (name, model), took in zip(models, seconds, strict=True):
            if took is None:
                self.tell(Notice(text=f"the plan of this fleet's key gives nothing of {name}, so it was not asked"))
            elif model.engine is Engine.URL:
                self._ready[name] = ModelReady(model=name, seconds=took)
                self.tell(self._ready[name])

    def _served(self) -> tuple[ServedModel, ...]:
        tier_of = self.plan.fleet.tier_of
        return tuple(
            ServedModel(
                name=name,
                tier=tier_of(name),
                replicas=m.replicas,
                memory_bytes=m.memory_bytes,
                may_sleep=model.may_sleep and not self.plan.plain,
                ready_s=m.seconds,
            )
            for name, model in self.plan.fleet.models.items()
            if (m := self._ready.get(name))
        )

    async def _gateway_gone(self) -> str:
        code = await self._gateway.wait() if self._gateway else 0
        return f"exit code {code}, log: {self._log('gateway')}"

    async def _engines_gone(self) -> None:
        if self._serving is None:
            await asyncio.Event().wait()
            return
        async for event in children.facts(self._serving):
            self.tell(Notice(text=event.model_dump_json()))
        code = await self._serving.wait()
        words = children.last_words(self._log("serving"))
        msg = f"the engines ended with exit code {code}: {words} (log: {self._log('serving')})"
        raise EnginesLostError(msg)
