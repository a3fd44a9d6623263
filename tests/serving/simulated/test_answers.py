"""What an engine says: as much as was asked for, the same every time, counted exactly, in vLLM's words."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from cluster.spec import Lengths
from serving.simulated import RefusedError, asked
from serving.simulated.text import tokens
from tests.serving.simulated.virtual import Bench

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Good morning, engine."}], "max_tokens": 30}
LONG = {**HELLO, "ignore_eos": True}


def said(body: dict[str, Any]) -> tuple[list[str], dict[str, int], list[str]]:
    """Texts, usage and finish reasons of a whole chat answer."""
    answer = Bench().done(body, asked.chat).json
    choices = answer["choices"]
    return [c["message"]["content"] for c in choices], answer["usage"], [c["finish_reason"] for c in choices]


def streamed(body: dict[str, Any]) -> tuple[list[str], dict[str, int], list[str]]:
    """The same of a stream."""
    body = {**body, "stream": True, "stream_options": {"include_usage": True}}
    *events, last = Bench().done(body, asked.chat).events
    texts, reasons = [""] * body.get("n", 1), [""] * body.get("n", 1)
    for event in events:
        [choice] = event["choices"]
        texts[choice["index"]] += choice["delta"]["content"]
        reasons[choice["index"]] = choice["finish_reason"] or reasons[choice["index"]]
    return texts, last["usage"], reasons


ASKED = {
    "limit": LONG,
    "two": {**LONG, "n": 2},
    "by-itself": {**HELLO, "max_tokens": 4000},
    "stop": {**LONG, "stop": ["e", "r"], "max_tokens": 200},
    "stop-across-tokens": {**LONG, "stop": "d w", "max_tokens": 4000},
    "logprobs": {**LONG, "logprobs": True, "top_logprobs": 2},
    "one": {**LONG, "max_tokens": 1},
}


@pytest.mark.parametrize("body", ASKED.values(), ids=ASKED)
def test_a_stream_says_what_a_whole_answer_says(body: dict[str, Any]) -> None:
    """Text, usage and the way it ends are the same."""
    texts, usage, reasons = said(body)
    streamed_texts, streamed_usage, streamed_reasons = streamed(body)
    assert (streamed_texts, streamed_reasons) == (texts, reasons)
    assert streamed_usage.items() <= usage.items()


@pytest.mark.parametrize("n", [1, 3])
def test_usage_is_exact(n: int) -> None:
    """Prompt once, each choice in full; anybody who counts the answer's tokens finds as many."""
    texts, usage, reasons = said({**LONG, "n": n})
    assert [len(tokens(text)) for text in texts] == [30] * n
    assert usage["completion_tokens"] == 30 * n
    assert usage["total_tokens"] == usage["prompt_tokens"] + 30 * n
    assert reasons == ["length"] * n


def test_an_answer_that_ends_by_itself_says_so() -> None:
    """It has a length of its own, an end-of-sequence token included, and stops."""
    [text], usage, [reason] = said({**HELLO, "max_tokens": 4000})
    assert reason == "stop"
    assert len(tokens(text)) == usage["completion_tokens"] - 1 < 4000


def test_answers_are_as_long_as_they_should_be() -> None:
    """Half of those that end by themselves are shorter than the median that was asked for."""
    bench = Bench(answer_tokens=Lengths(p50=100, p95=300))
    for number in range(300):
        bench.ask({"prompt": f"question {number}", "max_tokens": 4000}, asked.completion)
    bench.clock.run()
    lengths = bench.engine.metrics.histograms["request_generation_tokens"]
    assert sum(lengths.counts[: lengths.bounds.index(100.0) + 1]) == pytest.approx(150, abs=25)


@pytest.mark.parametrize("min_tokens", [0, 3000])
def test_a_least_length_is_kept(min_tokens: int) -> None:
    """``min_tokens`` holds back the end."""
    _, usage, _ = said({**HELLO, "max_tokens": 3500, "min_tokens": min_tokens})
    assert min_tokens <= usage["completion_tokens"] < 3500


def test_a_stop_string_is_not_shown() -> None:
    """The answer ends before it, and names it."""
    [free], _, _ = said({**LONG, "max_tokens": 200})
    answer = Bench().done({**LONG, "max_tokens": 200, "stop": ["zz", "d w"]}, asked.chat).json["choices"][0]
    assert answer["message"]["content"] == free[: free.index("d w")]
    assert (answer["finish_reason"], answer["stop_reason"]) == ("stop", "d w")


def test_the_same_question_has_the_same_answer() -> None:
    """In another engine too; another seed, and it is another one."""
    assert said(LONG) == said(LONG)
    assert said(LONG)[0] != said({**LONG, "seed": 1})[0]
    first, second = said({**LONG, "n": 2})[0]
    assert first != second


