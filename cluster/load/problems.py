"""What pydantic found wrong with a file's values → problems with a line, a dotted field and a way out."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from cluster.errors import Problem
from cluster.load.hints import fields_at, meant, similar
from cluster.load.text import Text
from cluster.spec.base import NAME_PATTERN, FieldPath, MisfitError, dotted
from cluster.spec.fleet import Fleet, misnamed
from cluster.spec.models import BUILTIN_SOURCES

_SHOWN = 60
"""Characters of a wrong value that a message repeats."""
_NAME_RULE = "a name starts with a letter or a digit, then come letters, digits, '.', '_' or '-', up to 63 in all"


def explain(error: ValidationError, text: Text) -> Iterator[Problem]:
    """Every problem that ``error`` carries, and the wrong names that pydantic did not come to look at."""
    models, tiers = _names(text.value)
    unreadable = {problem.field for problem in text.problems}
    for detail in error.errors(include_url=False):
        path = tuple(step for step in detail["loc"] if step != "[key]")
        misfit = (detail.get("ctx") or {}).get("error")
        if isinstance(misfit, MisfitError):
            for below, message in misfit.misfits:
                yield _problem(text, (*path, *below), message, _other_name(text, (*path, *below), models))
        elif dotted(path) not in unreadable:
            yield _problem(text, path, *_words(detail, path))
    for path, message in misnamed(models, tiers):
        yield _problem(text, path, message, _other_name(text, path, models))


def _problem(text: Text, path: FieldPath, message: str, suggestion: str) -> Problem:
    return Problem(text.file, text.line(path), dotted(path), message, suggestion)


def _names(value: JsonValue) -> tuple[list[str], dict[str, list[str]]]:
    """The names of the models and of those in tiers, as far as the raw values have their shape."""
    fleet = value if isinstance(value, dict) else {}
    models, tiers = fleet.get("models"), fleet.get("tiers")
    if not isinstance(models, dict) or not isinstance(tiers, dict):
        return [], {}
    listed = {tier: [str(name) for name in names] for tier, names in tiers.items() if isinstance(names, list)}
    return list(models), listed


def _other_name(text: Text, path: FieldPath, models: list[str]) -> str:
    """For a name that names nothing: the one that was probably meant."""
    name = _at(text.value, path)
    if isinstance(name, str) and path[:1] == ("tiers",) and name not in models:
        return meant(name, models)
    if isinstance(name, str) and name.startswith("builtin:"):
        return meant(name, BUILTIN_SOURCES)
    return ""


def _at(value: JsonValue, path: FieldPath) -> JsonValue:
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
    return value


def _words(detail: ErrorDetails, path: FieldPath) -> tuple[str, str]:
    """Message and suggestion for what pydantic found."""
    context = detail.get("ctx") or {}
    match detail["type"]:
        case "extra_forbidden":
            return "unknown field", _other_field(path)
        case "missing":
            return "is missing", f"add {path[-1]}:" if path else ""
        case "enum":
            expected = str(context["expected"])
            near = similar(str(detail["input"]), expected.replace(" or ", ", ").replace("'", "").split(", "))
            return f"is {_shown(detail)}, should be {expected}", f"did you mean {near!r}?" if near else ""
        case "string_pattern_mismatch" if context["pattern"] == NAME_PATTERN:
            return f"is {_shown(detail)}", _NAME_RULE
        case "string_type" if isinstance(detail["input"], (bool, int, float)):
            return f"should be a text, is {_shown(detail)}", "write it in quotes"
        case "int_type" | "float_type" if isinstance(detail["input"], str):
            return f"should be a number, is {_shown(detail)}", "write it without quotes and units"
        case "model_type" | "dict_type":
            return f"should hold fields, is {_shown(detail)}", ""
        case "too_short":
            return "is empty", f"add at least {context['min_length']}"
        case "json_invalid":
            return detail["msg"], ""
    return detail["msg"].replace("Input should", f"is {_shown(detail)}, should", 1), ""


def _other_field(path: FieldPath) -> str:
    known = fields_at(Fleet, path[:-1])
    return meant(str(path[-1]), known) if known else "this part has no fields yet"


def _shown(detail: ErrorDetails) -> str:
    value = detail["input"]
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    shown = "empty" if value is None else repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
