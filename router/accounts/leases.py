"""Units of a quota on their way between its window's row and the gateways, one statement each way.

Invariant: in every committed state ``leased`` of a window is the sum of its leases, and ``used + leased`` never passes
the limit by a lease; only an answer that turns out longer than what was held for it adds to ``used`` beyond that.
Rows are locked in one order everywhere: gateways, quota_windows by key, quota_leases. The database's clock names
the windows. Neighbours: :mod:`router.accounts.quota` decides when; :mod:`router.accounts.ledger` settles.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from router.accounts.facts import Used
from router.accounts.kinds import BRIEF, Kind


class UnregisteredError(Exception):
    """The database does not know this gateway: it was silent for too long, and its leases went back."""


class Ask(NamedTuple):
    """What a gateway would like to have of one window."""

    tenant: str
    kind: Kind
    limit: int
    need: int
    """Nothing is leased unless so much is left."""
    want: int
    """As much is leased as long as plenty is left: at most an eighth of it, so that the last units stay shared."""
    ahead: bool = False
    """Whether for the window that follows the present one."""


class Grant(NamedTuple):
    """What the database says to an ask."""

    window_start: datetime
    window_end: datetime
    seconds_left: float
    """Until the window ends."""
    units: int
    """Leased now; at least the need, or none."""
    room: int
    """Left before that: neither used nor leased."""
    used: int
    """Used by answers that are in the ledger."""


class Given(NamedTuple):
    """Units on their way back."""

    tenant: str
    kind: str
    window_start: datetime
    units: int


_ASKED = """
    asked AS (
        SELECT a.*, (date_trunc(unit, now() AT TIME ZONE 'UTC') + ahead * step) AT TIME ZONE 'UTC' AS window_start,
            (date_trunc(unit, now() AT TIME ZONE 'UTC') + (ahead + 1) * step) AT TIME ZONE 'UTC' AS window_end
        FROM (
            SELECT *, CAST('1 ' || unit AS interval) AS step
            FROM unnest(CAST(:positions AS int[]), CAST(:tenants AS text[]), CAST(:kinds AS text[]),
                CAST(:units AS text[]), CAST(:aheads AS int[]), CAST(:limits AS bigint[]), CAST(:needs AS bigint[]),
                CAST(:wants AS bigint[])) AS a(position, tenant, kind, unit, ahead, most, need, want)
        ) a
    )
"""

_OPEN = text(f"""
    WITH {_ASKED}
    INSERT INTO quota_windows (tenant, kind, window_start)
    SELECT tenant, kind, window_start FROM asked
    WHERE EXISTS (SELECT FROM tenants WHERE name = tenant FOR KEY SHARE)
    ORDER BY tenant, kind, window_start
    ON CONFLICT DO NOTHING
""")  # noqa: S608 - a part that two statements share, without values

_LEASE = text(f"""
    WITH {_ASKED},
    me AS (SELECT id FROM gateways WHERE id = :gateway FOR KEY SHARE),
    locked AS (
        SELECT asked.*, w.used, w.leased
        FROM quota_windows w JOIN asked USING (tenant, kind, window_start)
        WHERE EXISTS (SELECT FROM me)
        ORDER BY w.tenant, w.kind, w.window_start
        FOR UPDATE OF w
    ),
    measured AS (SELECT *, greatest(most - used - leased, 0) AS room FROM locked),
    granted AS (
        SELECT *, CASE WHEN room < need THEN 0 ELSE greatest(need, least(want, room / 8)) END AS units FROM measured
    ),
    counted AS (
        UPDATE quota_windows w SET leased = w.leased + g.units FROM granted g
        WHERE (w.tenant, w.kind, w.window_start) = (g.tenant, g.kind, g.window_start) AND g.units > 0
    ),
    taken AS (
        INSERT INTO quota_leases (tenant, kind, window_start, gateway, amount)
        SELECT tenant, kind, window_start, :gateway, units FROM granted WHERE units > 0
        ON CONFLICT (tenant, kind, window_start, gateway)
        DO UPDATE SET amount = quota_leases.amount + excluded.amount
    )
    SELECT position, window_start, window_end, CAST(extract(epoch FROM window_end - now()) AS float) AS seconds_left,
        units, room, used
    FROM granted
""")  # noqa: S608 - as above

_KNOWN = text("SELECT FROM gateways WHERE id = :gateway")

_GIVE = text("""
    WITH given AS (
        SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:kinds AS text[]), CAST(:starts AS timestamptz[]),
            CAST(:units AS bigint[])) AS g(tenant, kind, window_start, units)
    ),
    locked AS (
        SELECT given.* FROM quota_windows w JOIN given USING (tenant, kind, window_start)
        ORDER BY w.tenant, w.kind, w.window_start
        FOR UPDATE OF w
    ),
    mine AS (
        UPDATE quota_leases l SET amount = l.amount - k.units FROM locked k
        WHERE (l.tenant, l.kind, l.window_start) = (k.tenant, k.kind, k.window_start)
            AND l.gateway = :gateway AND l.amount >= k.units
        RETURNING k.tenant, k.kind, k.window_start, k.units
    )
    UPDATE quota_windows w SET leased = w.leased - m.units FROM mine m
    WHERE (w.tenant, w.kind, w.window_start) = (m.tenant, m.kind, m.window_start)
