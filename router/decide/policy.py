"""The policy: hard rules first (what the request needs, how long it is), then the verdict, then the live load.

The verdict is the scorer's, or that of the conversation so far.

Neighbours: :mod:`router.decide.features` made the :class:`Ask`; :mod:`router.gateway` carries the decision out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from cluster.spec import AT, AUTO, SPILLOVER, Engine, Fleet, Model
from router.decide.costs import Costs
from router.decide.dial import turned
from router.decide.facts import Ask, Decision, Load, Reason, Thread, Verdict
from router.decide.order import Order
from router.decide.pins import Pins
from router.decide.saturation import Saturation
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
_UNDISTURBED = frozenset(
    {Reason.SHORT, Reason.LONG, Reason.EASY, Reason.HARD, Reason.PINNED, Reason.SPILL_HARD, Reason.ESCALATED}
)
"""Decisions that a conversation stays with; what load or an outage forced is not remembered."""
NO_PINS = Pins(0, b"")


class Policy:
    """Decides for one fleet."""

    def __init__(self, fleet: Fleet, scorer: Scorer, difficulty: Difficulty = unknown, pins: Pins = NO_PINS) -> None:
        """Prepare the lists that every decision starts from."""
        self._fleet, self._scorer, self.pins = fleet, scorer, pins
        self._tiers = fleet.tiers_by_name()
        self._tier_of = {name: fleet.tier_of(name) for name in fleet.models}
        self._spill = Spill(fleet, difficulty)
        self._auto = (*self._tiers["small"], *self._tiers["large"])
        self._saturation = Saturation(fleet, self._spill, self._tier_of)
        self._order = Order(fleet)
        self.dial = turned(fleet, scorer)
        self.costs = Costs(fleet)

    def learn(self, scorer: Scorer, difficulty: Difficulty, share: float | None = None) -> None:
        """From now on, another scorer judges; ``share`` goes to ``large`` where the dial's own is not to be held."""
        self.dial = turned(self._fleet, scorer)
        if share is not None:
            scorer.hold(share)
            says = f"{self.dial.asked}: moved step by step; {share:.1%} of requests at large for now"
            self.dial = self.dial._replace(large_share=share, says=says)
        self._scorer = scorer
        self._spill.rank_by(difficulty)

    def judge(self, ask: Ask, thread: Thread | None = None) -> Verdict:
        """Which tier a request to ``auto`` deserves: that of its conversation so far, or the scorer's."""
        pinned = self.pins.recall(thread)
        if pinned:
            tier = self._tier_of[pinned]
            self._scorer.took(tier)
            return Verdict(tier, Reason.PINNED, model=pinned)
        if thread is not None and thread.named and len(ask.said) > 1:
            ask = ask._replace(said=ask.said[:1], prompt_tokens=thread.opening_tokens)
        return self._scorer.tier(ask)

    def remember(self, ask: Ask, decision: Decision) -> None:
        """The conversation stays with who answers it now."""
        if decision.reason in _UNDISTURBED:
            self.pins.keep(ask.thread, decision.model)

    def decide(self, ask: Ask, load: LoadOf, allowed: Collection[str] | None = None) -> Decision:
        """Choose who answers, among the models that the caller is ``allowed``; None allows all.

        Raises:
            Refusal: 404 for a name that nothing has, 403 for one that the caller may not use, 400 for what no model
                with that name is able to do, 429 where the tenant would rather be refused than wait.

        """
        if ask.model == AUTO and ask.verdict is None and ask.kind is not Kind.EMBEDDING:
            ask = ask._replace(verdict=self.judge(ask))
        return self.explained(self._decided(ask, load, allowed), ask, load)

    def is_free(self, model: str, now: Load) -> bool:
        """Whether a model would answer one request more, and in time."""
        return now.available and not self._saturation.is_busy(model, now)

    def explained(self, decision: Decision, ask: Ask, load: LoadOf) -> Decision:
        """The same decision with what is known of it: score, quality, cost, time to first token."""
        score = quality = None
        if ask.verdict is not None and ask.verdict.quality is not None:
            quality = {"small": ask.verdict.quality, "large": 1.0}.get(decision.tier)
        if ask.verdict is not None:
            score = ask.verdict.score
        wait = load(decision.model).ttft_s or None
        return Decision(*decision[:4], score, quality, self.costs.of(decision.model, ask), wait)

    def _decided(self, ask: Ask, load: LoadOf, allowed: Collection[str] | None) -> Decision:
        if ask.model in self._fleet.models:
            return self._named(ask, load, allowed)
        if not self._spill.chain:
            return self._saturation.relieved(self._local(ask, load, allowed), ask, (), load)
        chain = self._spillable(ask, allowed)
        try:
            decision = self._local(ask, load, allowed)
        except Refusal as refusal:
            instead = self._spill.instead(chain, load) if refusal.code in _NOT_ABLE else None
            if instead is None:
                raise
            return instead
        pinned, well = ask.verdict.model if ask.verdict is not None else "", self._well(chain, load)
        if pinned in well:
            others = dict.fromkeys((*well, decision.model, *decision.alternatives))
            return Decision(pinned, SPILLOVER, Reason.PINNED, tuple(name for name in others if name != pinned))
        return self._spill.beside(self._saturation.relieved(decision, ask, chain, load), ask, chain, load)

    @staticmethod
    def _well(names: Collection[str], load: LoadOf) -> list[str]:
        return [name for name in names if load(name).available]

    def _named(self, ask: Ask, load: LoadOf, allowed: Collection[str] | None) -> Decision:
        """The model by that name, here or at another site; where a rule or a route named it, or others of its tier."""
        same = (ask.model, *self._order.twins(ask.model))
        if ask.why is None:
            names = self._by_load(self._able(ask, same, allowed), load)
            return self._decision(names, Reason.NAMED if names[0] == ask.model else Reason.SITE)
        others = (name for name in self._tiers.get(self._tier_of[ask.model], ()) if name not in same)
        names = sorted(self._able(ask, (*same, *others), allowed), key=lambda name: not load(name).available)
        return self._decision(names, ask.why if names[0] == ask.model else Reason.DOWN)

    # -- among local models -----------------------------------------------------------------------------------------

    def _spillable(self, ask: Ask, allowed: Collection[str] | None) -> list[str]:
        """The chain's models that can do what is asked, and may."""
        names = [name for name in self._spill.chain if allowed is None or name in allowed]
        models = self._fleet.models
        return [name for name in names if _capable(ask, models[name]) and _fits(ask, models[name])]

    def _local(self, ask: Ask, load: LoadOf, allowed: Collection[str] | None) -> Decision:
        if ask.model in self._tiers:
            able = self._able(ask, self._tiers[ask.model], allowed)
            return self._decision(self._by_load(able, load), ask.why or Reason.TIER)
        if ask.model != AUTO:
            known = ", ".join([AUTO, *(tier for tier, names in self._tiers.items() if names), *self._fleet.models])
            msg = f"The model {ask.model[:80]!r} does not exist. Known: {known}."
            raise Refusal(_NOT_FOUND, msg, param="model", code="model_not_found")
        if ask.kind is Kind.EMBEDDING:
            able = self._able(ask, self._tiers["embedding"], allowed)
            return self._decision(self._by_load(able, load), Reason.EMBEDDING)
        return self._auto_decision(ask, load, self._able(ask, self._auto, allowed))

    def _auto_decision(self, ask: Ask, load: LoadOf, able: list[str]) -> Decision:
        verdict = ask.verdict or self.judge(ask)
        if verdict.tier == SPILLOVER:  # the conversation cannot stay there now
            verdict = self._scorer.tier(ask)
        wanted = [name for name in able if self._tier_of[name] == verdict.tier]
        others = [name for name in able if self._tier_of[name] != verdict.tier]
        if not wanted:
            return self._decision(self._by_load(others, load), Reason.ONLY_ABLE)
        wanted, others = self._by_load(wanted, load), self._by_load(others, load)
        if verdict.model in wanted and load(verdict.model).available:
            wanted.remove(verdict.model)
            wanted.insert(0, verdict.model)
        if others and not load(wanted[0]).available and load(others[0]).available:
            return self._decision(others + wanted, Reason.DOWN)
        return self._decision(wanted + others, verdict.reason)

    def _by_load(self, names: list[str], load: LoadOf) -> list[str]:
        """Those that answer first, in the file's order, other sites last; a busy one after those that are not."""
        if len(names) < 2:  # noqa: PLR2004 - nothing to order
            return names
        now = {name: load(name) for name in names}
        busy = self._saturation.is_busy
        return sorted(names, key=lambda name: self._order.rank(name, now[name], busy=busy(name, now[name])))

    def _decision(self, names: list[str], reason: Reason) -> Decision:
        if AT in names[0] and reason is not Reason.NAMED:
            reason = Reason.SITE
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
    """Whether a model can do what is asked; a hosted one, what its API can put."""
    if model.engine is Engine.CLAUDE and ask.only_here:
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
