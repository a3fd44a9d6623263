"""Why an engine did not start, in one line: out of pages of nested tracebacks, the error that caused the others."""

from __future__ import annotations

import re

ERROR = re.compile(r"^(?:.*[\s.])?(?P<name>[A-Z]\w*(?:Error|Exception)): (?P<text>.+)$")
CONSEQUENCES = ("Engine core init", "WorkerProc init", "The actor", "ray::", "Traceback")
LONGEST = 300


def cause(log: str, status: str) -> str:
    """The first error in the engine's log that is not the consequence of another, else that in Serve's status.

    Both may be empty: then whatever was said last.
    """
    for text in (log, status):
        lines = text.splitlines()
        for number, line in enumerate(lines):
            found = ERROR.match(line)
            if found and not found["text"].startswith(CONSEQUENCES):
                return _shorten(_explained(found, lines[number + 1 :]))
    said = [line.strip() for line in (log + "\n" + status).splitlines() if line.strip()]
    return _shorten(said[-1]) if said else "its process ended without a word; was it out of memory?"


def _explained(found: re.Match[str], following: list[str]) -> str:
    """Pydantic says in the next lines what is wrong."""
    if found["name"] != "ValidationError":
        return found["text"] if found["name"] in {"ValueError", "RuntimeError"} else f"{found['name']}: {found['text']}"
    details = [re.sub(r"^.*?(Value error, |$)", "", line) or line.strip() for line in following[:2]]
    return next((line for line in details if "error," not in line and " " in line), found["text"])


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
