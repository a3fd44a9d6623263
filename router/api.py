"""What does not generate: models, the decision without the answer, health, metrics, the API's description."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import orjson
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from cluster.spec import AUTO, Fleet, Limits
from router.backends.contract import Backend
from router.call import Headers
from router.decide.facts import Terms
from router.decide.offers import offers
from router.desk import terms_of
from router.gateway import Gateway
from router.observe.metrics import Metrics
from router.wire.endpoints import ENDPOINTS, Endpoint
from router.wire.errors import Dialect, Refusal, error_body
from router.wire.openapi import describe, fields_of, page
from router.wire.parse import parse, read_json

READY_FOR_S = 1.0
"""How long an answer of /readyz holds: probing engines on every probe of ours would be a load of its own."""


class Json(Response):
    """A JSON response by orjson."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Serialise."""
        return orjson.dumps(content)


class Api:
    """The routes, bound to one fleet."""

    def __init__(
        self,
        fleet: Fleet,
        targets: Mapping[str, Backend],
        gateway: Gateway,
        metrics: Metrics,
    ) -> None:
        """Describe the API once; it does not change while the gateway runs."""
        self._fleet, self._targets = fleet, targets
        self._gateway, self._metrics = gateway, metrics
        self._created = int(time.time())
        self._ready_at = 0.0
        self._ready: dict[str, bool] = {}
        self._probe: asyncio.Task[None] | None = None
        self.document = describe(fleet)
        """What /openapi.json and /docs say; the composition root adds what accounts add."""

    def routes(self) -> list[Route]:
        """Every route, for Starlette."""
        return [
            Route("/v1/models", self.models),
            Route("/v1/models/{model}", self.model),
            Route("/v1/site", self.site),
            Route("/v1/route", self.route, methods=["POST"]),
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/metrics", self.metrics),
            Route("/openapi.json", self.openapi),
            Route("/docs", self.docs),
        ]

    async def models(self, request: HttpRequest) -> Response:
        """Models, tiers and ``auto``, as OpenAI lists models."""
        return Json({"object": "list", "data": [*self._cards(self._terms(request)).values()]})

    async def model(self, request: HttpRequest) -> Response:
        """One of them."""
        card = self._cards(self._terms(request)).get(request.path_params["model"])
        if card is None:
            missing = Refusal(404, "No such model; GET /v1/models lists them.", param="model", code="model_not_found")
            return refused(missing)
        return Json(card)

    async def route(self, request: HttpRequest) -> Response:
        """The decision for a request, without generating anything."""
        try:
            gateway = self._fleet.gateway
            body = await bounded_body(request, gateway.limits.body_bytes, gateway.deadlines.client)
            return Json(await self._explain(body, self._terms(request), request.scope["headers"]))
        except Refusal as refusal:
            return refused(refusal)

    async def site(self, request: HttpRequest) -> Response:
        """How this site is, for other sites."""
        chooser = self._gateway.chooser
        return Json(offers(self._fleet, chooser.load, chooser.policy.is_free, self._terms(request).allowed))

    async def healthz(self, _: HttpRequest) -> Response:
        """Alive."""
        return PlainTextResponse("ok")

    async def readyz(self, _: HttpRequest) -> Response:
        """Whether every tier has a target that answers; without tiers, every model but other sites'."""
        if time.monotonic() - self._ready_at > READY_FOR_S:
            self._probe = self._probe or asyncio.create_task(self._look())
            await asyncio.shield(self._probe)
        filled = {tier: names for tier, names in self._fleet.tiers_by_name().items() if names}
        tiers = {tier: any(self._ready[name] for name in names) for tier, names in filled.items()}
        here = [ready for name, ready in self._ready.items() if not self._fleet.models[name].site]
        ready = all(tiers.values()) if tiers else all(here)
        return Json({"ready": ready, "tiers": tiers, "models": self._ready}, 200 if ready else 503)

    async def _look(self) -> None:
        """Probe every target, side by side; whoever asks meanwhile waits for the same look."""
        try:
            answers = await asyncio.gather(*(target.answers() for target in self._targets.values()))
            self._ready = dict(zip(self._targets, answers, strict=True))
            self._ready_at = time.monotonic()
        finally:
            self._probe = None

    async def metrics(self, _: HttpRequest) -> Response:
        """Prometheus' text format."""
        text = self._metrics.exposition(self._targets.values())
        return Response(text, media_type="text/plain; version=0.0.4")

    async def openapi(self, _: HttpRequest) -> Response:
        """The API's description."""
        return Json(self.document)

    async def docs(self, _: HttpRequest) -> Response:
        """The same for people; needs neither scripts nor the internet."""
        return HTMLResponse(page(self.document))

    async def _explain(self, body: bytes, terms: Terms, headers: Headers) -> dict[str, object]:
        endpoint = _endpoint_of(body, self._fleet.gateway.limits)
        request = parse(endpoint, body, self._fleet.gateway.limits)
        chooser = self._gateway.chooser
        return chooser.explained(await chooser.choose(endpoint, request, headers, terms))

    def _terms(self, request: HttpRequest) -> Terms:
        principal = request.scope.get("state", {}).get("principal")
        return terms_of(principal, self._gateway.desk.allowed(principal))

    def _cards(self, terms: Terms) -> dict[str, dict[str, object]]:
        """By name, of what a caller may use."""
        fleet = self._fleet
        may = fleet.models if terms.allowed is None else terms.allowed
        groups = {**fleet.tiers_by_name(), AUTO: (*fleet.tiers.small, *fleet.tiers.large)}
        for name, route in fleet.routes.items():
            if terms.routes is None or name in terms.routes:
                groups[name] = groups.get(route.model, (route.model,))
        cards = {name: self._card(name, (name,), fleet.tier_of(name)) for name in fleet.models if name in may}
        for name, members in groups.items():
            if mine := tuple(member for member in members if member in may):
                cards[name] = self._card(name, mine, name)
        return cards

    def _card(self, name: str, members: tuple[str, ...], tier: str) -> dict[str, object]:
        models = [self._fleet.models[member] for member in members]
        return {
            "id": name,
            "object": "model",
            "created": self._created,
            "owned_by": "freehold",
            "context_length": max(model.context_length for model in models),
            "capabilities": sorted({capability.value for model in models for capability in model.capabilities}),
            "tier": tier,
            "models": list(members),
        }


