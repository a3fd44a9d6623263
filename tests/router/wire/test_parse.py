"""Bodies: what is broken, too deep or out of range is refused, naming the field; no body breaks the parser."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.spec import Limits
from router.decide.features import understand
from router.wire.endpoints import ENDPOINTS
from router.wire.errors import Refusal
from router.wire.parse import parse

LIMITS = Limits()
SOMEONE: dict[str, dict[str, Any]] = {
    "chat/completions": {"model": "s", "messages": [{"role": "user", "content": "Hello?"}]},
    "completions": {"model": "s", "prompt": "Once"},
    "embeddings": {"model": "e", "input": "Once"},
    "responses": {"model": "s", "input": "Hello?"},
    "messages": {"model": "s", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello?"}]},
}


def accepted(path: str, body: bytes) -> dict[str, Any]:
    """What an engine would receive: parsed, understood and written anew."""
    endpoint = ENDPOINTS[f"/v1/{path}"]
    request = parse(endpoint, body, LIMITS)
    understand(endpoint, request)
    written: dict[str, Any] = orjson.loads(orjson.dumps(request))
    return written


def refusal(path: str, body: bytes) -> Refusal:
    """The refusal of a body that must be refused."""
    with pytest.raises(Refusal) as caught:
        accepted(path, body)
    assert caught.value.status == 400
    assert caught.value.message
    return caught.value


def outcome(path: str, body: bytes) -> dict[str, Any] | Refusal:
    """One or the other; any other exception is a mistake of ours."""
    try:
        return accepted(path, body)
    except Refusal as found:
        return found


BROKEN: dict[str, bytes] = {
    "empty": b"",
    "blank": b"  ",
    "cut": b'{"model":"s","messages":[{"role":"us',
    "trailing": b'{"model":"s","messages":[]} x',
    "two": b"{}{}",
    "comma": b'{"model":"s",}',
    "single-quotes": b"{'model':'s'}",
    "comment": b'{"model":"s"} // x',
    "bom": b'\xef\xbb\xbf{"model":"s"}',
    "utf16": '{"model":"s"}'.encode("utf-16"),
    "latin1": b'{"model":"\xe9"}',
    "overlong": b'{"model":"\xc0\xaf"}',
    "cut-utf8": b'{"model":"\xf0\x9f\x91"}',
    "surrogate-bytes": b'{"model":"\xed\xa0\x80"}',
    "lone-surrogate": b'{"model":"\\ud800"}',
    "reversed-pair": b'{"model":"\\udc00\\ud800"}',
    "control": b'{"model":"a\nb"}',
    "nul": b"\x00",
    "long-number": b'{"model":"s","n":1' + b"0" * 5000 + b"}",
    "nan": b'{"model":"s","messages":[{"role":"user","content":"x"}],"temperature":NaN}',
    "infinity": b'{"model":"s","messages":[{"role":"user","content":"x"}],"temperature":-Infinity}',
    "nan-beside-an-error": b'{"model":"s","messages":[],"temperature":NaN}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("path", SOMEONE, ids=str)
def test_broken_json(path: str, body: bytes) -> None:
    """What is not JSON in UTF-8 is refused as such."""
    assert refusal(path, body).code == "invalid_json"


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"5", b"true", b"[[{}]]"], ids=bytes.decode)
@pytest.mark.parametrize("path", SOMEONE, ids=str)
def test_not_an_object(path: str, body: bytes) -> None:
    """JSON that is no object is refused without a field to name."""
    found = refusal(path, body)
    assert found.param is None
    assert "object" in found.message


def nested(depth: int, opening: str = '{"a":', closing: str = "}") -> bytes:
    """A chat body of exactly this many objects and arrays inside each other."""
    inner = depth - 5  # the body, tools, a tool, its function, the innermost value's own level
    schema = opening * inner + "{}" + closing * inner
    tool = f'{{"type":"function","function":{{"name":"f","parameters":{{"x":{schema}}}}}}}'
    return f'{{"model":"s","messages":[{{"role":"user","content":"x"}}],"tools":[{tool}]}}'.encode()


def depth_of(body: bytes) -> int:
    """How deep a body is nested, counted from its brackets."""
    deepest = now = 0
    for char in body.decode():
        now += (char in "[{") - (char in "]}")
        deepest = max(deepest, now)
    return deepest


@pytest.mark.parametrize("depth", [10, 99, 100], ids=str)
def test_up_to_a_hundred_deep(depth: int) -> None:
    """Nesting up to the limit is accepted."""
    body = nested(depth - 1)
    assert depth_of(body) == depth
    assert accepted("chat/completions", body)["tools"]


@pytest.mark.parametrize("depth", [101, 102, 150, 199, 200, 201, 1000, 100_000], ids=str)
@pytest.mark.parametrize("brackets", ['{"a": }', "[ ]"], ids=["objects", "arrays"])
def test_over_a_hundred_deep(depth: int, brackets: str) -> None:
    """Nesting over the limit is refused, however deep."""
    opening, closing = brackets.split(" ")
    body = nested(depth - 1, opening, closing)
    assert depth_of(body) == depth
    assert refusal("chat/completions", body).code == "nesting_too_deep"


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'], ids=["arrays", "objects", "both"])
def test_never_closed(opening: str) -> None:
    """A hundred thousand brackets that never close are refused."""
    assert refusal("chat/completions", opening.encode() * 100_000).code in {"nesting_too_deep", "invalid_json"}


HUGE = 10**30
WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "model-number": ("chat/completions", {"model": 5}, "model"),
    "model-null": ("chat/completions", {"model": None}, "model"),
    "model-empty": ("chat/completions", {"model": ""}, "model"),
    "model-long": ("chat/completions", {"model": "x" * 129}, "model"),
    "messages-text": ("chat/completions", {"messages": "Hello?"}, "messages"),
    "messages-empty": ("chat/completions", {"messages": []}, "messages"),
    "message-text": ("chat/completions", {"messages": ["Hello?"]}, "messages.0"),
    "role": ("chat/completions", {"messages": [{"role": "root", "content": "x"}]}, "messages.0.role"),
    "content-number": ("chat/completions", {"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
    "stream-text": ("chat/completions", {"stream": "true"}, "stream"),
    "n-zero": ("chat/completions", {"n": 0}, "n"),
    "prompts": ("completions", {"prompt": ["x"] * 3000}, "prompt"),
    "inputs": ("embeddings", {"input": ["x"] * 3000}, "input"),
    "n-over": ("chat/completions", {"n": 9}, "n"),
    "n-absurd": ("chat/completions", {"n": 10**9}, "n"),
    "n-huge": ("chat/completions", {"n": HUGE}, "n"),
    "n-text": ("chat/completions", {"n": "2"}, "n"),
    "n-fraction": ("chat/completions", {"n": 1.5}, "n"),
    "best-of": ("completions", {"best_of": 10**6}, "best_of"),
    "max-tokens-zero": ("chat/completions", {"max_tokens": 0}, "max_tokens"),
    "max-tokens-negative": ("chat/completions", {"max_tokens": -1}, "max_tokens"),
    "max-tokens-absurd": ("chat/completions", {"max_tokens": 10**9}, "max_tokens"),
    "max-tokens-huge": ("completions", {"max_tokens": HUGE}, "max_tokens"),
    "max-completion": ("chat/completions", {"max_completion_tokens": 10**9}, "max_completion_tokens"),
    "max-output": ("responses", {"max_output_tokens": 10**9}, "max_output_tokens"),
    "max-messages": ("messages", {"max_tokens": 10**9}, "max_tokens"),
    "temperature": ("chat/completions", {"temperature": 2.1}, "temperature"),
    "top-p": ("chat/completions", {"top_p": 1.1}, "top_p"),
    "penalty": ("chat/completions", {"presence_penalty": 3}, "presence_penalty"),
    "stops": ("chat/completions", {"stop": ["x"] * 17}, "stop"),
    "stop-number": ("chat/completions", {"stop": [5]}, "stop.0"),
    "seed-huge": ("chat/completions", {"seed": HUGE}, "seed"),
    "logprobs": ("chat/completions", {"top_logprobs": 21}, "top_logprobs"),
    "logit-bias": ("chat/completions", {"logit_bias": {"word": 1}}, "logit_bias.word"),
    "logit-bias-huge": ("chat/completions", {"logit_bias": {"5": HUGE}}, "logit_bias.5"),
    "tools-object": ("chat/completions", {"tools": {}}, "tools"),
    "tool-name": (
        "chat/completions",
        {"tools": [{"type": "function", "function": {"name": "a b"}}]},
        "tools.0.function.name",
    ),
    "stream-options": ("chat/completions", {"stream_options": {"x": 1}}, "stream_options.x"),
    "format": ("chat/completions", {"response_format": {"type": "xml"}}, "response_format"),
    "store": ("chat/completions", {"store": True}, "store"),
    "prompt-number": ("completions", {"prompt": 5}, "prompt"),
    "prompt-empty": ("completions", {"prompt": []}, "prompt"),
    "prompt-mixed": ("completions", {"prompt": ["a", 5]}, "prompt.1"),
    "prompt-token-negative": ("completions", {"prompt": [1, -1]}, "prompt.1"),
    "prompt-token-huge": ("completions", {"prompt": [HUGE]}, "prompt.0"),
    "stop-token-huge": ("completions", {"stop_token_ids": [HUGE]}, "stop_token_ids.0"),
    "input-null": ("embeddings", {"input": None}, "input"),
    "input-token-huge": ("embeddings", {"input": [[HUGE]]}, "input.0.0"),
    "dimensions": ("embeddings", {"dimensions": HUGE}, "dimensions"),
    "encoding": ("embeddings", {"encoding_format": "hex"}, "encoding_format"),
    "previous": ("responses", {"previous_response_id": "resp_1"}, "previous_response_id"),
    "background": ("responses", {"background": True}, "background"),
    "anthropic-role": ("messages", {"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
    "anthropic-temperature": ("messages", {"temperature": 1.5}, "temperature"),
}


@pytest.mark.parametrize(("path", "fields", "param"), WRONG.values(), ids=WRONG)
def test_the_field_is_named(path: str, fields: dict[str, Any], param: str) -> None:
    """A wrong type or an absurd value is refused with the field's path."""
    assert refusal(path, json.dumps({**SOMEONE[path], **fields}).encode()).param == param


