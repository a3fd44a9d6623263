"""The ledger's months: one partition each, made ahead, dropped when they are too old.

A row whose month has no partition goes to the default one, so no row is ever refused; :func:`prepare` gives such months
partitions of their own and moves the rows. Invariant: no row of the last ``months`` months is dropped, and nothing at
all as long as the database's clock and this machine's disagree.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NoReturn

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from router.accounts.errors import StoreUnavailableError
from router.accounts.store import Store

AHEAD = 3
"""Months that are made before they begin."""
EVERY_S = 3600.0
TRUSTED = timedelta(days=1)
"""How far the two clocks may be apart for anything to be dropped."""
_LOCK = 7_246_002
"""The advisory lock's key: one gateway at a time."""
_DEADLINE_S = 120.0

_PARTITIONS = text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ledger'::regclass")
_STRAYS = text("SELECT DISTINCT date_trunc('month', at, 'UTC') FROM ledger_default")

_log = logging.getLogger(__name__)


async def keep(store: Store, months: int) -> NoReturn:
    """Look after the partitions until cancelled; ``months`` is ``tenants.ledger_months`` of the fleet file."""
    while True:
        try:
            await prepare(store)
            await retire(store, months)
        except (StoreUnavailableError, DBAPIError) as exc:
            _log.warning("the ledger's months wait for the next round: %s", exc)
        await asyncio.sleep(EVERY_S)


async def prepare(store: Store) -> None:
    """Make the partitions of this month, of the next ones, and of every month whose rows are in the default one."""
    async with store.begin(_DEADLINE_S) as connection:
        if await _alone(connection):
            strays = map(_month, await connection.scalars(_STRAYS))
            for month in {*islice(_months(store.now()), AHEAD + 1), *strays}:
                await _make(connection, month)


async def retire(store: Store, months: int) -> str:
    """Drop the oldest partition that is older than ``months`` full months; its name, or empty when there is none.

    One at a time, so that a wrong setting does not empty the ledger at once.
    """
    if abs(store.now() - datetime.now(UTC)) > TRUSTED:
        _log.warning("the database's clock and this machine's disagree; no ledger rows are dropped")
        return ""
    oldest = _name(_before(_month(store.now()), months))
    async with store.begin(_DEADLINE_S) as connection:
        if not await _alone(connection):
            return ""
        names = await connection.scalars(_PARTITIONS)
        old = sorted(name for name in names if name != "ledger_default" and name < oldest)
        if old:
            await connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
            await connection.exec_driver_sql(f"DROP TABLE {old[0]}")
            _log.info("dropped %s: older than tenants.ledger_months, %d", old[0], months)
        return old[0] if old else ""


async def _alone(connection: AsyncConnection) -> bool:
    return bool(await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}))


async def _make(connection: AsyncConnection, month: datetime) -> None:
    """Attach a month's partition, unless it is there; rows that the default one holds of it move.

    Attaching holds up no row that goes elsewhere; making a partition in place would hold up all.
    """
    name = _name(month)
    if await connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None:
        return
    begin, end = (f"'{month.isoformat()}'" for month in islice(_months(month), 2))
    taken = f"DELETE FROM ledger_default WHERE at >= {begin} AND at < {end} RETURNING *"  # noqa: S608 - our own times
    for statement in (
        "LOCK TABLE ledger_default IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE ledger INCLUDING ALL)",
        f"WITH moved AS ({taken}) INSERT INTO {name} SELECT * FROM moved",  # noqa: S608 - as above
        f"ALTER TABLE ledger ATTACH PARTITION {name} FOR VALUES FROM ({begin}) TO ({end})",
    ):
        await connection.exec_driver_sql(statement)


def _month(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _months(moment: datetime) -> Iterator[datetime]:
    """The month of ``moment``, the next one, and so on."""
    month = _month(moment)
    while True:
        yield month
        month = _month(month + timedelta(days=31))


def _before(month: datetime, months: int) -> datetime:
    """So many months earlier."""
    years, index = divmod(month.year * 12 + month.month - 1 - months, 12)
    return month.replace(year=years, month=index + 1)


def _name(month: datetime) -> str:
    return f"ledger_{month:%Y_%m}"
