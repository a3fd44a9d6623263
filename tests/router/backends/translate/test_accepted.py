"""Whatever the gateway accepts as a chat request can be put to the Messages API, or is refused by name."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from router.backends.translate.blocks import UntranslatableError
from router.backends.translate.marks import marked
from router.backends.translate.request import to_chat, to_messages
from router.wire.endpoints import ENDPOINTS
from tests.router.backends.translate.talk import Json

ENDPOINT = ENDPOINTS["/v1/chat/completions"]
TEXT = st.text(max_size=4)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Null is accepted wherever a field may be missing."""
    return st.none() | strategy


def fields(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[Json]:  # noqa: ANN401 - strategies
    """An object."""
    return st.fixed_dictionaries(required, optional=optional)


PART = st.one_of(
    fields({"type": st.just("text"), "text": TEXT}),
    fields({"type": st.just("refusal"), "refusal": TEXT}),
    st.sampled_from(["png", "bmp"]).map(
        lambda kind: {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,aa"}}
    ),
)
ARGUMENTS = st.sampled_from(["", "{}", "[1]", "null", "x", '{"a":1e999}', '{"a":NaN}', '{"raw_arguments":1}'])
CALL = fields({"function": fields({"name": TEXT, "arguments": ARGUMENTS})}, id=maybe(TEXT), more=TEXT)
MESSAGE = fields(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"])},
    content=maybe(TEXT | st.lists(PART, max_size=3)),
    name=TEXT,
    tool_call_id=maybe(TEXT),
    tool_calls=maybe(st.lists(CALL, max_size=2)),
    function_call=maybe(fields({"name": TEXT, "arguments": ARGUMENTS})),
    refusal=maybe(TEXT),
)
SCHEMA = st.recursive(
    st.none() | st.booleans() | TEXT,
    lambda inner: st.dictionaries(st.sampled_from(["type", "properties", "additionalProperties", "items"]), inner),
    max_leaves=5,
).filter(lambda found: isinstance(found, dict))
FUNCTION = fields({"name": st.sampled_from(["a", "a.b"])}, description=maybe(TEXT), parameters=maybe(SCHEMA))
NAMED = {"type": "function", "function": {"name": "a"}}
JSON_SCHEMA = fields({"name": TEXT}, schema=maybe(SCHEMA)).map(lambda one: {"type": "json_schema", "json_schema": one})
REQUEST = fields(
    {"model": st.just("m"), "messages": st.lists(MESSAGE, min_size=1, max_size=4)},
    tools=maybe(st.lists(FUNCTION.map(lambda one: {"type": "function", "function": one}), max_size=2)),
    tool_choice=maybe(st.sampled_from(["none", "auto", "required", NAMED])),
    parallel_tool_calls=maybe(st.booleans()),
    stop=maybe(TEXT | st.lists(TEXT, max_size=2)),
    temperature=maybe(st.floats(0, 2)),
    top_p=maybe(st.floats(0, 1)),
    top_k=maybe(st.integers(-1, 5)),
    n=maybe(st.integers(1, 2)),
    response_format=maybe(st.sampled_from([{"type": "text"}, {"type": "json_object"}]) | JSON_SCHEMA),
)


def translated(request: Json) -> Json | str:
    """The Messages request, or the field for which there is none."""
    try:
        return to_messages(request, 10)
    except UntranslatableError as error:
        return error.param


@settings(max_examples=300)
@given(REQUEST)
def test_translates_or_says_why_not(request: Json) -> None:
    """No accepted request makes the translation fail in another way, there or back."""
    put = translated(ENDPOINT.body.validate_python(request))
    if isinstance(put, str):
        assert put in {"messages", "tools", "stop", "n"}
        return
    assert orjson.loads(orjson.dumps(marked(put)))["max_tokens"] == 10
    assert to_chat(put)["max_tokens"] == 10
