"""Understand a request and decide who answers: what the gateway does before it forwards, and ``/v1/route`` does alone.

In order: the named route's prompt and parameters, permission to leave the site, what the request needs, shortcuts,
rules, the conversation so far, the policy. Neighbours: :mod:`router.decide` has each of them, pure.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from cluster.spec import AUTO, SHORTCUT, Fleet
from router.backends.contract import Backend
from router.backends.translate.ways import obstacle_of
from router.decide.egress import Egress
from router.decide.facts import Ask, Decision, Load, Reason, Terms
from router.decide.features import to_tokenize, understand
from router.decide.hops import Came, Hops
from router.decide.policy import Policy, unsure
from router.decide.roles import dressed
from router.decide.rules import Rules
from router.decide.shortcuts import Shortcuts
from router.wire.endpoints import Endpoint, Kind
from router.wire.errors import Refusal
from router.wire.parse import Request

Headers = list[tuple[bytes, bytes]]


class Choice(NamedTuple):
    """What became of a request."""

    request: Request
    """As it is sent to an engine: with what its route adds."""
    ask: Ask
    decision: Decision
    said: str = ""
    """A shortcut's answer; empty where a model has to answer."""
    counting_s: float = 0.0
    """How long an engine took to count the prompt."""
    came: Came = Came(())


class Chooser:
    """Chooses for one fleet."""

    def __init__(self, fleet: Fleet, targets: Mapping[str, Backend], policy: Policy) -> None:
        """Prepare what every choice starts from."""
        self._fleet, self._targets = fleet, targets
        self.policy = policy
        self.egress, self.hops = Egress(fleet), Hops(fleet)
        self._rules = Rules(fleet.routing.rules)
        self._shortcuts = Shortcuts(fleet.shortcuts)

    def load(self, model: str) -> Load:
        """The live load of a model."""
        return self._targets[model].load()

    async def choose(self, endpoint: Endpoint, request: Request, headers: Headers, terms: Terms) -> Choice:
        """Decide.

        Raises:
            Refusal: nobody may or can answer.

        """
        named: str = request["model"]
        request, why = self._routed(endpoint, request, terms)
        asked = self._fleet.routes[named].model if why else named
        came = self.hops.came(headers, from_site=terms.is_site)
        allowed = self.hops.allowed(self.egress.allowed(terms.allowed, headers, asked), came, asked)
        ask = self._understood(endpoint, request)
        if why or terms.when_busy is not None:
            ask = ask._replace(model=asked, why=why, when_busy=terms.when_busy)
        if (why or asked == AUTO) and (said := self._shortcuts.answer(ask, request, headers)):
            decision = Decision(SHORTCUT, SHORTCUT, Reason.SHORTCUT, cost_usd=0.0)
            return Choice(request, ask, decision, said, came=came)
        if asked == AUTO and ask.kind is not Kind.EMBEDDING:
            ask = self._judged(ask, request, headers, terms)
        decision = self.policy.decide(ask, self.load, allowed)
        if not unsure(ask, self._fleet.models[decision.model]):
            return Choice(request, ask, decision, came=came)
        began = time.perf_counter()
        ask = await self._counted(ask, decision, request)
        taken = time.perf_counter() - began
        return Choice(request, ask, self.policy.decide(ask, self.load, allowed), counting_s=taken, came=came)

    def _routed(self, endpoint: Endpoint, request: Request, terms: Terms) -> tuple[Request, Reason | None]:
        """With what the named route adds, where the caller names one."""
        name: str = request["model"]
        route = self._fleet.routes.get(name)
        if route is None:
            return request, None
        if terms.routes is not None and name not in terms.routes:
            raise Refusal(403, f"Your plan may not use {name!r}.", param="model", code="model_not_allowed")
        return dressed(endpoint, request, route), Reason.ROUTE

    def _understood(self, endpoint: Endpoint, request: Request) -> Ask:
        """What a request needs, and whether a hosted model could be asked for it at all."""
        ask = understand(endpoint, request)
        if self.egress.outside and (field := obstacle_of(endpoint.kind, request)):
            return ask._replace(only_here=field)
        return ask

    def _judged(self, ask: Ask, request: Request, headers: Headers, terms: Terms) -> Ask:
        """By a rule where one holds; else by the conversation so far, or by the scorer."""
        to = self._rules.holding(ask, request, headers, terms.plan)
        if to is not None:
            return ask._replace(model=to, why=Reason.RULE)
        thread = self.policy.pins.thread(ask.kind, request, headers, terms.tenant)
        return ask._replace(thread=thread, verdict=self.policy.judge(ask, thread))

    async def _counted(self, ask: Ask, decision: Decision, request: Request) -> Ask:
        """The same ask with its prompt tokens counted by the engine, where the engine can and is on the site."""
        part = to_tokenize(ask.kind, request) if decision.model not in self.egress.elsewhere else None
        count = await self._targets[decision.model].count_tokens(part) if part else None
        return ask if count is None else ask._replace(prompt_tokens=count, counted=True)

    def explained(self, choice: Choice) -> dict[str, Any]:
        """The decision for people and scripts: ``/v1/route``."""
        ask, decision = choice.ask, choice.decision
        return {
            "object": "route",
            "model": decision.model,
            "tier": decision.tier,
            "reason": decision.reason.value,
            "adapter": self.adapter(choice),
            "score": decision.score,
            "expected_quality": decision.quality,
            "expected_cost_usd": decision.cost_usd,
            "predicted_ttft_s": decision.ttft_s,
            "alternatives": list(decision.alternatives),
            "candidates": [self._candidate(choice, name) for name in (decision.model, *decision.alternatives)],
            "prompt_tokens": ask.prompt_tokens,
            "prompt_tokens_counted": ask.counted,
            "needs": sorted(need.value for need in ask.needs),
            "dial": self.policy.dial._asdict(),
        }

    def adapter(self, choice: Choice) -> str | None:
        """The LoRA adapter that a decision's model answers with."""
        model, name = self._fleet.models.get(choice.decision.model), choice.request["model"]
        return name if model is not None and name in model.adapters else None

    def _candidate(self, choice: Choice, name: str) -> dict[str, Any]:
        """What is known of one of those who may answer."""
        if name not in self._fleet.models:
            return {"model": name, "tier": name, "available": True, "expected_cost_usd": 0.0}
        now, tier = self.load(name), self._fleet.tier_of(name)
        found = self.policy.explained(choice.decision._replace(model=name, tier=tier), choice.ask, self.load)
        return {
            "model": name,
            "tier": tier,
            "available": now.available,
            "in_flight": now.in_flight,
            "waiting": now.waiting,
            "expected_quality": found.quality,
            "expected_cost_usd": found.cost_usd,
            "predicted_ttft_s": found.ttft_s,
        }
