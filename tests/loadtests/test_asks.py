"""Who asks what: lengths as the fleet file says, the same for the same seed, conversations that grow."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any

import orjson
import pytest

from cluster.spec import Lengths
from loadtests.asks import Ask, Asker, Chat
from loadtests.facts import Kind
from loadtests.order import Mix, Order
from loadtests.prompts import Prompts

ORDER = Order(
    scenario="chat-1",
    mix=Mix(),
    url="http://127.0.0.1:1",
    duration_s=10,
    think_s=1,
    prompt=Lengths(p50=300, p95=1000),
    output=Lengths(p50=50, p95=200),
    cached_share=0.2,
    context=4096,
    seed=3,
    users=1,
)
PROMPTS = Prompts(1.0, 0.0)


def body(ask: Ask) -> Any:  # noqa: ANN401 - any JSON
    """What would be sent."""
    return orjson.loads(ask.body)


def words(ask: Ask) -> int:
    """Of all messages; a word is a token here."""
    return sum(len(message["content"].split()) for message in body(ask)["messages"])


def test_the_same_seed_asks_the_same() -> None:
    """And another user something else."""

    def first(order: Order, number: int) -> bytes:
        return Chat(PROMPTS, Asker(order, PROMPTS, number)).next().body

    assert first(ORDER, 0) == first(ORDER, 0)
    assert len({first(ORDER, 0), first(ORDER, 1), first(ORDER.model_copy(update={"seed": 4}), 0)}) == 3


@pytest.mark.parametrize("tokens", [60, 300, 3000, 100_000])
def test_a_prompt_is_as_long_as_it_is_meant_to_be(tokens: int) -> None:
    """Whatever the task; the words of ours are a token each."""
    ask = Asker(ORDER, PROMPTS, 0).single(Kind.CHAT, tokens, 10, tokens // 2)
    assert words(ask) == pytest.approx(tokens, abs=10)


def test_a_share_of_prompts_begins_alike_and_the_rest_never_does() -> None:
    """What the fleet file calls cached, and no more."""
    asker = Asker(ORDER, PROMPTS, 0)
    one, other = (body(asker.single(Kind.CHAT, 400, 10, 100))["messages"][0]["content"].split() for _ in range(2))
    assert one[:100] == other[:100]
    assert one[:103] != other[:103]


def test_conversations_grow_and_keep_to_the_lengths() -> None:
    """Histories are sent again, with the answers; all prompts together are as long as the fleet file says."""
    chat = Chat(PROMPTS, Asker(ORDER, PROMPTS, 0))
    turns, lengths = Counter[int](), []
    for _ in range(1000):
        ask = chat.next()
        sent = body(ask)
        lengths.append(words(ask))
        turns[len(sent["messages"])] += 1
        assert [message["role"] for message in sent["messages"][:2]] == ["user", "assistant"][: len(sent["messages"])]
        chat.answered(ask, " word" * sent["max_tokens"], words(ask) + sent["max_tokens"])
    assert median(lengths) == pytest.approx(300, rel=0.15)
    assert turns[1] > turns[3] > turns[5] > 0


def test_after_a_failure_a_conversation_begins_anew() -> None:
    """Nobody goes on where no answer came."""
    chat = Chat(PROMPTS, Asker(ORDER, PROMPTS, 0))
    for _ in range(50):
        ask = chat.next()
        assert len(body(ask)["messages"]) == 1
        chat.answered(ask, "", 0)


def test_a_mix_holds_its_shares() -> None:
    """Tools, completions, embeddings, and streams that are left; without a model for them they are chats."""
    mix = Mix(tools=0.2, completions=0.1, embeddings=0.3, cancelled=0.5)
    order = ORDER.model_copy(update={"mix": mix, "embedder": "e", "has_tools": True})
    asker = Asker(order, PROMPTS, 0)
    asks = [asker.single(asker.kind(), 100, 10) for _ in range(2000)]
    kinds = Counter(ask.kind for ask in asks)
    assert {kind: round(kinds[kind] / 2000, 1) for kind in Kind} == {
        Kind.CHAT: 0.4,
        Kind.COMPLETION: 0.1,
        Kind.EMBEDDING: 0.3,
        Kind.TOOLS: 0.2,
    }
    left = [ask for ask in asks if ask.cancel_after]
    assert len(left) / 1400 == pytest.approx(0.5, abs=0.05)
    assert all(ask.kind is not Kind.EMBEDDING for ask in left)
    assert {ask.path for ask in asks} == {"/v1/chat/completions", "/v1/completions", "/v1/embeddings"}
    assert all("tools" in body(ask) for ask in asks if ask.kind is Kind.TOOLS)
    plain = Asker(ORDER.model_copy(update={"mix": mix}), PROMPTS, 0)
    assert {plain.kind() for _ in range(500)} == {Kind.CHAT, Kind.COMPLETION}


def test_answers_get_their_length_only_where_the_engine_is_ours() -> None:
    """Another server might not know ``ignore_eos``."""
    exact = Asker(ORDER.model_copy(update={"exact": True}), PROMPTS, 0).single(Kind.CHAT, 10, 7)
    assert (body(exact)["ignore_eos"], body(exact)["max_tokens"]) == (True, 7)
    assert "ignore_eos" not in body(Asker(ORDER, PROMPTS, 0).single(Kind.CHAT, 10, 7))
