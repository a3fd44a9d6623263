"""The allow-list: what official clients send passes, what only an engine should be told does not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from cluster.spec import Limits
from router.decide.features import understand
from router.wire.endpoints import ENDPOINTS
from router.wire.errors import Refusal
from router.wire.parse import parse
from tests.router.wire.test_parse import SOMEONE


def accepted(path: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """What the gateway makes of a body."""
    endpoint = ENDPOINTS[f"/v1/{path}"]
    request = parse(endpoint, orjson.dumps({**SOMEONE[path], **fields}), Limits())
    understand(endpoint, request)
    return request


DANGEROUS = (
    "chat_template",
    "cache_salt",
    "kv_transfer_params",
    "mm_processor_kwargs",
    "guided_json",
    "guided_regex",
    "guided_grammar",
    "guided_decoding_backend",
    "structured_outputs",
    "documents",
    "add_generation_prompt",
    "continue_final_message",
    "echo_prompt",
    "logits_processors",
    "allowed_token_ids",
    "bad_words",
    "prompt_logprobs",
    "prompt_embeds",
    "truncate_prompt_tokens",
    "priority",
    "request_id",
    "return_token_ids",
    "return_tokens_as_token_ids",
    "vllm_xargs",
    "include_stop_str_in_output",
    "spaces_between_special_tokens",
    "data_parallel_rank",
    "bootstrap_host",
    "lora_path",
    "api_base",
    "api_key",
    "base_url",
    "extra_body",
    "__proto__",
    "model ",
    "Model",
)


@pytest.mark.parametrize("field", DANGEROUS, ids=str)
@pytest.mark.parametrize("path", SOMEONE, ids=str)
def test_engines_own_fields_are_refused(path: str, field: str) -> None:
    """No field that would let a caller steer the engine itself reaches it; null is no way around."""
    for value in ("x", {"a": 1}, None):
        with pytest.raises(Refusal) as caught:
            accepted(path, **{field: value})
        assert (caught.value.param, caught.value.code) == (field, "unknown_parameter")


RENDERERS = ("chat_template", "tokenize", "return_dict", "return_tensors", "padding", "truncation", "max_length")


@pytest.mark.parametrize("name", RENDERERS, ids=str)
def test_template_arguments_do_not_reach_the_renderer(name: str) -> None:
    """``chat_template_kwargs`` are for the template; the names of the renderer's own arguments are refused."""
    with pytest.raises(Refusal) as caught:
        accepted("chat/completions", chat_template_kwargs={"enable_thinking": False, name: True})
    assert caught.value.param
    assert caught.value.param.startswith("chat_template_kwargs")


NESTED: dict[str, tuple[str, dict[str, Any]]] = {
    "message": ("chat/completions", {"messages": [{"role": "user", "content": "x", "chat_template": "{{ 1 }}"}]}),
    "part": (
        "chat/completions",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_salt": "y"}]}]},
    ),
    "tool": ("chat/completions", {"tools": [{"type": "function", "function": {"name": "f"}, "url": "http://x"}]}),
    "function": ("chat/completions", {"tools": [{"type": "function", "function": {"name": "f", "code": "x"}}]}),
    "format": ("chat/completions", {"response_format": {"type": "json_object", "backend": "x"}}),
    "anthropic": ("messages", {"messages": [{"role": "user", "content": "x", "cache_salt": "y"}]}),
}


@pytest.mark.parametrize(("path", "fields"), NESTED.values(), ids=NESTED)
def test_nothing_rides_along_inside(path: str, fields: dict[str, Any]) -> None:
    """Unknown fields are refused inside of messages, parts and tools as well."""
    with pytest.raises(Refusal) as caught:
        accepted(path, **fields)
    assert caught.value.code == "unknown_parameter"


PICTURE = "data:image/png;base64,iVBORw0KGgo="
ADDRESSES = {
    "http": "http://169.254.169.254/latest",
    "https": "https://example.com/x.png",
    "file": "file:///etc/passwd",
    "bare": "//example.com/x.png",
    "upper": "HTTP://example.com/",
    "space": " http://example.com/",
    "data-text": "data:text/html;base64,AAAA",
    "data-then-http": "data:image/png,http://example.com",
    "empty": "",
}


@pytest.mark.parametrize("url", ADDRESSES.values(), ids=ADDRESSES)
def test_no_engine_fetches_a_picture(url: str) -> None:
    """A picture comes inside of the request; an address of one is refused."""
    part = {"type": "image_url", "image_url": {"url": url}}
    with pytest.raises(Refusal) as caught:
        accepted("chat/completions", messages=[{"role": "user", "content": [part]}])
    assert caught.value.param == "messages.0.content.0.image_url.url"


