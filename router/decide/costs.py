"""What an answer is expected to cost: a model's price or own cost, the prompt's tokens, and usual answers. Pure."""

from __future__ import annotations

from math import exp, log

from cluster.spec import Fleet, Lengths
from router.decide.facts import Ask

_Z95 = 1.6449
"""The normal distribution's 95 % quantile."""
_MILLION = 1_000_000


def mean_of(lengths: Lengths) -> float:
    """The mean of a log-normal distribution by its median and 95 % quantile: p50 · exp(σ²/2)."""
    sigma = log(lengths.p95 / lengths.p50) / _Z95
    return lengths.p50 * exp(sigma * sigma / 2)


class Costs:
    """Of one fleet's models."""

    def __init__(self, fleet: Fleet) -> None:
        """Lengths of answers are those of ``traffic.output_tokens``."""
        self.prompt_tokens, self.answer_tokens = map(
            mean_of, (fleet.traffic.prompt_tokens, fleet.traffic.output_tokens)
        )
        priced = ((name, model.price or model.own_cost) for name, model in fleet.models.items())
        self._rates = {name: (price.prompt / _MILLION, price.completion / _MILLION) for name, price in priced if price}

    def of(self, model: str, ask: Ask) -> float | None:
        """US dollars for one answer; None where nobody has said what the model costs."""
        rates = self._rates.get(model)
        if rates is None:
            return None
        answer = min(self.answer_tokens, ask.answer_tokens) if ask.answer_tokens else self.answer_tokens
        return rates[0] * ask.prompt_tokens + rates[1] * (answer if ask.room else 0)

    def usual(self, models: tuple[str, ...]) -> float | None:
        """US dollars for a usual answer of a tier, by its first model that has a cost."""
        rates = next((self._rates[name] for name in models if name in self._rates), None)
        return None if rates is None else rates[0] * self.prompt_tokens + rates[1] * self.answer_tokens
