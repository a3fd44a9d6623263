"""The routes of the quality loop: a caller's word on an answer, and for admins what all of it comes to."""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from starlette.requests import Request
from starlette.responses import Response

from cluster.errors import UsageError
from cluster.spec import Fleet
from router.accounts.facts import Principal
from router.accounts.labels import FEEDBACK, Label, Labels
from router.accounts.pepper import Pepper
from router.accounts.routers import Artefact, Routers
from router.accounts.sealed import Sealer
from router.accounts.store import Store
from router.accounts.verdicts import HEADINGS, Quality, quality
from router.admin.answers import Answer, tenant_in_query
from router.admin.bodies import parsed
from router.admin.usage import period_in_query
from router.api import bounded_body
from router.quality.training import rows_of
from router.wire.errors import Refusal

_log = logging.getLogger(__name__)
_BODY_BYTES = 256 << 10
_MODEL_BYTES = 1_000_000
_ROUTER_BYTES = 4 * _MODEL_BYTES
_MOST_MOVES = 100
CALLER = "caller"
"""The judge of what callers say."""
_VERSION = "1"


class Feedback(BaseModel):
    """``POST /v1/feedback``: how an answer was; at least one of the three."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    request_id: Annotated[str, Field(pattern=r"^req_[0-9a-f]{24}$")]
    """The answer's ``x-request-id``."""
    rating: Literal["good", "bad"] | None = None
    correction: Annotated[str, Field(min_length=1, max_length=200_000)] | None = None
    """What the answer should have been. That there is one says that it was not good; the text itself is not kept."""
    accepted: bool | None = None
    """Whether it was used as it was."""

    @model_validator(mode="after")
    def _says_something(self) -> Feedback:
        if self.rating is None and self.correction is None and self.accepted is None:
            msg = "say at least one of rating, correction and accepted"
            raise ValueError(msg)
        return self

    @property
    def score(self) -> float:
        """1 for a good answer, 0 for another; any complaint counts."""
        return float(not (self.rating == "bad" or self.correction is not None or self.accepted is False))


class Promotion(BaseModel):
    """``POST /admin/router``: what ``freehold router train`` wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    card: dict[str, JsonValue]
    """``card.json``."""
    model: Annotated[str, Field(max_length=2 * _MODEL_BYTES)]
    """``model.npz`` in base64."""

    def artefact(self) -> Artefact:
        """Checked as a gateway checks it; Refusal 400 where none could use it."""
        from router.learn.artefact import unpacked  # noqa: PLC0415 - numpy, which most gateways do without

        try:
            data = base64.b64decode(self.model, validate=True)
            unpacked(self.card, data, "the router")
        except (UsageError, ValueError) as exc:
            raise Refusal(400, str(exc)[:500], param="model", code="invalid_request") from exc
        return Artefact(self.card, data)


class QualitySteps:
    """The steps behind the routes."""

    def __init__(self, fleet: Fleet, store: Store, pepper: Pepper) -> None:
        """Sealed prompts open with ``pepper``."""
        self._store = store
        self._large = next(iter(fleet.tiers.large), "")
        self._labels, self._routers = Labels(store, Sealer(pepper)), Routers(store)

    async def feedback(self, request: Request) -> Answer:
        """``POST /v1/feedback``: of an answer of the caller's own tenant; another's is unknown to it."""
        caller: Principal = request.state.principal
        body = parsed(Feedback, await bounded_body(request, _BODY_BYTES))
        answered = await self._labels.answered(caller.tenant, body.request_id)
        if answered is None:
            msg = "No complete answer with this request_id was given to your tenant in the last 30 days."
            raise Refusal(404, msg, param="request_id", code="request_not_found")
        label = Label(
            id=f"fb_{body.request_id}",
            request_id=body.request_id,
            tenant=caller.tenant,
            source=FEEDBACK,
            reference="",
            propensity=1.0,
            score=body.score,
            judge=CALLER,
            judge_version=_VERSION,
            cost_micros=0,
            **answered._asdict(),
        )
        await self._labels.write(label)
        return {"object": "feedback", "request_id": body.request_id, "score": body.score}

    async def report(self, request: Request) -> Answer:
        """``GET /admin/quality``: win rate and quality share with intervals."""
        by = request.query_params.get("by", "tier")
        if by not in HEADINGS:
            raise Refusal(400, f"by: one of {', '.join(HEADINGS)}.", param="by", code="invalid_request")
        tenant = tenant_in_query(request)
        rows = await quality(self._store, by, tenant, period_in_query(request))
        return {"object": "list", "by": by, "tenant": tenant, "data": [quality_card(row) for row in rows]}

    async def router(self, request: Request) -> Answer:
        """``GET /admin/router``: the router in use, and the moves that led there, the last one first."""
        del request
        now = await self._routers.in_use()
        moves = [move._asdict() for move in await self._routers.moves(_MOST_MOVES)]
        return {"object": "list", "in_use": now._asdict() if now else None, "data": moves}

    async def promote(self, request: Request) -> Answer:
        """``POST /admin/router``: put a trained router in use at every gateway."""
        body = parsed(Promotion, await bounded_body(request, _ROUTER_BYTES))
        artefact = await asyncio.to_thread(body.artefact)
        now = await self._routers.promote(artefact, None, {"by": _key_of(request)})
        return {"object": "router", **now._asdict()}

    async def roll_back(self, request: Request) -> Answer:
        """``POST /admin/router/rollback``: take the latest promotion back."""
        now = await self._routers.roll_back({"by": _key_of(request)})
        return {"object": "router", **(now._asdict() if now else {"version": None, "share": None})}

    async def labels(self, request: Request) -> Answer:
        """``GET /admin/labels``: what a router can be trained on, in lines of JSON, prompts in the clear."""
        _log.info("sampled prompts were read, by key %s", _key_of(request))
        rows = rows_of(await self._labels.cases(), self._large)
        lines = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
        return Response(lines, media_type="application/x-ndjson", headers={"cache-control": "no-store"})


def _key_of(request: Request) -> str:
    principal: Principal = request.state.principal
    return principal.key_id


def quality_card(row: Quality) -> dict[str, Any]:
    """A row of verdicts as it is told."""
    return {**row._asdict(), "win_rate": row.win_rate._asdict(), "quality_share": row.quality_share._asdict()}
