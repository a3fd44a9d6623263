"""Answers given again, to the same tenant, for exactly the same request: in memory, and in a table for all gateways.

Invariant: an answer is given only to the tenant it was made for, within its time to live, and never after this gateway
has heard that the tenant was deleted, also when the answer was under way at that moment. Looking into memory costs no
round trip; the table is asked only for answers that some gateway said are there.
Neighbours: :mod:`router.accounts.sameness` says what is the same, :mod:`router.accounts.kept` is the memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from math import inf
from typing import Any, NoReturn, Self

import orjson
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cluster.spec import Fleet
from router.accounts.allowance import MONOTONIC, Clock
from router.accounts.channels import TENANTS
from router.accounts.errors import StoreUnavailableError
from router.accounts.kept import Answer, Kept
from router.accounts.sameness import Request, deterministic, digest, identity
from router.accounts.store import Store

CHANNEL = "freehold_responses"
"""Answers were added to the table; the payload has the first bytes of their digests, in hexadecimal."""
_FLUSH_S = 0.2
_SWEEP_S = 60.0
_SWEEP_DEADLINE_S = 60.0
_WAITING_BYTES = 16 << 20
"""Answers on their way to the table; what comes beyond is kept in memory alone."""
_MOST_MARKS = 200_000
_MARK_BYTES = 8
_MARKS_IN_NOTICE = 400
_SAID = ("content_type", "prompt_tokens", "completion_tokens")
_ROW_BYTES = 200
"""What a row takes in the table beside its answer."""
_log = logging.getLogger(__name__)

# Answers come as one string of bytes and where each lies in it: a list of them would take the driver far longer.
_KEEP = text("""
    INSERT INTO responses (tenant, digest, content_type, answer, prompt_tokens, completion_tokens, expires_at)
    SELECT r.tenant, CAST(r.digest AS bytea), r.content_type,
        substring(CAST(:bodies AS bytea) FROM r.start FOR r.length), r.prompt_tokens, r.completion_tokens,
        now() + make_interval(secs => :ttl)
    FROM json_to_recordset(CAST(:answers AS json)) AS r(
        tenant text, digest text, content_type text, start int, length int, prompt_tokens int, completion_tokens int
    )
    WHERE EXISTS (SELECT FROM tenants t WHERE t.name = r.tenant FOR KEY SHARE)
    ORDER BY r.tenant, r.digest
    ON CONFLICT (tenant, digest) DO UPDATE SET content_type = excluded.content_type, answer = excluded.answer,
        prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
        expires_at = excluded.expires_at
""")
_NOTIFY = text("SELECT pg_notify(:channel, payload) FROM unnest(CAST(:payloads AS text[])) AS payload")
_FETCH = text("""
    SELECT content_type, answer, prompt_tokens, completion_tokens,
        CAST(extract(epoch FROM expires_at - now()) AS float) AS seconds_left
    FROM responses WHERE tenant = :tenant AND digest = :digest AND expires_at > now()
""")
_MARKS = text("""
    SELECT substring(digest FROM 1 FOR :bytes) AS mark FROM responses
    WHERE expires_at > now() ORDER BY expires_at DESC LIMIT :most
""")
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtext('freehold_responses'))")
_EXPIRE = text("DELETE FROM responses WHERE expires_at <= now()")
_SIZE = text("SELECT coalesce(sum(octet_length(answer) + :row), 0) FROM responses")
_SHRINK = text("""
    DELETE FROM responses WHERE (tenant, digest) IN (
        SELECT tenant, digest FROM (
            SELECT tenant, digest, sum(octet_length(answer) + :row) OVER (ORDER BY expires_at DESC, tenant) AS size
            FROM responses
        ) r WHERE size > :most
    )
