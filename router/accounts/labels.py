"""How good answers were: a row for each comparison and for each caller's word on an answer.

A row has no text. What was said is beside it in ``samples``, sealed, only of tenants whose plan has ``keep_samples``,
and for some days. Rows go with their tenant. Neighbours: :mod:`router.quality` makes judged rows,
:mod:`router.accounts.verdicts` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError

from router.accounts.errors import StoreUnavailableError
from router.accounts.sealed import Sealer
from router.accounts.store import Store

JUDGED, FEEDBACK = "judged", "feedback"
FEEDBACK_DAYS = 30
"""How long after an answer its caller may say how it was."""
_DEADLINE_S = 60.0
MOST_CASES = 50_000
"""More would take minutes to learn, for little."""


class Label(NamedTuple):
    """One verdict on one answer."""

    id: str
    request_id: str
    tenant: str
    source: str
    """``judged`` or ``feedback``."""
    model: str
    """That answered."""
    tier: str
    reason: str
    """Of the decision."""
    reference: str
    """That it was compared with; empty for feedback."""
    propensity: float
    """How likely the request was to be sampled; 1 for feedback, which comes when it comes."""
    score: float
    """1 better than the reference, 0.5 as good, 0 worse; for feedback 1 good, 0 not."""
    judge: str
    """A model, ``exact-letter`` and its kin, or ``caller``."""
    judge_version: str
    cost_micros: int


class Case(NamedTuple):
    """A label with what was said, for a router to be trained on."""

    request_id: str
    prompt: str
    source: str
    model: str
    reference: str
    score: float


class Answered(NamedTuple):
    """What the ledger has of an answer."""

    model: str
    tier: str
    reason: str


_COLUMNS = ", ".join(Label._fields)
_VALUES = ", ".join(f":{name}" for name in Label._fields)
_CHANGED = ", ".join(f"{name} = excluded.{name}" for name in Label._fields if name != "id")
_WRITE = text(f"""
    INSERT INTO labels ({_COLUMNS}) SELECT {_VALUES} FROM tenants WHERE name = :tenant FOR KEY SHARE
    ON CONFLICT (id) DO UPDATE SET {_CHANGED}
""")  # noqa: S608 - names of columns
_KEEP = text("""
    INSERT INTO samples (tenant, request_id, prompt, expires_at)
    SELECT :tenant, :request_id, :prompt, now() + make_interval(days => :days) FROM tenants
    WHERE name = :tenant FOR KEY SHARE
    ON CONFLICT DO NOTHING
""")
_ANSWERED = text("""
    SELECT model, tier, reason FROM ledger
    WHERE request_id = :request_id AND tenant = :tenant AND outcome = 'complete'
        AND at > now() - make_interval(days => :days)
    ORDER BY attempt DESC LIMIT 1
""")
_CASES = text("""
    SELECT l.tenant, l.request_id, s.prompt, l.source, l.model, l.reference, l.score
    FROM labels l JOIN samples s USING (tenant, request_id)
    WHERE l.tier = 'small' AND s.expires_at > now()
    ORDER BY l.at DESC, l.id LIMIT :most
""")


class Labels:
    """Writes and reads the rows."""

    def __init__(self, store: Store, sealer: Sealer) -> None:
        """Texts are sealed by ``sealer``."""
        self._store, self._sealer = store, sealer

    async def write(self, label: Label) -> None:
        """Keep a label; a second one of the same id takes its place, one of a deleted tenant is dropped.

        Raises:
            StoreUnavailableError: the database is away.

        """
        await self._execute(_WRITE, label._asdict())

    async def keep(self, tenant: str, request_id: str, words: str, days: int) -> None:
        """Keep what was said, sealed, for so many days.

        Raises:
            StoreUnavailableError: the database is away.

        """
        sealed = self._sealer.seal(tenant, request_id, words)
        await self._execute(_KEEP, {"tenant": tenant, "request_id": request_id, "prompt": sealed, "days": days})

    async def _execute(self, statement: TextClause, values: Mapping[str, Any]) -> None:
        """A database that refuses a row is as good as away: a label less."""
        try:
            async with self._store.begin() as connection:
                await connection.execute(statement, values)
        except DBAPIError as exc:
            msg = f"the database refuses a label: {exc.orig}"
            raise StoreUnavailableError(msg) from exc

    async def answered(self, tenant: str, request_id: str) -> Answered | None:
        """A complete answer that the tenant had lately; None where there is none of that id.

        Raises:
            StoreUnavailableError: the database is away.

        """
        values = {"tenant": tenant, "request_id": request_id, "days": FEEDBACK_DAYS}
        async with self._store.begin() as connection:
            row = (await connection.execute(_ANSWERED, values)).first()
        return None if row is None else Answered(row.model, row.tier, row.reason)

    async def cases(self) -> list[Case]:
        """The latest labels of answers of ``small`` of which the words are kept, at most :data:`MOST_CASES`.

        Raises:
            StoreUnavailableError: the database is away.

        """
        async with self._store.begin(_DEADLINE_S) as connection:
            rows = (await connection.execute(_CASES, {"most": MOST_CASES})).all()
        opened = ((self._sealer.unseal(row.tenant, row.request_id, bytes(row.prompt)), row) for row in rows)
        return [Case(row.request_id, words, *row[3:]) for words, row in opened if words is not None]
