"""Money in open mode: nobody has an account, so the fleet file's ``open_usd_per_day`` is the only limit there is.

Like :mod:`router.accounts.budget`, but in memory: the worst case is set aside before an attempt at a paid model and
becomes its true cost at the request's end. Each gateway worker has its share of the money; a restart forgets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from starlette.types import Scope

from cluster.spec import Fleet
from router.accounts.budget import cost_of, worst_case
from router.accounts.facts import MICROS, Left, Principal
from router.accounts.remaining import left_of
from router.decide.facts import Ask
from router.desk import Headers, Tab
from router.observe.events import Finished
from router.wire.endpoints import Endpoint
from router.wire.errors import Refusal
from router.wire.origin import refuse_foreign_page

_DAY_S = 86_400


class Purse:
    """A desk that lets everybody in and pays for them while there is money."""

    def __init__(self, fleet: Fleet, clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives seconds since 1970."""
        self.fleet, self._clock = fleet, clock
        self.limit = round(fleet.spillover.open_usd_per_day * MICROS / fleet.gateway.workers)
        self._day = 0
        self.spent = self.reserved = 0

    async def open(self, scope: Scope, endpoint: Endpoint) -> Tab:
        """Let anyone in but other people's web pages."""
        del endpoint
        refuse_foreign_page(scope["headers"])
        return PurseTab(self)

    def allowed(self, principal: Principal | None) -> Collection[str] | None:
        """All."""
        del principal
        return None

    def reserve(self, micros: int) -> None:
        """Set money aside.

        Raises:
            Refusal: 402, not enough is left today.

        """
        self._turn()
        if self.spent + self.reserved + micros > self.limit:
            msg = "Not enough is left today of spillover.open_usd_per_day for this request's worst case."
            raise Refusal(402, msg, param="open_usd_per_day", code="insufficient_quota")
        self.reserved += micros

    def left(self) -> dict[str, Left]:
        """What is left today of this worker's share; the figure in dollars is the whole fleet's."""
        self._turn()
        share = left_of(self.limit, self.spent + self.reserved).share
        return {"day": Left(self.fleet.spillover.open_usd_per_day, share)}

    def _turn(self) -> None:
        """Begin a new day."""
        today = int(self._clock()) // _DAY_S
        if today != self._day:
            self._day, self.spent = today, 0

    def settle(self, reserved: int, spent: int) -> None:
        """Free what was set aside, and count what it became."""
        self.reserved -= reserved
        self.spent += spent


class PurseTab(Tab):
    """One request, and what is set aside for it."""

    def __init__(self, purse: Purse) -> None:
        """Nothing is, yet."""
        self._purse = purse
        self._ask: Ask | None = None
        self._reserved = 0
        self._settled = False

    async def hold(self, ask: Ask) -> Headers:
        """Remember how much it may become."""
        self._ask = ask
        return []

    async def pay(self, event: Finished, model: str) -> None:
        """Set the worst case of an attempt aside."""
        del event
        spec = self._purse.fleet.models[model]
        if spec.price is None or self._ask is None:
            return
        answer = self._ask.answer_tokens or spec.answer_limit
        worst = worst_case(spec.price, min(self._ask.most_tokens, spec.context_length), answer)
        self._purse.reserve(worst)
        self._reserved += worst

    async def settle(self, event: Finished) -> None:
        """Count what the answer cost."""
        if self._settled:
            return
        self._settled = True
        fleet = self._purse.fleet
        delivered = event.outcome == "complete" or event.completion_tokens > 0
        if event.model in fleet.models and delivered:
            used = (event.prompt_tokens, event.completion_tokens, event.cached_tokens)
            event.cost_micros = cost_of(fleet.models[event.model].price, *used, event.written_tokens)
            event.baseline_micros = cost_of(fleet.spillover.baseline, *used)
        self._purse.settle(self._reserved, event.cost_micros)
