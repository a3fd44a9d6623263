"""Money for paid targets: the worst case is reserved before an attempt, and settled to what it really cost.

Invariant: in every window, spent and reserved together pass no limit by a reservation, however many gateways reserve at
once; what was reserved is settled with the attempt's ledger row, or expires. Without the database nothing is reserved,
so nothing is spent. Rows are locked in one order everywhere: the tenant, reservations, budget_windows by their key.
Neighbour: :mod:`router.accounts.ledger` settles.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NoReturn

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.spec import Fleet, Price
from router.accounts.errors import StoreUnavailableError
from router.accounts.facts import MICROS, Principal
from router.accounts.limited import accounts_away, over_budget, unknown_tenant
from router.accounts.remaining import Remaining
from router.accounts.store import Store

FLEET = ""
"""The tenant that stands for the whole fleet in ``budget_windows``."""
MARGIN_S = 60.0
"""How much longer than a request may take a reservation lasts."""
_SWEEP_S = 10.0
_log = logging.getLogger(__name__)

_WANTED = """
    wanted AS (
        SELECT w.*, date_trunc(kind, now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS window_start
        FROM unnest(CAST(:tenants AS text[]), CAST(:kinds AS text[]), CAST(:limits AS bigint[]))
            AS w(tenant, kind, most)
    )
"""

_OPEN = text(f"""
    WITH {_WANTED}
    INSERT INTO budget_windows (tenant, kind, window_start)
    SELECT tenant, kind, window_start FROM wanted
    WHERE EXISTS (SELECT FROM tenants WHERE name = :tenant FOR KEY SHARE)
    ORDER BY tenant, kind, window_start
    ON CONFLICT DO NOTHING
""")  # noqa: S608 - a part that two statements share, without values

_RESERVE = text(f"""
    WITH {_WANTED},
    known AS (SELECT FROM tenants WHERE name = :tenant FOR KEY SHARE),
    before AS (SELECT FROM reservations WHERE request_id = :request_id AND attempt = :attempt),
    locked AS (
        SELECT b.*, wanted.most FROM budget_windows b JOIN wanted USING (tenant, kind, window_start)
        WHERE EXISTS (SELECT FROM known)
        ORDER BY b.tenant, b.kind, b.window_start
        FOR UPDATE OF b
    ),
    full_ones AS (SELECT tenant, kind, window_start FROM locked WHERE spent_micros + reserved_micros + :micros > most),
    verdict AS (
        SELECT (SELECT count(*) FROM locked) = 4 AS complete,
            EXISTS (SELECT FROM before) AS again,
            (SELECT max(tenant || ' ' || kind) FROM full_ones) AS full_one
    ),
    made AS (
        INSERT INTO reservations (request_id, attempt, tenant, micros, day, month, expires_at)
        SELECT :request_id, :attempt, :account, :micros,
            (SELECT min(window_start) FROM locked WHERE kind = 'day'),
            (SELECT min(window_start) FROM locked WHERE kind = 'month'),
            now() + make_interval(secs => :seconds)
        FROM verdict WHERE complete AND NOT again AND full_one IS NULL
        RETURNING micros
    ),
    counted AS (
        UPDATE budget_windows b SET reserved_micros = b.reserved_micros + made.micros FROM made, locked l
        WHERE (b.tenant, b.kind, b.window_start) = (l.tenant, l.kind, l.window_start)
    )
    SELECT complete, again, full_one FROM verdict
""")  # noqa: S608 - as above

SETTLE_CTES = """
    budget_ended AS (
        DELETE FROM reservations r USING costs c WHERE r.request_id = c.request_id AND r.attempt = c.attempt
        RETURNING r.tenant, r.micros, r.day, r.month, c.cost_micros
    ),
    budget_moved AS (
        SELECT who AS tenant, kind, window_start,
            CAST(sum(micros) AS bigint) AS micros, CAST(sum(cost_micros) AS bigint) AS cost_micros
        FROM budget_ended,
            LATERAL (VALUES (tenant), ('')) AS whose(who),
            LATERAL (VALUES ('day', day), ('month', month)) AS which(kind, window_start)
        GROUP BY who, kind, window_start
    ),
    budget_locked AS (
        SELECT m.* FROM budget_windows b JOIN budget_moved m USING (tenant, kind, window_start)
        ORDER BY b.tenant, b.kind, b.window_start
        FOR UPDATE OF b
    ),
    budget_settled AS (
        UPDATE budget_windows b
        SET reserved_micros = b.reserved_micros - m.micros, spent_micros = b.spent_micros + m.cost_micros
        FROM budget_locked m
        WHERE (b.tenant, b.kind, b.window_start) = (m.tenant, m.kind, m.window_start)
    )
"""
"""Part of the statement that inserts ledger rows: ends the reservations of ``costs(request_id, attempt, cost_micros)``
and counts what was really spent, in the windows that it was reserved from. An expired reservation counts nothing as
reserved any more, but what was spent all the same."""

_SETTLE = text(f"""
    WITH costs AS (
        SELECT * FROM unnest(CAST(:request_ids AS text[]), CAST(:attempts AS smallint[]), CAST(:costs AS bigint[]))
            AS c(request_id, attempt, cost_micros)
    ),
    {SETTLE_CTES}
    SELECT
""")  # noqa: S608 - as above

_SWEEP = text("""
    WITH late AS (
        SELECT request_id, attempt, tenant, micros, day, month FROM reservations
        WHERE expires_at < now() AND micros > 0
        ORDER BY request_id, attempt
        LIMIT 1000
        FOR UPDATE SKIP LOCKED
    ),
    emptied AS (
        UPDATE reservations r SET micros = 0 FROM late l WHERE r.request_id = l.request_id AND r.attempt = l.attempt
    ),
    moved AS (
        SELECT who AS tenant, kind, window_start, CAST(sum(micros) AS bigint) AS micros
        FROM late,
            LATERAL (VALUES (tenant), ('')) AS whose(who),
            LATERAL (VALUES ('day', day), ('month', month)) AS which(kind, window_start)
        GROUP BY who, kind, window_start
    ),
    locked AS (
        SELECT m.* FROM budget_windows b JOIN moved m USING (tenant, kind, window_start)
        ORDER BY b.tenant, b.kind, b.window_start
        FOR UPDATE OF b
    ),
    freed AS (
        UPDATE budget_windows b SET reserved_micros = b.reserved_micros - m.micros FROM locked m
        WHERE (b.tenant, b.kind, b.window_start) = (m.tenant, m.kind, m.window_start)
    )
    SELECT count(*) FROM late
""")

_PURGE = text("""
    DELETE FROM reservations
    WHERE micros = 0 AND expires_at < now() - interval '1 day' AND month < now() - interval '1200 days'
""")


def worst_case(price: Price, prompt_tokens: int, answer_tokens: int) -> int:
    """What an attempt costs at most, in millionths of a dollar, rounded up."""
    dearest = max(price.prompt, price.cached_prompt or 0, price.cache_write or 0)
    return _up(prompt_tokens * dearest + answer_tokens * price.completion)


def true_cost(price: Price, prompt_tokens: int, cached_tokens: int, answer_tokens: int, written_tokens: int = 0) -> int:
    """What an answer cost, in millionths of a dollar, rounded up.

    ``cached_tokens``, read from the vendor's cache, and ``written_tokens``, put there, are parts of ``prompt_tokens``.
    """
    cached = price.prompt if price.cached_prompt is None else price.cached_prompt
    written = price.prompt if price.cache_write is None else price.cache_write
    plain = (prompt_tokens - cached_tokens - written_tokens) * price.prompt
    return _up(plain + cached_tokens * cached + written_tokens * written + answer_tokens * price.completion)


def cost_of(price: Price | None, prompt: int, completion: int, cached: int, written: int = 0) -> int:
    """What an answer cost by what its engine said it used; 0 without a price."""
    if price is None:
        return 0
    cached = min(cached, prompt)
    return true_cost(price, prompt, cached, completion, min(written, prompt - cached))


def _up(micros: float) -> int:
    return -int(-micros // 1)


class Budgets:
    """What may be spent, by tenant and by the fleet, on a day and in a month of UTC."""

    def __init__(self, store: Store, fleet: Fleet) -> None:
        """The fleet says what may be spent in all, and how long a request may take."""
        budget = fleet.tenants.budget
        self._store = store
        self._limits = {"day": _micros(budget.usd_per_day), "month": _micros(budget.usd_per_month)}
        self._seconds = fleet.gateway.deadlines.total + MARGIN_S
        self.remaining = Remaining(self._limits)
        self._doubtful: set[tuple[str, int]] = set()
        """Attempts that were not made because nobody said whether their reservation was."""

    async def reserve(self, principal: Principal, request_id: str, attempt: int, micros: int) -> None:
        """Set the worst case of an attempt aside; repeating it for the same attempt changes nothing.

        Raises:
            Refusal: 402 when a budget has not enough left, 503 when the database is away, 401 for a deleted tenant.

        """
        plan = principal.plan
        usd = (plan.usd_per_day, plan.usd_per_month)
        await self.take(principal.tenant, principal.tenant, usd, (request_id, attempt, micros))

    async def take(self, tenant: str, account: str, usd: tuple[float, float], attempt: tuple[str, int, int]) -> None:
        """Set money aside from an account's day and month, with ``usd`` in each, and from the fleet's.

        ``attempt`` is its request, its number and its worst case; ``tenant`` is whose request it is. Raises as above.

        """
        windows = [
            (FLEET, "day", self._limits["day"]),
            (FLEET, "month", self._limits["month"]),
            (account, "day", _micros(usd[0])),
            (account, "month", _micros(usd[1])),
        ]
        tenants, kinds, limits = (list(column) for column in zip(*windows, strict=True))
        request_id, number, micros = attempt
        values = {
            "tenants": tenants,
            "kinds": kinds,
            "limits": limits,
            "tenant": tenant,
            "account": account,
            "request_id": request_id,
            "attempt": number,
            "micros": micros,
            "seconds": self._seconds,
        }
        known = False
        try:
            full = await self._reserve(values)
            known = True
        except StoreUnavailableError as exc:
            raise accounts_away() from exc
        finally:
            (self._doubtful.discard if known else self._doubtful.add)((request_id, number))
        if full is not None:
            whose, _, kind = full.partition(" ")
            raise over_budget(kind, of_fleet=whose == FLEET)

    async def sweep(self) -> int:
        """Free what was reserved for attempts that were never made, or never ended; returns how many of the latter.

        Raises:
            StoreUnavailableError: the database is away.

        """
        doubtful = list(self._doubtful)
        async with self._store.begin() as connection:
            if doubtful:
                ids, attempts = (list(column) for column in zip(*doubtful, strict=True))
                await settle_budgets(connection, ids, attempts, [0] * len(doubtful))
            swept = await connection.scalar(_SWEEP)
            await connection.execute(_PURGE)
            await self.remaining.look(connection)
        self._doubtful.difference_update(doubtful)
        return int(swept or 0)

    async def run(self) -> NoReturn:
        """Sweep until cancelled."""
        while True:
            try:
                if swept := await self.sweep():
                    _log.warning("%d reservations of money were abandoned; they are free again", swept)
            except StoreUnavailableError:
                pass
            except DBAPIError:
                _log.exception("the database refused to free abandoned reservations")
            await asyncio.sleep(_SWEEP_S)

    async def _reserve(self, values: dict[str, Any]) -> str | None:
        """Reserve; returns the window that has not enough, as tenant and kind."""
        async with self._store.autocommit() as connection:
            verdict = (await connection.execute(_RESERVE, values)).one()
            if not verdict.complete:
                await connection.execute(_OPEN, values)
                verdict = (await connection.execute(_RESERVE, values)).one()
        if not verdict.complete:
            raise unknown_tenant()
        full: str | None = None if verdict.again else verdict.full_one
        return full


async def settle_budgets(
    connection: AsyncConnection, request_ids: Sequence[str], attempts: Sequence[int], costs: Sequence[int]
) -> None:
    """Settle reservations without ledger rows."""
    values = {"request_ids": list(request_ids), "attempts": list(attempts), "costs": list(costs)}
    await connection.execute(_SETTLE, values)


def _micros(usd: float) -> int:
    return round(usd * MICROS)
