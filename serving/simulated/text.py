"""What a simulated engine reads and writes, as tokens: a tokenizer without a vocabulary, and an endless word salad.

A token is a word of up to six letters with the blank before it, a longer word's next six letters, or one other
character: about as many tokens as a real tokenizer makes of English. What is written is cut the same way again, so the
tokens of an answer can be counted by anybody, and the next turn of a conversation finds them in the prefix cache.
"""

from __future__ import annotations

import math
import random
import re
from functools import cache
from statistics import NormalDist
from zlib import crc32

import orjson

from cluster.spec.traffic import Lengths

_TOKEN = re.compile(r" ?[A-Za-z0-9]{1,6}|\S|\s+")
_WORDS = (
    "a and are as at barn bread bring brook by calm carry cattle clear cloud come cook copper corn cross dark day deep "
    "door down early earth east fair farm fence few field fire first flour for found from garden gate gather give good "
    "grain grass green ground grow hand harbor have heart hedge hill his hold home horse house in iron is it keep key "
    "land lane late lead leaf light like long low lumber make many mark meadow mill moon more morrow near new night no "
    "north not now oak of old on open or orchard out over own path place plain quiet rain reap ridge right river "
    "road roof root rye salt seed shade sheep shore side sky slow small snow soil south spring stand stone stream sun "
    "that the their then they timber to town track under until up valley wagon wall warm water way we west wheat when "
    "where white wide wind winter with wood work year yield"
)
SALAD = 4096
"""Tokens until the salad begins again."""
_NORMAL = NormalDist()
_P95 = _NORMAL.inv_cdf(0.95)


def tokens(text: str) -> list[str]:
    """The tokens of a text; together they are the text."""
    return _TOKEN.findall(text)


def token_id(token: str) -> int:
    """A number that stands for a token, the same everywhere."""
    return crc32(token.encode("utf-8", "surrogatepass")) % 128_000


@cache
def _salad() -> tuple[str, ...]:
    words = [word for word in _WORDS.split() if len(word) <= 6]  # noqa: PLR2004 - longer ones are two tokens
    chosen = random.Random("freehold")  # noqa: S311 - nothing secret
    return tuple(chosen.choice("..,,,;") if chosen.random() < 0.1 else " " + chosen.choice(words) for _ in range(SALAD))  # noqa: PLR2004


@cache
def encoded() -> tuple[bytes, ...]:
    """Every token of the salad as a JSON string."""
    return tuple(orjson.dumps(token) for token in _salad())


def said(start: int, index: int) -> str:
    """The token at a place of the answer that begins at ``start`` in the salad; no blank before the first word."""
    token = _salad()[(start + index) % SALAD]
    return token if index else token.lstrip()


def saying(start: int, count: int) -> str:
    """The first ``count`` tokens of that answer as one text."""
    return "".join(said(start, index) for index in range(count))


def chance(*what: object) -> float:
    """Between 0 and 1, decided by ``what`` and nothing else, on every machine."""
    return (crc32(repr(what).encode()) + 0.5) / 2**32


def drawn(lengths: Lengths, luck: float) -> int:
    """A length from a log-normal distribution, at the quantile ``luck``; at least one token."""
    spread = math.log(lengths.p95 / lengths.p50) / _P95
    return max(1, round(lengths.p50 * math.exp(spread * _NORMAL.inv_cdf(luck))))