HTTP = "http://169.254.169.254/"
FETCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "responses-image": (
        "responses",
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": HTTP}]}]},
    ),
    "responses-image-object": (
        "responses",
        {"input": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": HTTP}}]}]},
    ),
    "responses-video": (
        "responses",
        {"input": [{"role": "user", "content": [{"type": "video_url", "video_url": HTTP}]}]},
    ),
    "responses-audio": (
        "responses",
        {"input": [{"role": "user", "content": [{"type": "audio_url", "audio_url": HTTP}]}]},
    ),
    "responses-file": (
        "responses",
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": HTTP}]}]},
    ),
    "responses-mcp": ("responses", {"tools": [{"type": "mcp", "server_label": "x", "server_url": HTTP}]}),
    "responses-list": (
        "responses",
        {"input": [{"role": "user", "content": [{"type": "image_url", "image_url": [HTTP]}]}]},
    ),
    "messages-image": (
        "messages",
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": HTTP}}]}]},
    ),
    "messages-document": (
        "messages",
        {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": HTTP}}]}]},
    ),
    "messages-result": (
        "messages",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [{"type": "image", "source": {"type": "url", "url": HTTP}}],
                        },
                    ],
                },
            ],
        },
    ),
    "messages-system": ("messages", {"system": [{"type": "image", "source": {"type": "url", "url": HTTP}}]}),
}


@pytest.mark.parametrize(("path", "fields"), FETCHES.values(), ids=FETCHES)
def test_no_engine_fetches_anything(path: str, fields: dict[str, Any]) -> None:
    """Nothing in the looser APIs makes an engine open an address either."""
    with pytest.raises(Refusal) as caught:
        accepted(path, **fields)
    assert caught.value.param


MENTIONED: dict[str, tuple[str, dict[str, Any]]] = {
    "chat-arguments": (
        "chat/completions",
        {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "id": "t",
                            "type": "function",
                            "function": {"name": "get", "arguments": f'{{"url":"{HTTP}"}}'},
                        },
                    ],
                },
                {"role": "tool", "tool_call_id": "t", "content": "found"},
            ],
        },
    ),
    "messages-tool-use": (
        "messages",
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t", "name": "fetch", "input": {"url": HTTP}}],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "found"}]},
            ],
        },
    ),
    "responses-citation": (
        "responses",
        {
            "input": [
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [
                        {
                            "type": "output_text",
                            "text": "See there.",
                            "annotations": [{"type": "url_citation", "url": HTTP, "title": "x"}],
                        },
                    ],
                },
                {"role": "user", "content": "And now?"},
            ],
        },
    ),
    "messages-schema": (
        "messages",
        {
            "tools": [
                {
                    "name": "fetch",
                    "input_schema": {
                        "type": "object",
                        "properties": {"url": {"type": "string", "default": HTTP}},
                        "required": ["url"],
                    },
                },
            ],
        },
    ),
}


@pytest.mark.parametrize(("path", "fields"), MENTIONED.values(), ids=MENTIONED)
def test_an_address_may_be_talked_about(path: str, fields: dict[str, Any]) -> None:
    """An address that no engine would open, such as a tool's argument, is part of the conversation."""
    assert accepted(path, **fields)["model"] == "s"


CLIENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "nulls": ("chat/completions", {"n": None, "stop": None, "tools": None, "stream": None, "max_tokens": None}),
    "integer-temperature": ("chat/completions", {"temperature": 0, "top_p": 1}),
    "developer": (
        "chat/completions",
        {"messages": [{"role": "developer", "content": [{"type": "text", "text": "x"}]}]},
    ),
    "picture": (
        "chat/completions",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}]},
    ),
    "echoed-answer": (
        "chat/completions",
        {
            "messages": [
                {"role": "user", "content": "x"},
                {
                    "role": "assistant",
                    "content": None,
                    "refusal": None,
                    "annotations": [],
                    "audio": None,
                    "function_call": None,
                    "tool_calls": [
                        {"id": "t", "index": 0, "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    ],
                },
                {"role": "tool", "tool_call_id": "t", "content": "5"},
            ],
        },
    ),
    "tool-choice": (
        "chat/completions",
        {
            "tools": [
                {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
            ],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": False,
        },
    ),
    "schema": (
        "chat/completions",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}}},
    ),
    "prompts": ("completions", {"prompt": ["a", "b"], "suffix": None, "echo": False, "logprobs": 0}),
    "tokens": ("completions", {"prompt": [1, 2, 3]}),
    "token-lists": ("embeddings", {"input": [[1, 2], [3]], "encoding_format": "base64"}),
    "instructions": ("responses", {"instructions": "Be brief.", "store": False, "text": {"format": {"type": "text"}}}),
    "cache-control": (
        "messages",
        {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}], "stop_sequences": ["a"]},
    ),
}


@pytest.mark.parametrize(("path", "fields"), CLIENTS.values(), ids=CLIENTS)
def test_what_clients_send_passes_unchanged(path: str, fields: dict[str, Any]) -> None:
    """What the official clients send reaches the engine as it was."""
    assert accepted(path, **fields) == {**SOMEONE[path], **fields}