@pytest.mark.parametrize("path", SOMEONE, ids=str)
def test_what_is_missing_is_named(path: str) -> None:
    """Each field that a body must have is named when it is missing."""
    for field in SOMEONE[path]:
        body = {key: value for key, value in SOMEONE[path].items() if key != field}
        found = refusal(path, json.dumps(body).encode())
        assert (found.param, found.code) == (field, "missing_required_parameter")


NUMBERS: dict[str, tuple[str, dict[str, Any]]] = {
    "schema": (
        "chat/completions",
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"maximum": HUGE}}}]},
    ),
    "format": (
        "chat/completions",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"minimum": -HUGE}}}},
    ),
    "template": ("chat/completions", {"chat_template_kwargs": {"budget": HUGE}}),
    "items": ("responses", {"input": [{"role": "user", "content": "x", "n": HUGE}]}),
    "text": ("responses", {"text": {"n": HUGE}}),
    "blocks": ("messages", {"messages": [{"role": "user", "content": [{"n": HUGE}]}]}),
    "metadata": ("messages", {"metadata": {"n": HUGE}}),
    "thinking": ("messages", {"thinking": {"budget_tokens": HUGE}}),
}


@pytest.mark.parametrize(("path", "fields"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_that_nobody_can_write_down(path: str, fields: dict[str, Any]) -> None:
    """A number beyond 64 bits where any JSON may stand is refused or passed on, and is no mistake of ours."""
    found = outcome(path, json.dumps({**SOMEONE[path], **fields}).encode())
    assert found.status == 400 if isinstance(found, Refusal) else found["model"] == "s"


MANY: dict[str, tuple[str, bytes]] = {
    "prompt-texts": ("completions", b'"prompt":[' + b",".join([b'""'] * 100_000) + b"]"),
    "prompt-mixed": ("completions", b'"prompt":[1,' + b",".join([b'""'] * 100_000) + b"]"),
    "prompt-objects": ("completions", b'"prompt":[' + b",".join([b"{}"] * 100_000) + b"]"),
    "inputs": ("embeddings", b'"input":[' + b",".join([b'[""]'] * 100_000) + b"]"),
    "input-tokens": ("embeddings", b'"input":[[' + b",".join([b'""'] * 100_000) + b"]]"),
    "fields": ("chat/completions", b",".join(b'"f%d":1' % i for i in range(100_000))),
    "messages": ("chat/completions", b'"messages":[' + b",".join([b"{}"] * 100_000) + b"]"),
    "parts": ("chat/completions", b'"messages":[{"role":"user","content":[' + b",".join([b"{}"] * 100_000) + b"]}]"),
    "message-fields": (
        "chat/completions",
        b'"messages":[{"role":"user",' + b",".join(b'"f%d":1' % i for i in range(100_000)) + b"}]",
    ),
    "bias": ("chat/completions", b'"logit_bias":{' + b",".join(b'"f%d":1' % i for i in range(100_000)) + b"}"),
    "metadata": ("chat/completions", b'"metadata":{' + b",".join(b'"f%d":1' % i for i in range(100_000)) + b"}"),
    "stop-tokens": ("chat/completions", b'"stop_token_ids":[' + b",".join([b'""'] * 100_000) + b"]"),
    "items": ("responses", b'"input":[' + b",".join([b"1"] * 100_000) + b"]"),
    "blocks": ("messages", b'"messages":[{"role":"user","content":[' + b",".join([b"1"] * 100_000) + b"]}]"),
    "system": ("messages", b'"system":[' + b",".join([b"1"] * 100_000) + b"]"),
}


@pytest.mark.parametrize(("path", "fields"), MANY.values(), ids=MANY)
def test_a_hundred_thousand_mistakes(path: str, fields: bytes) -> None:
    """A body full of mistakes is refused without spelling out all of them, which would take seconds and gigabytes."""
    body = b'{"model":"s",' + fields + b"}"
    plain = peak(lambda: orjson.loads(body))
    assert peak(lambda: refusal(path, body)) < 4 * plain


def peak(work: Callable[[], object]) -> int:
    """The most bytes that Python held while it did this."""
    tracemalloc.start()
    try:
        assert work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted({name for endpoint in ENDPOINTS.values() for name in endpoint.body.json_schema()["properties"]})


@given(
    st.sampled_from(sorted(SOMEONE)), st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), values, max_size=4)
)
def test_any_field_any_value(path: str, fields: dict[str, Any]) -> None:
    """Whatever stands in whichever field, a body is accepted or refused with a 400; nothing else happens."""
    found = outcome(path, json.dumps({**SOMEONE[path], **fields}).encode())
    assert found.status == 400 if isinstance(found, Refusal) else found["model"]


@given(st.sampled_from(sorted(SOMEONE)), st.binary(max_size=64))
def test_any_bytes(path: str, body: bytes) -> None:
    """No bytes are a mistake of ours."""
    assert refusal(path, body).status == 400


def test_the_last_of_two_keys_is_what_the_engine_gets() -> None:
    """A key that is there twice cannot mean one thing to the gateway and another to the engine."""
    body = b'{"model":"s","n":1000000,"n":2,"messages":[{"role":"user","content":"x","content":"y"}]}'
    request = accepted("chat/completions", body)
    assert (request["n"], request["messages"]) == (2, [{"role": "user", "content": "y"}])


@pytest.mark.parametrize("depth", [240, 249, 250], ids=str)
def test_the_deepest_that_a_fleet_file_allows(depth: int) -> None:
    """However deep the fleet file allows, what is accepted can be written again for the engine."""
    written = orjson.dumps(parse(ENDPOINTS["/v1/chat/completions"], nested(depth - 1), Limits(depth=250)))
    assert depth_of(written) == depth