""")


class Responses:
    """One gateway's view of the cache."""

    def __init__(self, store: Store, fleet: Fleet, clock: Clock = MONOTONIC) -> None:
        """Use :meth:`open`."""
        self._store, self._spec, self._clock = store, fleet.tenants.cache, clock
        adapted = ((name, model, adapter) for name, model in fleet.models.items() for adapter in ("", *model.adapters))
        self._models = {(name, adapter): identity(name, model, adapter) for name, model, adapter in adapted}
        self._kept = Kept(self._spec.memory_bytes)
        self._waiting: dict[tuple[str, bytes], Answer] = {}
        self._waiting_bytes = 0
        self._marks: set[bytes] = set()
        """First bytes of the digests in the table, as far as this gateway knows."""
        self._marks_known = False
        self._forgotten: dict[str, float] = {}
        self._all_forgotten = -inf
        self._longest_s = fleet.gateway.deadlines.total + fleet.gateway.deadlines.client
        self.answer_bytes = self._spec.answer_bytes if self._spec.ttl_seconds else 0
        """Whoever collects an answer may stop beyond so many bytes: it would not be kept."""

    @classmethod
    async def open(cls, store: Store, fleet: Fleet, clock: Clock = MONOTONIC) -> Self:
        """Hear of deletions and of what other gateways keep.

        Raises:
            StoreUnavailableError: the database is away.

        """
        responses = cls(store, fleet, clock)
        await store.listen(TENANTS, responses._forget)
        await store.listen(CHANNEL, responses._heard)
        store.on_change(responses._doubt, responses._doubt)
        await responses._learn_marks()
        return responses

    @property
    def now(self) -> float:
        """A moment to give to :meth:`put` as ``since``."""
        return self._clock()

    def digest(self, tenant: str, endpoint: str, request: Request, model: str, wish: str = "") -> bytes | None:
        """What names the answer to a request, or None when it is not to be kept.

        ``wish`` is the caller's ``x-freehold-cache``: ``on`` keeps answers that would differ each time, too, ``off``
        none at all.
        """
        if not self._spec.ttl_seconds or wish == "off" or not (wish == "on" or deterministic(request)):
            return None
        adapted = self._models.get((model, request.get("model", "")))
        return digest(tenant, endpoint, adapted or self._models[model, ""], request)

    def get(self, tenant: str, digest: bytes) -> Answer | None:
        """An answer from this gateway's memory."""
        return self._kept.get(tenant, digest, self._clock())

    async def fetch(self, tenant: str, digest: bytes) -> Answer | None:
        """An answer that another gateway kept; without a round trip where none said so. None too without database."""
        if digest[:_MARK_BYTES] not in self._marks or not self._store.available:
            return None
        since = self._clock()
        try:
            async with self._store.autocommit() as connection:
                row = (await connection.execute(_FETCH, {"tenant": tenant, "digest": digest})).first()
        except StoreUnavailableError:
            return None
        if row is None or self._is_forgotten(tenant, since):
            self._marks.discard(digest[:_MARK_BYTES])
            return None
        answer = Answer(row.content_type, row.answer, row.prompt_tokens, row.completion_tokens)
        self._kept.add(tenant, digest, answer, since + row.seconds_left)
        return answer

    def put(self, tenant: str, digest: bytes, answer: Answer, since: float) -> None:
        """Keep a complete answer; ``since`` is when its request came in, as :attr:`now` said."""
        if len(answer.body) > self._spec.answer_bytes or self._is_forgotten(tenant, since):
            return
        self._kept.add(tenant, digest, answer, self._clock() + self._spec.ttl_seconds)
        if self._spec.table_bytes and self._waiting_bytes + answer.size <= _WAITING_BYTES:
            self._waiting[tenant, digest] = answer
            self._waiting_bytes += answer.size

    async def run(self) -> NoReturn:
        """Write to the table and keep it small, until cancelled."""
        swept = self._clock()
        while True:
            await asyncio.sleep(_FLUSH_S)
            try:
                await self.flush()
                if not self._marks_known:
                    await self._learn_marks()
                if self._clock() - swept >= _SWEEP_S:
                    swept = self._clock()
                    await self.sweep()
            except StoreUnavailableError:
                continue
            except DBAPIError:
                _log.exception("the database refused what the cache keeps")

    async def close(self) -> None:
        """Write what waits."""
        try:
            await self.flush()
        except StoreUnavailableError:
            return

    async def flush(self) -> None:
        """Write what waits to the table, and tell the other gateways; what cannot be written is dropped.

        Raises:
            StoreUnavailableError: the database is away.

        """
        waiting, self._waiting, self._waiting_bytes = self._waiting, {}, 0
        if not waiting:
            return
        rows: list[dict[str, Any]] = []
        start = 1
        for (tenant, name), answer in waiting.items():
            length = len(answer.body)
            row = {"tenant": tenant, "digest": "\\x" + name.hex(), "start": start, "length": length}
            rows.append({**row, **{said: getattr(answer, said) for said in _SAID}})
            start += length
        values = {
            "answers": orjson.dumps(rows).decode(),
            "bodies": b"".join(answer.body for answer in waiting.values()),
            "ttl": self._spec.ttl_seconds,
        }
        notices = _notices([name for _, name in waiting])
        async with self._store.begin() as connection:
            await connection.execute(_KEEP, values)
            await connection.execute(_NOTIFY, {"channel": CHANNEL, "payloads": notices})

    async def sweep(self) -> None:
        """Remove from the table what has expired, and the oldest of what is too much; one gateway at a time.

        Raises:
            StoreUnavailableError: the database is away.

        """
        async with self._store.begin(_SWEEP_DEADLINE_S) as connection:
            if await connection.scalar(_ALONE):
                await connection.execute(_EXPIRE)
                size = await connection.scalar(_SIZE, {"row": _ROW_BYTES})
                if size is not None and size > self._spec.table_bytes:
                    await connection.execute(_SHRINK, {"row": _ROW_BYTES, "most": self._spec.table_bytes})
        await self._learn_marks()
        oldest = self._clock() - self._longest_s
        self._forgotten = {tenant: at for tenant, at in self._forgotten.items() if at > oldest}

    # -- what others say --------------------------------------------------------------------------------------------

    def _forget(self, tenant: str) -> None:
        """A tenant was deleted, or its plan changed: the notice is the same."""
        self._forgotten[tenant] = self._clock()
        self._kept.forget(tenant)
        self._waiting = {key: answer for key, answer in self._waiting.items() if key[0] != tenant}

    def _doubt(self) -> None:
        """The database went away or came back: a deletion may have gone unheard."""
        self._all_forgotten = self._clock()
        self._kept.clear()
        self._waiting, self._waiting_bytes = {}, 0
        self._marks_known = False

    def _is_forgotten(self, tenant: str, since: float) -> bool:
        return since <= max(self._all_forgotten, self._forgotten.get(tenant, self._all_forgotten))

    def _heard(self, payload: str) -> None:
        if len(self._marks) < 2 * _MOST_MARKS:
            marks = bytes.fromhex(payload)
            self._marks.update(marks[at : at + _MARK_BYTES] for at in range(0, len(marks), _MARK_BYTES))

    async def _learn_marks(self) -> None:
        async with self._store.autocommit() as connection:
            self._marks = set(await connection.scalars(_MARKS, {"bytes": _MARK_BYTES, "most": _MOST_MARKS}))
        self._marks_known = True


def _notices(digests: Sequence[bytes]) -> list[str]:
    """The marks of some digests, as payloads that are not too long."""
    marks = [digest[:_MARK_BYTES].hex() for digest in digests]
    return ["".join(marks[at : at + _MARKS_IN_NOTICE]) for at in range(0, len(marks), _MARKS_IN_NOTICE)]
