"""How many tokens the fleet counts in our words: two small requests before a run, which also show that it answers."""

from __future__ import annotations

import time

import orjson

from cluster.errors import RefusedError, UnreachableError
from loadtests.answer import Answer, read_answer
from loadtests.facts import Outcome
from loadtests.order import Order
from loadtests.prompts import Prompts
from loadtests.wire import Connection, Origin
from loadtests.work import tenants

_SHORT, _LONG = 20, 220
"""Words; both fit into the smallest models that chat."""


def sized(order: Order) -> Order:
    """The order with what it needs to know for prompts of stated lengths.

    Raises:
        RefusedError: the fleet refused, such as a key that it does not know.
        UnreachableError: it does not answer.

    """
    short, long = (_asked(order, words).prompt_tokens for words in (_SHORT, _LONG))
    if long <= short:
        return order
    per_word = (long - short) / (_LONG - _SHORT)
    return order.model_copy(update={"per_word": per_word, "overhead": max(0.0, short - per_word * _SHORT)})


def _asked(order: Order, words: int) -> Answer:
    text = Prompts(1, 0).filling(words, order.seed)
    body = {
        "model": order.model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 1,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    origin = Origin.of(order.url)
    connection = Connection(origin, order.silence_s)
    connection.send(origin.request("/v1/chat/completions", orjson.dumps(body), tenants(order.key_envs)[0].headers))
    answer = read_answer(connection, time.monotonic)
    connection.close()
    if answer.status and answer.outcome is not Outcome.COMPLETE:
        raise RefusedError(answer.status, f"{order.url} did not answer a first request: {answer.error}")
    if answer.outcome is not Outcome.COMPLETE:
        msg = f"{order.url} did not answer a first request: {answer.error}"
        raise UnreachableError(msg)
    return answer
