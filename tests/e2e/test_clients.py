"""The official ``openai`` and ``anthropic`` clients, as an application would use them, to real engines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.e2e.fleet import Fleet

HELLO: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Hello, who are you?"}]
WRITERS = ("auto", "small", "large", "tiny-small", "tiny-large")
WEATHER: openai.types.chat.ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather at a place",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


@pytest.fixture(scope="module")
def client(fleet: Fleet) -> Iterator[openai.OpenAI]:
    """OpenAI's client, pointed at the fleet."""
    with openai.OpenAI(base_url=f"{fleet.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def claude(fleet: Fleet) -> Iterator[anthropic.Anthropic]:
    """Anthropic's client, pointed at the fleet."""
    with anthropic.Anthropic(base_url=fleet.url, api_key="none", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", WRITERS)
def test_chat_whole(client: openai.OpenAI, model: str) -> None:
    """A model, a tier and auto all answer, and the headers say who it was and why."""
    raw = client.chat.completions.with_raw_response.create(model=model, messages=HELLO, max_tokens=8)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8
    named = {"small": "tiny-small", "large": "tiny-large", "auto": "tiny-small"}
    assert raw.headers["x-freehold-model"] == named.get(model, model)
    assert raw.headers["x-freehold-tier"] in {"small", "large"}
    assert raw.headers["x-freehold-reason"]
    assert raw.headers["x-request-id"]


@pytest.mark.parametrize("asked", [True, False], ids=["usage asked for", "usage not asked for"])
def test_chat_streamed(client: openai.OpenAI, asked: bool) -> None:
    """Chunks arrive one by one, and the usage only reaches a client that asked for it."""
    with client.chat.completions.create(
        model="auto", messages=HELLO, max_tokens=12, stream=True, stream_options={"include_usage": asked}
    ) as stream:
        chunks = list(stream)
    pieces = [choice.delta.content for chunk in chunks for choice in chunk.choices]
    assert "".join(filter(None, pieces))
    assert len(chunks) > 5
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == ([12] if asked else [])


def test_completions(client: openai.OpenAI) -> None:
    """The older endpoint, whole and streamed, says the same at temperature 0."""
    whole = client.completions.create(model="small", prompt="Once upon", max_tokens=8, temperature=0)
    with client.completions.create(
        model="small", prompt="Once upon", max_tokens=8, temperature=0, stream=True
    ) as stream:
        streamed = "".join(chunk.choices[0].text for chunk in stream if chunk.choices)
    assert whole.choices[0].text == streamed != ""


def cosine(one: list[float], other: list[float]) -> float:
    """How alike two directions are."""
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / (math.hypot(*one) * math.hypot(*other))


def test_embeddings_mean_something(client: openai.OpenAI) -> None:
    """MiniLM is real: what means the same is near, what does not is far."""
    texts = ["A man is eating food.", "Someone has a meal.", "The stock market fell sharply on Monday."]
    food, meal, market = (each.embedding for each in client.embeddings.create(model="embedding", input=texts).data)
    assert len(food) == 384
    assert cosine(food, meal) > 0.5 > cosine(food, market)


def test_embeddings_are_the_same_alone(client: openai.OpenAI) -> None:
    """Being batched with others does not change a vector."""
    together = client.embeddings.create(model="minilm", input=["one", "two", "three"]).data[1].embedding
    alone = client.embeddings.create(model="minilm", input="two").data[0].embedding
    assert cosine(together, alone) > 0.999


def test_responses(client: openai.OpenAI) -> None:
    """OpenAI's newer endpoint is relayed to the engine, whole and streamed."""
    answer = client.responses.create(model="small", input="Hello", max_output_tokens=8)
    assert answer.output
    assert answer.usage is not None
    assert answer.usage.output_tokens == 8
    with client.responses.create(model="small", input="Hello", max_output_tokens=8, stream=True) as stream:
        kinds = [event.type for event in stream]
    assert kinds[0] == "response.created"
    assert "response.output_text.delta" in kinds
    assert kinds[-1] in {"response.completed", "response.incomplete"}


def test_messages(claude: anthropic.Anthropic) -> None:
    """Anthropic's endpoint is relayed to the engine, whole and streamed."""
    hello: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Hello"}]
    answer = claude.messages.create(model="large", max_tokens=8, messages=hello)
    assert answer.content[0].type == "text"
    assert answer.usage.output_tokens == 8
    with claude.messages.stream(model="auto", max_tokens=8, messages=hello) as stream:
        text = "".join(stream.text_stream)
        assert text
        assert stream.get_final_message().stop_reason == "max_tokens"


def test_tools_are_accepted(client: openai.OpenAI) -> None:
    """A conversation with tools goes to a model that can, and comes back as an answer or as calls."""
    answer = client.chat.completions.create(model="auto", messages=HELLO, max_tokens=8, tools=[WEATHER])
    assert answer.choices[0].message.content or answer.choices[0].message.tool_calls


def test_a_named_tool_is_called(client: openai.OpenAI) -> None:
    """Told to call a tool, even random weights write arguments that fit its schema."""
    answer = client.chat.completions.create(
        model="small",
        messages=HELLO,
        max_tokens=200,
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "weather"}},
    )
    [call] = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "weather"


def test_a_schema_is_kept(client: openai.OpenAI) -> None:
    """Guided decoding makes even random weights answer in JSON of the schema's form."""
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["good", "bad"]}, "ok": {"type": "boolean"}},
        "required": ["mood", "ok"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="auto",
        messages=HELLO,
        max_tokens=60,
        response_format={"type": "json_schema", "json_schema": {"name": "mood", "schema": schema, "strict": True}},
    )
    said = json.loads(answer.choices[0].message.content or "")
    assert said["mood"] in {"good", "bad"}
    assert isinstance(said["ok"], bool)


def test_models_are_listed(client: openai.OpenAI) -> None:
    """Models, tiers and auto, by the names that the other endpoints take."""
    names = {model.id for model in client.models.list()}
    assert {"auto", "small", "large", "embedding", "tiny-small", "tiny-large", "minilm"} <= names


@pytest.mark.parametrize(
    ("changes", "error", "param"),
    [
        pytest.param({"model": "gpt-5"}, openai.NotFoundError, "model", id="unknown model"),
        pytest.param({"model": "minilm"}, openai.BadRequestError, "model", id="model that cannot write"),
        pytest.param({"max_tokens": 10**9}, openai.BadRequestError, "max_tokens", id="absurd max_tokens"),
        pytest.param({"n": 10**6}, openai.BadRequestError, "n", id="absurd n"),
        pytest.param(
            {"messages": [{"role": "user", "content": "x " * 20000}]}, openai.BadRequestError, None, id="too long"
        ),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    client: openai.OpenAI, changes: dict[str, object], error: type[openai.APIStatusError], param: str | None
) -> None:
    """The client raises its own error class, with the field that is wrong."""
    body: dict[str, object] = {"model": "auto", "messages": HELLO, "max_tokens": 4, **changes}
    with pytest.raises(error) as caught:
        client.post("/chat/completions", body=body, cast_to=object)
    assert param is None or caught.value.param == param
