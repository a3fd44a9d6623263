"""A value changes in a fleet file's text, and nothing else does."""

from __future__ import annotations

import pytest
import yaml

from cluster.errors import UsageError
from cluster.load.edit import changed

TEXT = """\
# of the whole file
name: f   # of the name
models:

  a:      # of the model
    replicas: { min: 1, max: 2, }  # of the replicas
    accelerator:
      # of the type
      type: H100

  b: {}
last: 1
"""


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        pytest.param(("models", "a", "replicas", "max"), 7, "max: 2", "max: 7", id="in braces"),
        pytest.param(("models", "a", "accelerator", "type"), "L40S", "type: H100", "type: L40S", id="on a line"),
        pytest.param(
            ("models", "a", "accelerator", "count"), 2, "      type", "      count: 2\n      type", id="another line"
        ),
        pytest.param(("models", "a", "replicas", "x"), "on", "2, }", '2, x: "on" }', id="another one in braces"),
        pytest.param(("models", "b", "engine_args", "y"), 2, "{}", "{ engine_args: { y: 2 } }", id="a mapping"),
        pytest.param(("slo", "goodput"), 0.9, "name", "slo: { goodput: 0.9 }\nname", id="at the top"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["unix", "windows"])
def test_one_value_changes(path: tuple[str, ...], value: object, old: str, new: str, newline: str) -> None:
    """Comments, order, blank lines and line ends stay; YAML reads the new value where it belongs."""
    text = TEXT.replace("\n", newline)
    found = changed(text, path, value)  # type: ignore[arg-type]
    assert found == TEXT.replace(old, new, 1).replace("\n", newline)
    below = yaml.safe_load(found)
    for step in path:
        below = below[step]
    assert below == value


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param("a: &x {b: 1}\nc: *x\n", ("c", "b"), id="an alias"),
        pytest.param("a: &x {b: 1}\nc: *x\n", ("a", "b"), id="what an alias repeats"),
        pytest.param("a: &x {b: {d: 1}}\nc: *x\n", ("a", "b", "d"), id="below what an alias repeats"),
        pytest.param("a: [1]\n", ("a", "b"), id="a list"),
        pytest.param("a:\n", ("a", "b"), id="nothing"),
        pytest.param("a: {b: 1}\n", ("a",), id="a mapping in place of a value"),
        pytest.param("", ("a",), id="an empty file"),
    ],
)
def test_what_would_touch_something_else_is_refused(text: str, path: tuple[str, ...]) -> None:
    """The error tells what to write by hand."""
    with pytest.raises(UsageError, match=r"by hand|empty"):
        changed(text, path, 2)
