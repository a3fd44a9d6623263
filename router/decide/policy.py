"""The policy: hard rules first (what the request needs, how long it is), then the scorer's tier, then the live load.

Neighbours: :mod:`router.decide.features` made the :class:`Ask`; :mod:`router.gateway` carries the decision out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from cluster.spec import AUTO, Engine, Fleet, Model
from router.decide.facts import Ask, Decision, Load, Reason
from router.decide.scorer import Scorer
from router.decide.spill import Difficulty, Spill, unknown
from router.wire.endpoints import Kind
from router.wire.errors import Refusal

LoadOf = Callable[[str], Load]
"""The live load of a model, by its name."""

_NOT_ABLE = ("model_not_capable", "context_length_exceeded")
_BAD_REQUEST = 400
_FORBIDDEN = 403
_NOT_FOUND = 404


class Policy:
    """Decides for one fleet."""

    def __init__(self, fleet: Fleet, scorer: Scorer, difficulty: Difficulty = unknown) -> None:
        """Prepare the lists that every decision starts from."""
        self._fleet, self._scorer = fleet, scorer
        self._tiers = fleet.tiers_by_name()
        self._tier_of = {name: fleet.tier_of(name) for name in fleet.models}
        self._spill = Spill(fleet, difficulty)
        self._auto = (*self._tiers["small"], *self._tiers["large"])

    def decide(self, ask: Ask, load: LoadOf, allowed: Collection[str] | None = None) -> Decision:
        """Choose who answers, among the models that the caller is ``allowed``; None allows all.

        Raises:
            Refusal: 404 for a name that nothing has, 403 for one that the caller may not use, 400 for what no model
                with that name is able to do.

        """
        if ask.model in self._fleet.models:
            return self._decision(self._able(ask, (ask.model,), allowed), Reason.NAMED)
        if not self._spill.chain:
            return self._local(ask, load, allowed)
        chain = self._spillable(ask, allowed)
        try:
            decision = self._local(ask, load, allowed)
        except Refusal as refusal:
            instead = self._spill.instead(chain, load) if refusal.code in _NOT_ABLE else None
            if instead is None:
                raise
            return instead
        return self._spill.beside(decision, ask, chain, load)

    def _spillable(self, ask: Ask, allowed: Collection[str] | None) -> list[str]:
        """The chain's models that can do what is asked, and may."""
        names = [name for name in self._spill.chain if allowed is None or name in allowed]
        models = self._fleet.models
        return [name for name in names if _capable(ask, models[name]) and _fits(ask, models[name])]

    def _local(self, ask: Ask, load: LoadOf, allowed: Collection[str] | None) -> Decision:
        if ask.model in self._tiers:
            able = self._able(ask, self._tiers[ask.model], allowed)
            return self._decision(self._by_load(able, load), Reason.TIER)
        if ask.model != AUTO:
            known = ", ".join([AUTO, *(tier for tier, names in self._tiers.items() if names), *self._fleet.models])
            msg = f"The model {ask.model[:80]!r} does not exist. Known: {known}."
            raise Refusal(_NOT_FOUND, msg, param="model", code="model_not_found")
        if ask.kind is Kind.EMBEDDING:
            able = self._able(ask, self._tiers["embedding"], allowed)
            return self._decision(self._by_load(able, load), Reason.EMBEDDING)
        return self._auto_decision(ask, load, self._able(ask, self._auto, allowed))

    def _auto_decision(self, ask: Ask, load: LoadOf, able: list[str]) -> Decision:
        tier, reason = self._scorer.tier(ask)
        wanted = [name for name in able if self._tier_of[name] == tier]
        others = [name for name in able if self._tier_of[name] != tier]
        if not wanted:
            return self._decision(self._by_load(others, load), Reason.ONLY_ABLE)
        wanted, others = self._by_load(wanted, load), self._by_load(others, load)
        if others:
            first, other = load(wanted[0]), load(others[0])
            if not first.available and other.available:
                return self._decision(others + wanted, Reason.DOWN)
            if self._busy(wanted[0], first) and other.available and not self._busy(others[0], other):
                return self._decision(others + wanted, Reason.BUSY)
        return self._decision(wanted + others, reason)

    def _busy(self, name: str, now: Load) -> bool:
        return now.in_flight + now.waiting >= self._fleet.routing.busy_in_flight * self._fleet.models[name].replicas.min

    def _by_load(self, names: list[str], load: LoadOf) -> list[str]:
        """Those that answer first, in the file's order; a busy one after those that are not."""
        if len(names) < 2:  # noqa: PLR2004 - nothing to order
            return names
        return sorted(names, key=lambda name: (not load(name).available, self._busy(name, load(name))))

    def _decision(self, names: list[str], reason: Reason) -> Decision:
        return Decision(names[0], self._tier_of[names[0]], reason, tuple(names[1:]))

    def _able(self, ask: Ask, names: tuple[str, ...], allowed: Collection[str] | None) -> list[str]:
        """The models that can do what is asked, and may; never empty."""
        models = self._fleet.models
        if allowed is not None:
            may = tuple(name for name in names if name in allowed)
            if names and not may:
                msg = f"Your key may not use {ask.model!r}."
                raise Refusal(_FORBIDDEN, msg, param="model", code="model_not_allowed")
            names = may
        capable = [name for name in names if _capable(ask, models[name])]
        if not capable:
            needs = ", ".join(sorted(need.value for need in ask.needs) + [ask.only_here] * bool(ask.only_here))
            msg = f"No model behind {ask.model!r} is capable of: {needs}."
            raise Refusal(_BAD_REQUEST, msg, param="model", code="model_not_capable")
        fitting = [name for name in capable if _fits(ask, models[name])]
        if not fitting:
            raise too_long(ask, max(models[name].context_length for name in capable))
        return fitting


