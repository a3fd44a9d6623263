"""Errors in the shape that each client library parses."""

from __future__ import annotations

import json

import pytest

from router.wire.errors import Dialect, Refusal, error_body, error_event

TYPES: dict[str, tuple[int, Dialect, str]] = {
    "openai-400": (400, Dialect.OPENAI, "invalid_request_error"),
    "openai-404": (404, Dialect.OPENAI, "not_found_error"),
    "openai-429": (429, Dialect.OPENAI, "rate_limit_error"),
    "openai-502": (502, Dialect.OPENAI, "api_error"),
    "responses-400": (400, Dialect.RESPONSES, "invalid_request_error"),
    "anthropic-400": (400, Dialect.ANTHROPIC, "invalid_request_error"),
    "anthropic-413": (413, Dialect.ANTHROPIC, "request_too_large"),
    "anthropic-429": (429, Dialect.ANTHROPIC, "rate_limit_error"),
    "anthropic-503": (503, Dialect.ANTHROPIC, "overloaded_error"),
    "anthropic-504": (504, Dialect.ANTHROPIC, "api_error"),
}


@pytest.mark.parametrize(("status", "dialect", "expected"), TYPES.values(), ids=TYPES)
def test_type_by_status(status: int, dialect: Dialect, expected: str) -> None:
    """The error's type is the one that the API's own documentation has for the status."""
    body = json.loads(error_body(Refusal(status, "no", param="n", code="c"), dialect))
    if dialect is Dialect.ANTHROPIC:
        assert body == {"type": "error", "error": {"type": expected, "message": "no"}}
    else:
        assert body == {"error": {"message": "no", "type": expected, "param": "n", "code": "c"}}


@pytest.mark.parametrize("dialect", Dialect, ids=str)
def test_the_event_of_an_error_is_one_event(dialect: Dialect) -> None:
    """Whatever the message holds, the event is two lines and an empty one, and its data is JSON."""
    lines = error_event('a\n\ndata: [DONE]\n\n"', "code", dialect).decode().split("\n")
    assert (lines[0], len(lines), lines[2:]) == ("event: error", 4, ["", ""])
    payload = json.loads(lines[1].removeprefix("data: "))
    assert 'a\n\ndata: [DONE]\n\n"' in (payload.get("message"), payload.get("error", {}).get("message"))