def refused(refusal: Refusal) -> Response:
    """A refusal as a response in OpenAI's shape."""
    headers = {name.decode(): value.decode() for name, value in refusal.headers}
    return Response(error_body(refusal, Dialect.OPENAI), refusal.status, headers)


async def bounded_body(request: HttpRequest, limit: int, seconds: float = 10) -> bytes:
    """The body; Refusal 413 when it is longer than ``limit`` bytes, 408 when it takes longer than ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            return await _pieces(request, limit)
    except TimeoutError:
        msg = f"The body did not arrive within {seconds:g} s."
        raise Refusal(408, msg, code="request_timeout", close=True) from None
    except ClientDisconnect:
        raise Refusal(400, "The body never came whole.", close=True) from None


async def _pieces(request: HttpRequest, limit: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            msg = f"The body is larger than {limit} bytes."
            raise Refusal(413, msg, code="request_too_large", close=True)
    return bytes(body)


def _endpoint_of(body: bytes, limits: Limits) -> Endpoint:
    """Which endpoint a body is meant for: its fields tell."""
    found = read_json(body, limits)
    fields = found.keys() if isinstance(found, dict) else set()
    for endpoint in ENDPOINTS.values():
        if fields <= fields_of(endpoint):
            return endpoint
    meant = {"input": "/v1/responses", "prompt": "/v1/completions"}
    return ENDPOINTS[next((path for field, path in meant.items() if field in fields), "/v1/chat/completions")]