def _capable(ask: Ask, model: Model) -> bool:
    """Whether a model can do what is asked; a hosted one answers conversations, and those that its API can put."""
    if model.engine is Engine.CLAUDE and (ask.only_here or ask.kind not in {Kind.CHAT, Kind.MESSAGES}):
        return False
    return ask.needs.issubset(model.capabilities)


def _fits(ask: Ask, model: Model) -> bool:
    """Whether prompt and answer fit; an estimate refuses only what no tokenizer could make fit."""
    prompt = ask.prompt_tokens if ask.counted else _at_least(ask)
    return prompt + ask.room <= model.context_length


def _at_least(ask: Ask) -> int:
    """Tokens that the prompt has whatever the tokenizer."""
    return -(-ask.most_tokens // LONGEST_TOKEN)


def unsure(ask: Ask, model: Model) -> bool:
    """Whether only the engine's tokenizer can tell that the request fits."""
    return not ask.counted and ask.most_tokens + ask.room > model.context_length


def too_long(ask: Ask, context_length: int) -> Refusal:
    """OpenAI's error for what does not fit."""
    counted = f"{ask.prompt_tokens}" if ask.counted else f"at least {_at_least(ask)}"
    param = _PROMPT_FIELDS[ask.kind]
    if ask.answer_tokens >= context_length:
        param = "max_tokens"
    msg = (
        f"This model's maximum context length is {context_length} tokens, but {counted} prompt tokens and "
        f"{ask.answer_tokens} answer tokens were requested. Shorten the prompt or lower max_tokens."
    )
    return Refusal(_BAD_REQUEST, msg, param=param, code="context_length_exceeded")


LONGEST_TOKEN = 128
"""Bytes: vocabularies hold runs of up to so many spaces, and nothing longer."""

_PROMPT_FIELDS = {
    Kind.CHAT: "messages",
    Kind.COMPLETION: "prompt",
    Kind.EMBEDDING: "input",
    Kind.RESPONSES: "input",
    Kind.MESSAGES: "messages",
}
