"""The loop itself: what was seen waits in a bounded queue, is asked of the references, compared, and kept as labels.

Whatever goes wrong ends in one comparison less, told by its outcome; no caller ever waits for any of it.
Neighbours: :mod:`router.quality.watch` (what is seen), :mod:`router.quality.asking` (who may be asked),
:mod:`router.quality.exact` and :mod:`router.quality.judging` (what counts as better).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import NamedTuple, NoReturn

import orjson

from cluster.spec import Fleet
from router.accounts.errors import StoreUnavailableError
from router.accounts.labels import JUDGED, Label, Labels
from router.observe.events import Compared, Listener
from router.quality import judging
from router.quality.asking import AWAY, Asker, NotAskedError, Reply
from router.quality.exact import result_of, same
from router.quality.watch import Seen
from router.wire.assembled import completion_of

REFERENCE, JUDGE = "quality-reference", "quality-judge"
"""Why something left the site, in the audit's rows."""
EXACT_VERSION = "1"
_RANKS = {"small": 0, "large": 1}
_VERDICT_TOKENS = 512
"""Of the judge's reply, which is a letter; a model that thinks first needs some more."""

_log = logging.getLogger(__name__)


class _Verdict(NamedTuple):
    score: float
    judge: str
    version: str
    cost_micros: int


def references_of(fleet: Fleet) -> dict[str, tuple[str, ...]]:
    """By local model, the models that its answers are compared with; empty where the loop has nothing to do."""
    spec = fleet.quality
    named = spec.references or fleet.spillover.chain[:1]
    if not spec.sample or fleet.tenants.access != "keys":
        return {}
    payable = [name for name in named if not fleet.models[name].is_outside or spec.usd_per_day]
    above = {name: _rank(fleet, name) for name in payable}
    found = {
        model: tuple(name for name in payable if above[name] > _rank(fleet, model))
        for model, about in fleet.models.items()
        if not about.is_outside and not about.is_embedding
    }
    return {model: names for model, names in found.items() if names}


def _rank(fleet: Fleet, name: str) -> int:
    """A model outside of the site is above those on it."""
    return len(_RANKS) if fleet.models[name].is_outside else _RANKS.get(fleet.tier_of(name), 0)


class QualityLoop:
    """Takes what was seen; :meth:`run` works on it."""

    def __init__(self, fleet: Fleet, labels: Labels, asker: Asker, tell: Listener) -> None:
        """``tell`` hears how each comparison ended."""
        self._spec, self._labels, self._asker, self._tell = fleet.quality, labels, asker, tell
        self._references = references_of(fleet)
        self._queue: asyncio.Queue[Seen] = asyncio.Queue(self._spec.queue)

    def take(self, seen: Seen) -> None:
        """Compare it when there is time; where too many wait, never."""
        if seen.model not in self._references:
            return
        if self._queue.full() or not self._spec.queue:
            self._tell(Compared(seen.request_id, seen.model, "", "dropped"))
        else:
            self._queue.put_nowait(seen)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._spec.in_flight):
                group.create_task(self._work())

    async def _work(self) -> NoReturn:
        while True:
            seen = await self._queue.get()
            await self._compare(seen)

    async def _compare(self, seen: Seen) -> None:
        answer = said_in(seen.answer, stream=seen.stream)
        names = [name for name in self._references[seen.model] if self._asker.may(name, seen)]
        if not answer or not names:
            self._tell(Compared(seen.request_id, seen.model, "", "unfit"))
            return
        await self._keep_words(seen)
        for name in names:
            try:
                outcome = await self._against(name, seen, answer)
            except NotAskedError as exc:
                outcome = exc.outcome
            except StoreUnavailableError:
                outcome = AWAY
            self._tell(Compared(seen.request_id, seen.model, name, outcome))

    async def _against(self, name: str, seen: Seen, answer: str) -> str:
        """One comparison; gives back how it ended."""
        judge = self._spec.judge if self._spec.judge and self._asker.may(self._spec.judge, _for_judge(seen)) else None
        prompt, wants_json = "\n".join(seen.ask.said), "response_format" in seen.request
        ours = result_of(prompt, answer, wants_json=wants_json)
        if judge is None and ours is None:
            return "unfit"
        reply = await self._asker.ask(name, seen.request, seen, REFERENCE)
        if not reply.text:
            return "undecided"  # it calls a tool, or refuses: not what a judge of texts can tell
        theirs = result_of(prompt, reply.text, wants_json=wants_json) if ours is not None else None
        if ours is not None and theirs is not None and same(ours, theirs):
            found: _Verdict | None = _Verdict(0.5, f"exact-{ours.kind}", EXACT_VERSION, reply.cost_micros)
        elif judge is not None:
            found = await self._judged(judge, seen, answer, reply)
        elif ours is not None and theirs is not None and theirs.value is not None:
            found = _Verdict(0.0, f"exact-{ours.kind}", EXACT_VERSION, reply.cost_micros)
        else:
            found = None
        if found is None:
            return "undecided"
        await self._keep(name, seen, found)
        return "win" if found.score > 0.5 else "tie" if found.score == 0.5 else "loss"  # noqa: PLR2004 - a half is a tie

    async def _judged(self, judge: str, seen: Seen, answer: str, reply: Reply) -> _Verdict | None:
        """In both orders; None where the judge does not say."""
        talk = judging.transcript(seen.request["messages"])
        verdicts, cost = [], reply.cost_micros
        for first, second in ((answer, reply.text), (reply.text, answer)):
            messages = judging.question(talk, first, second)
            request = {"messages": messages, "temperature": 0, "max_tokens": _VERDICT_TOKENS}
            said = await self._asker.ask(judge, request, seen, JUDGE)
            cost += said.cost_micros
            found = judging.verdict(said.text)
            if found is None:
                return None
            verdicts.append(found)
        return _Verdict(judging.settled(*verdicts), judge, judging.VERSION, cost)

    async def _keep_words(self, seen: Seen) -> None:
        """Keep what was said, where that may be: it is what labels, and the caller's own word, are learned on."""
        if not (seen.keeps and seen.ask.said):
            return
        words = "\n".join(seen.ask.said)
        try:
            await self._labels.keep(seen.tenant, seen.request_id, words, self._spec.keep_days)
        except StoreUnavailableError:
            _log.warning("the database is away; a sampled prompt is not kept")

    async def _keep(self, name: str, seen: Seen, found: _Verdict) -> None:
        await self._labels.write(
            Label(
                id=f"ql_{secrets.token_hex(12)}",
                request_id=seen.request_id,
                tenant=seen.tenant,
                source=JUDGED,
                model=seen.model,
                tier=seen.tier,
                reason=seen.reason,
                reference=name,
                propensity=seen.propensity,
                score=found.score,
                judge=found.judge,
                judge_version=found.version,
                cost_micros=found.cost_micros,
            )
        )


def said_in(answer: bytes, *, stream: bool) -> str:
    """The text of a chat answer with one choice and no tool call; empty for every other."""
    try:
        found = completion_of(answer) if stream else orjson.loads(answer)
        choices = found["choices"]
        message = choices[0]["message"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return ""
    if len(choices) != 1 or message.get("tool_calls") or (stream and b'"tool_calls"' in answer):
        return ""
    content = message.get("content")
    return content if isinstance(content, str) else ""


def _for_judge(seen: Seen) -> Seen:
    """A judge reads text, whatever the request needed."""
    return seen._replace(ask=seen.ask._replace(needs=frozenset(), only_here=""))
