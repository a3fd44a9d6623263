"""YAML text → plain values and the line of each; the only importer of ``yaml``.

Stricter than YAML: duplicate fields, tags, values that contain themselves and expansion bombs are problems, dates stay
texts. Neighbour: :mod:`cluster.load.problems` checks what the values mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import yaml
from pydantic import JsonValue

from cluster.errors import FleetFileError, Problem
from cluster.spec.base import FieldPath, dotted

MAX_VALUES = 20_000
"""Values in one file once its aliases are expanded; beyond it the file is a bomb, not a fleet."""
MAX_DEPTH = 40
"""Nesting; a fleet needs about 6."""

_YAML = "tag:yaml.org,2002:"
_CONSTRUCTOR = yaml.constructor.SafeConstructor()
_KINDS: dict[str, Callable[[yaml.ScalarNode], JsonValue]] = {
    "null": lambda _: None,
    "bool": _CONSTRUCTOR.construct_yaml_bool,
    "int": _CONSTRUCTOR.construct_yaml_int,
    "float": _CONSTRUCTOR.construct_yaml_float,
    "str": _CONSTRUCTOR.construct_scalar,
}


@dataclass(frozen=True, slots=True)
class Text:
    """What a file says, before it is asked whether that is a fleet."""

    file: str
    value: JsonValue
    lines: dict[FieldPath, int]
    """1-based line of every value, by its path; a field's line is that of its name."""
    problems: tuple[Problem, ...]
    """What is wrong with the text itself although it can be read."""

    def line(self, path: FieldPath) -> int:
        """The line of ``path``, or of the nearest enclosing value that the file has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Loader(yaml.SafeLoader):
    """YAML without dates: ``revision: 2024-01-01`` is a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own class attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag != f"{_YAML}timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_yaml(raw: bytes, file: str) -> Text:
    """Read one YAML document whose top level is a mapping; a text that is none raises FleetFileError."""
    top = compose(_decode(raw, file), file)
    if top is None:
        raise _refused(file, 1, "is empty", "start from fleets/demo.yaml")
    if not isinstance(top, yaml.MappingNode):
        kind = "a list" if isinstance(top, yaml.SequenceNode) else "a single value"
        raise _refused(file, top.start_mark.line + 1, f"holds {kind}, not fields", "start with name: and models:")
    walk = _Walk(file)
    value = walk.value(top, ())
    return Text(file, value, walk.lines, tuple(walk.problems))


def _refused(file: str, line: int, message: str, suggestion: str = "") -> FleetFileError:
    return FleetFileError((Problem(file, line, "", message, suggestion),))


def _decode(raw: bytes, file: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise _refused(file, line, "is not UTF-8 text", "save it as UTF-8") from exc


def compose(text: str, file: str) -> yaml.Node | None:
    """The document's nodes, each with the place in the text where it begins and ends; None for an empty one."""
    try:
        node: yaml.Node | None = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        tab = "indent with spaces" if "\\t" in str(exc.problem) else ""
        raise _refused(file, mark.line + 1 if mark else 1, f"is not YAML: {exc.problem or exc.context}", tab) from exc
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        raise _refused(file, line, f"holds a character that YAML forbids: {exc.character:#x}", "remove it") from exc
    except RecursionError as exc:
        raise _refused(file, 1, "is nested too deeply", f"at most {MAX_DEPTH} levels") from exc
    except (ValueError, OverflowError) as exc:
        raise _refused(file, 1, f"is not YAML: {exc}") from exc
    return node


@dataclass(slots=True)
class _Walk:
    """Visits every value once per place where it stands, aliases expanded."""

    file: str
    lines: dict[FieldPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _open: list[yaml.Node] = field(default_factory=list)
    """The values that enclose the one being visited."""

    def value(self, node: yaml.Node, path: FieldPath) -> JsonValue:
        line = self.lines.setdefault(path, node.start_mark.line + 1)
        if len(self.lines) > MAX_VALUES:
            raise _refused(self.file, line, f"has more than {MAX_VALUES} values", "is an alias repeated too often?")
        if len(path) > MAX_DEPTH:
            raise _refused(self.file, line, "is nested too deeply", f"at most {MAX_DEPTH} levels")
        if any(node is outer for outer in self._open):
            raise _refused(self.file, line, "an alias stands inside the value that it repeats", "write the value out")
        self._open.append(node)
        value = self._inside(node, path)
        self._open.pop()
        return value

    def _inside(self, node: yaml.Node, path: FieldPath) -> JsonValue:
        if node.tag == f"{_YAML}map" and isinstance(node, yaml.MappingNode):
            return {name: self.value(child, (*path, name)) for name, child in self._fields(node, path).items()}
        if node.tag == f"{_YAML}seq" and isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _fields(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, yaml.Node]:
        found: dict[str, yaml.Node] = {}
        merged: dict[str, yaml.Node] = {}
        for key, child in node.value:
            if key.tag == f"{_YAML}merge":
                for other in self._merged(child, path):
                    merged = self._fields(other, path) | merged
            elif not isinstance(key, yaml.ScalarNode):
                self._problem(key, path, "a field's name must be a text", "")
            elif key.value in found:
                self._problem(key, (*path, key.value), "stands here twice", "remove one of them")
            else:
                found[key.value] = child
                self.lines[(*path, key.value)] = key.start_mark.line + 1
        return merged | found

    def _merged(self, node: yaml.Node, path: FieldPath) -> Iterator[yaml.MappingNode]:
        for other in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(other, yaml.MappingNode) or any(other is outer for outer in self._open):
                self._problem(node, path, "<< takes the fields of another mapping", "name one by its alias")
            else:
                yield other

    def _scalar(self, node: yaml.Node, path: FieldPath) -> JsonValue:
        kind = node.tag.removeprefix(_YAML)
        if kind not in _KINDS or not isinstance(node, yaml.ScalarNode):
            self._problem(node, path, f"the tag {node.tag[:40]!r} means nothing here", "remove it")
            return None
        try:
            value: JsonValue = _KINDS[kind](node)
        except (ValueError, LookupError):
            self._problem(node, path, f"{str(node.value)[:40]!r} is not a value of type {kind}", "")
            return None
        if isinstance(value, str) and not _is_unicode(value):
            self._problem(node, path, "holds half a character (a lone surrogate)", "remove it")
            return None
        return value

    def _problem(self, node: yaml.Node, path: FieldPath, message: str, suggestion: str) -> None:
        line = node.start_mark.line + 1
        self.problems.append(Problem(self.file, line, dotted(path), message, suggestion))


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