""")

SETTLE_CTES = """
    quota_used AS (
        SELECT tenant, kind, window_start, CAST(sum(amount) AS bigint) AS amount, CAST(sum(leased) AS bigint) AS leased
        FROM uses GROUP BY tenant, kind, window_start
    ),
    quota_locked AS (
        SELECT u.* FROM quota_windows w JOIN quota_used u USING (tenant, kind, window_start)
        ORDER BY w.tenant, w.kind, w.window_start
        FOR UPDATE OF w
    ),
    quota_mine AS (
        SELECT l.tenant, l.kind, l.window_start, least(l.amount, k.leased) AS units
        FROM quota_leases l JOIN quota_locked k USING (tenant, kind, window_start)
        WHERE l.gateway = :gateway
        FOR UPDATE OF l
    ),
    quota_lessened AS (
        UPDATE quota_leases l SET amount = l.amount - m.units FROM quota_mine m
        WHERE (l.tenant, l.kind, l.window_start) = (m.tenant, m.kind, m.window_start) AND l.gateway = :gateway
    ),
    quota_sums AS (
        SELECT tenant, kind, window_start, CAST(sum(amount) AS bigint) AS amount, CAST(sum(units) AS bigint) AS units
        FROM (
            SELECT tenant, kind, window_start, amount, 0 AS units FROM quota_locked
            UNION ALL SELECT tenant, kind, window_start, 0, units FROM quota_mine
        ) AS both_of_them
        GROUP BY tenant, kind, window_start
    ),
    quota_counted AS (
        UPDATE quota_windows w SET used = w.used + s.amount, leased = w.leased - s.units FROM quota_sums s
        WHERE (w.tenant, w.kind, w.window_start) = (s.tenant, s.kind, s.window_start)
    )
"""
"""Part of the statement that inserts ledger rows: counts what ``uses(tenant, kind, window_start, amount, leased)`` says
that ``:gateway`` used. A window that is gone, with its tenant or because it is long over, is left alone."""

_SETTLE = text(f"""
    WITH uses AS (
        SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:kinds AS text[]), CAST(:starts AS timestamptz[]),
            CAST(:amounts AS bigint[]), CAST(:leased AS bigint[])) AS s(tenant, kind, window_start, amount, leased)
    ),
    {SETTLE_CTES}
    SELECT
""")  # noqa: S608 - as above

_PURGE = text("""
    -- Long enough that a clock which was some years ahead for a while has not taken this month's use with it.
    DELETE FROM quota_windows WHERE (tenant, kind, window_start) IN (
        SELECT tenant, kind, window_start FROM quota_windows
        WHERE window_start < now() -
            CASE WHEN kind = ANY(CAST(:brief AS text[])) THEN interval '1 hour' ELSE interval '1200 days' END
        ORDER BY tenant, kind, window_start
        FOR UPDATE SKIP LOCKED
    )
""")


async def lease(connection: AsyncConnection, gateway: str, asks: Sequence[Ask]) -> list[Grant | None]:
    """Lease units of several windows, each by itself; in the order of the asks.

    None for a window that is not open yet.

    Raises:
        UnregisteredError: this gateway is not registered.

    """
    rows = (await connection.execute(_LEASE, {"gateway": gateway, **_values(asks)})).all()
    if not rows and (await connection.execute(_KNOWN, {"gateway": gateway})).first() is None:
        raise UnregisteredError
    found = {row.position: Grant(*row[1:]) for row in rows}
    return [found.get(position) for position in range(len(asks))]


async def open_windows(connection: AsyncConnection, asks: Sequence[Ask]) -> None:
    """Make the rows of windows that are new; not for tenants that were deleted."""
    await connection.execute(_OPEN, _values(asks))


async def give(connection: AsyncConnection, gateway: str, given: Sequence[Given]) -> None:
    """Give units back that nobody has used; nothing where the lease is no longer this gateway's."""
    columns = _columns(given, "tenants", "kinds", "starts", "units")
    await connection.execute(_GIVE, {"gateway": gateway, **columns})


async def settle_quotas(connection: AsyncConnection, gateway: str, uses: Sequence[tuple[str, Used]]) -> None:
    """Count what was used by tenants, without a ledger row."""
    if uses:
        columns = _columns(
            [(tenant, *used) for tenant, used in uses], "tenants", "kinds", "starts", "amounts", "leased"
        )
        await connection.execute(_SETTLE, {"gateway": gateway, **columns})


async def purge(connection: AsyncConnection) -> None:
    """Forget windows that are long over, with what was leased of them."""
    await connection.execute(_PURGE, {"brief": BRIEF})


def _values(asks: Sequence[Ask]) -> dict[str, Any]:
    rows = [
        (position, ask.tenant, ask.kind.field, ask.kind.unit, int(ask.ahead), ask.limit, ask.need, ask.want)
        for position, ask in enumerate(asks)
    ]
    return _columns(rows, "positions", "tenants", "kinds", "units", "aheads", "limits", "needs", "wants")


def _columns(rows: Sequence[tuple[Any, ...]], *names: str) -> dict[str, list[Any]]:
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
