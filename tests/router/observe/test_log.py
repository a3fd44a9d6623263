"""Log lines: one JSON object each, whatever is logged, and never what somebody said."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

import pytest

from router.observe.events import Finished, TargetFailed
from router.observe.log import JsonLog

CANARY = "CANARY-3f9a"


def written(out: io.BytesIO) -> list[dict[str, Any]]:
    """Every line, as JSON."""
    return [json.loads(line) for line in out.getvalue().splitlines()]


def record(message: str, *arguments: object, failure: BaseException | None = None) -> logging.LogRecord:
    """A record of the standard library's."""
    trace = (type(failure), failure, failure.__traceback__) if failure else None
    return logging.LogRecord("x", logging.ERROR, "file", 1, message, arguments, trace)


def test_a_request() -> None:
    """A finished request is one line with its id, its ending and its tokens."""
    out = io.BytesIO()
    JsonLog(out)(Finished("req_1", "chat", 10.0, model="s", status=200, outcome="complete", last_byte=10.5))
    (line,) = written(out)
    assert (line["event"], line["request_id"], line["outcome"], line["total_ms"]) == (
        "request",
        "req_1",
        "complete",
        500,
    )


def test_a_failed_target() -> None:
    """A failed attempt is one line with the request's id and the cause."""
    out = io.BytesIO()
    JsonLog(out)(TargetFailed("req_1", "s", "cut", "connection lost", retried=True))
    (line,) = written(out)
    assert (line["request_id"], line["model"], line["cause"], line["retried"]) == ("req_1", "s", "cut", True)


def test_an_exception_is_named_without_its_words() -> None:
    """An exception's message may quote a prompt; its type and its place are logged, its words are not."""
    out = io.BytesIO()
    with pytest.raises(ValueError, match=CANARY) as caught:
        int(CANARY)
    JsonLog(out).record(record("it broke", failure=caught.value))
    (line,) = written(out)
    assert line["exception"] == "ValueError"
    assert line["at"].startswith(__file__)
    assert CANARY not in out.getvalue().decode()


@pytest.mark.parametrize(
    "message",
    ["line\nbreak", 'quote " and \\', "\x00\x1b[31m", "Grüße 👍", "\u2028", "x" * 10_000],
    ids=["newline", "quote", "control", "unicode", "separator", "long"],
)
def test_one_line_whatever_is_said(message: str) -> None:
    """No message breaks the line, or makes it longer than anyone reads."""
    out = io.BytesIO()
    JsonLog(out).record(record("%s", message))
    assert out.getvalue().count(b"\n") == 1
    assert len(out.getvalue()) < 3000
    assert written(out)[0]["level"] == "error"


def test_text_that_is_no_unicode() -> None:
    """Half of a surrogate pair, as in a file name, does not stop the log."""
    out = io.BytesIO()
    log = JsonLog(out)
    log.record(record("%s", "bad \udc80 name"))
    log.record(record("good"))
    assert written(out)[-1]["message"] == "good"


def test_a_record_with_wrong_arguments() -> None:
    """A library's own mistake in logging is not ours to fall over."""
    out = io.BytesIO()
    log = JsonLog(out)
    log.record(record("%d %d", "x"))
    log.record(record("good"))
    assert written(out)[-1]["message"] == "good"


def test_nothing_else_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The filter takes a record away from its handler."""
    out = io.BytesIO()
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(JsonLog(out).record)
    handler.handle(record("said once"))
    assert capsys.readouterr().err == ""
    assert written(out)[0]["message"] == "said once"
