"""Bytes → a checked request; whatever is wrong with a body becomes a refusal that names the field.

What comes out is written anew for the engine, never forwarded as it came, so that duplicate keys, odd escapes and the
like cannot mean one thing here and another there.
"""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cluster.spec import Limits
from router.wire.endpoints import Endpoint
from router.wire.errors import Refusal

Request = dict[str, Any]

_SHOWN = 200
_TOLD = 100
"""A body with more mistakes than this is not worth explaining: spelling out millions would stop the gateway."""


def parse(endpoint: Endpoint, body: bytes, limits: Limits) -> Request:
    """Parse and check a body.

    Raises:
        Refusal: 400; the JSON is broken, nested too deep, or a field is unknown, missing, or out of its range.

    """
    value = read_json(body, limits)
    try:
        request: Request = endpoint.body.validate_python(value)
    except ValidationError as exc:
        raise _refusal(exc, value) from None
    if (request.get("n") or 1) > limits.choices or (request.get("best_of") or 1) > limits.choices:
        param = "n" if (request.get("n") or 1) > limits.choices else "best_of"
        msg = f"{param}: at most {limits.choices} answers to one request."
        raise Refusal(400, msg, param=param, code="value_above_maximum")
    return request


def read_json(body: bytes, limits: Limits) -> object:
    """The body's JSON, of any shape; numbers beyond 64 bits come out as floats, so that all of it can be written again.

    Raises:
        Refusal: 400; it is broken, or nested too deep.

    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        if "depth limit" in exc.msg:
            raise _too_deep(limits.depth) from None
        raise Refusal(400, f"The body is not valid JSON: {exc}", code="invalid_json") from None
    if body.count(b"{") + body.count(b"[") > limits.depth:
        _check_depth(value, limits.depth)
    return value


def _check_depth(value: object, limit: int) -> None:
    """Walk what was parsed, level by level; the parser itself stops far before the stack would."""
    level: list[Any] = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise _too_deep(limit)


def _too_deep(limit: int) -> Refusal:
    return Refusal(400, f"The body is nested over {limit} deep.", code="nesting_too_deep")


def _refusal(error: ValidationError, value: object) -> Refusal:
    """The problem that lies deepest (so of the branch that the caller meant), in the words of OpenAI's errors."""
    if error.error_count() > _TOLD:
        return Refusal(400, f"The body has {error.error_count()} mistakes.", code="invalid_value")
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    problem = max(problems, key=_depth)
    param = _field(problem["loc"], value, missing=problem["type"] == "missing")[:_SHOWN]
    if problem["type"] == "extra_forbidden":
        return Refusal(400, f"Unrecognized request argument: {param}", param=param, code="unknown_parameter")
    if problem["type"] == "missing":
        return Refusal(400, f"Missing required parameter: {param}", param=param, code="missing_required_parameter")
    message = f"{param}: {problem['msg']}" if param else "The body must be a JSON object."
    return Refusal(400, message[: 2 * _SHOWN], param=param or None, code="invalid_value")


def _depth(problem: ErrorDetails) -> tuple[bool, int, list[int]]:
    """How far a branch got before it found the problem; one that only found a list too long got through all of it."""
    path = problem["loc"]
    return problem["type"] == "too_long", len(path), [step for step in path if isinstance(step, int)]


def _field(path: tuple[int | str, ...], value: object, *, missing: bool) -> str:
    """A path of pydantic's without the steps that name a branch of a union: those are not in the body."""
    named: list[str] = []
    for position, step in enumerate(path):
        inside = step in value if isinstance(value, dict) else isinstance(value, list) and isinstance(step, int)
        if inside:
            value = value[step]  # type: ignore[index] # a mapping's key or a list's index, as just seen
        elif not missing or position < len(path) - 1:
            continue
        named.append(str(step))
    return ".".join(named)
