"""What a named route adds to a request, in each API's own words; what the caller set stays."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.spec import Route
from router.decide.roles import dressed
from router.wire.endpoints import ENDPOINTS

ROUTE = Route(model="m", adapter="a", system="Rhyme.", temperature=1.5, top_p=0.5, max_tokens=7, stop=("END",))
USER = {"role": "user", "content": "Hi"}
SHAPED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "chat": (
        "/v1/chat/completions",
        {"messages": [USER]},
        {
            "messages": [{"role": "system", "content": "Rhyme."}, USER],
            "temperature": 1.5,
            "top_p": 0.5,
            "max_completion_tokens": 7,
            "stop": ["END"],
        },
    ),
    "chat-in-parts": (
        "/v1/chat/completions",
        {"messages": [{"role": "developer", "content": [{"type": "text", "text": "Be brief."}]}], "max_tokens": 3},
        {
            "messages": [
                {
                    "role": "developer",
                    "content": [{"type": "text", "text": "Rhyme."}, {"type": "text", "text": "Be brief."}],
                }
            ],
            "temperature": 1.5,
            "top_p": 0.5,
            "max_tokens": 3,
            "stop": ["END"],
        },
    ),
    "messages": (
        "/v1/messages",
        {"messages": [USER], "system": "Be brief.", "max_tokens": 3},
        {
            "messages": [USER],
            "system": "Rhyme.\n\nBe brief.",
            "max_tokens": 3,
            "temperature": 1.0,
            "top_p": 0.5,
            "stop_sequences": ["END"],
        },
    ),
    "messages-in-blocks": (
        "/v1/messages",
        {"messages": [USER], "system": [{"type": "text", "text": "x"}], "max_tokens": 3, "temperature": 0, "top_p": 1},
        {
            "messages": [USER],
            "system": [{"type": "text", "text": "Rhyme."}, {"type": "text", "text": "x"}],
            "max_tokens": 3,
            "temperature": 0,
            "top_p": 1,
            "stop_sequences": ["END"],
        },
    ),
    "responses": (
        "/v1/responses",
        {"input": "Hi"},
        {"input": "Hi", "instructions": "Rhyme.", "temperature": 1.5, "top_p": 0.5, "max_output_tokens": 7},
    ),
    "embeddings": ("/v1/embeddings", {"input": "Hi"}, {"input": "Hi"}),
}


@pytest.mark.parametrize(("path", "body", "expected"), SHAPED.values(), ids=SHAPED)
def test_what_a_route_adds(path: str, body: dict[str, Any], expected: dict[str, Any]) -> None:
    """And the adapter as the model; the caller's own request is left as it was."""
    before = repr(body)
    assert dressed(ENDPOINTS[path], {"model": "role", **body}, ROUTE) == {"model": "a", **expected}
    assert repr(body) == before