def test_log_probabilities_are_those_of_the_tokens() -> None:
    """One for each token, its own the likeliest, and never above 0."""
    [choice] = Bench().done({**LONG, "logprobs": True, "top_logprobs": 3}, asked.chat).json["choices"]
    listed = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in listed) == choice["message"]["content"]
    assert all(token["logprob"] == token["top_logprobs"][0]["logprob"] <= 0 for token in listed)
    assert all(len(token["top_logprobs"]) == 3 for token in listed)


SAID: dict[str, tuple[dict[str, Any], str]] = {
    "limit": ({"max_tokens": 4}, "max_tokens"),
    "by-itself": ({"max_tokens": 4000}, "end_turn"),
    "stop": ({"max_tokens": 4000, "stop_sequences": ["e"]}, "stop_sequence"),
}


@pytest.mark.parametrize(("body", "reason"), SAID.values(), ids=SAID)
def test_a_message_streamed_is_the_same_message(body: dict[str, Any], reason: str) -> None:
    """Anthropic's events carry the text, the counts and the reason of the whole answer."""
    body = {"messages": HELLO["messages"], "system": "Be brief.", **body}
    whole = Bench().done(body, asked.message).json
    stream = Bench().done({**body, "stream": True}, asked.message)
    lines = b"".join(data for _, data in stream.pieces).decode().splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [line.removeprefix("event: ") for line in lines if line.startswith("event: ")] == [e["type"] for e in events]
    texts = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(texts) == whole["content"][0]["text"]
    assert events[-2]["usage"] == whole["usage"]
    assert events[-2]["delta"]["stop_reason"] == whole["stop_reason"] == reason


def test_prompts_side_by_side() -> None:
    """Each has its own choices; each prompt is counted once."""
    body = {"prompt": ["one", "two, too"], "n": 2, "max_tokens": 3, "ignore_eos": True}
    answer = Bench().done(body, asked.completion).json
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert answer["usage"]["prompt_tokens"] == 2 + 4
    assert answer["usage"]["completion_tokens"] == 12


def test_an_embedding_depends_on_its_text() -> None:
    """Equal for equal texts, of length one, of as many dimensions as asked for."""
    body = {"input": ["a", "b", "a"], "dimensions": 8}
    first, second, third = (one["embedding"] for one in Bench().done(body, asked.embedding).json["data"])
    assert first == third != second
    assert sum(value * value for value in first) == pytest.approx(1)


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing": ({**HELLO, "max_tokens": 0}, "max_tokens", "max_tokens must be at least 1, got 0."),
    "too-much": ({**HELLO, "max_tokens": 9000}, "max_tokens", "max_tokens=9000 cannot be greater than max_model_len"),
    "cold": ({**HELLO, "temperature": -1}, "temperature", "temperature must be non-negative, got -1.0."),
    "no-messages": ({}, "body.messages", "1 validation error:\n  {'type': 'missing', 'loc': 'body.messages'"),
    "tool": ({**HELLO, "tool_choice": "required"}, "tool_choice", "calls no tools"),
    "too-long": (
        {"messages": [{"role": "user", "content": "word " * 9000}]},
        "input_tokens",
        "This model's maximum context length is 8192 tokens.",
    ),
}


@pytest.mark.parametrize(("body", "param", "message"), REFUSED.values(), ids=REFUSED)
def test_what_vllm_refuses_is_refused(body: dict[str, Any], param: str, message: str) -> None:
    """In its words, naming its field."""
    with pytest.raises(RefusedError) as refused:
        Bench().ask(body, asked.chat)
    assert message in str(refused.value)
    assert (refused.value.param, refused.value.status) == (param, 400)


@pytest.mark.parametrize("prompt", [[], [[]], ["a", []]], ids=["none", "empty", "one-empty"])
def test_nothing_is_no_prompt(prompt: list[object]) -> None:
    """An answer to nothing would never come."""
    with pytest.raises(RefusedError):
        Bench().ask({"prompt": prompt}, asked.completion)


@pytest.mark.parametrize(
    "body",
    [{"prompt": "Twice the wheat, and the rest."}, {"messages": [{"role": "user", "content": "Twice the wheat"}]}],
    ids=["prompt", "messages"],
)
def test_tokens_are_counted_alike_everywhere(body: dict[str, Any]) -> None:
    """``/tokenize`` says how many prompt tokens the answer's usage will have."""
    listed, _ = asked.to_tokenize(orjson.dumps(body))
    answer = Bench().done({**body, "max_tokens": 1}, asked.chat if "messages" in body else asked.completion).json
    assert answer["usage"]["prompt_tokens"] == len(listed)
