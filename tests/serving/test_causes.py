"""Out of what a dying engine prints, the one line that helps."""

from __future__ import annotations

import pytest

from serving.causes import LONGEST, SILENT, cause

MEMORY = """\
(EngineCore pid=12) ERROR 11-21 10:05:35 [core.py:1200] EngineCore failed to start.
(EngineCore pid=12) ERROR 11-21 10:05:35 [core.py:1200] Traceback (most recent call last):
(EngineCore pid=12) ERROR 11-21 10:05:35 [core.py:1200]   File "core.py", line 1, in run
(EngineCore pid=12) ERROR 11-21 10:05:35 [core.py:1200] ValueError: Available memory is less than requested.
Traceback (most recent call last):
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""
ARCHITECTURE = """\
ray.exceptions.RayTaskError(RuntimeError): ray::ServeReplica:m:m.initialize_and_get_metadata() (pid=408)
RuntimeError: Traceback (most recent call last):
  File "replica.py", line 1867, in initialize
RuntimeError: Failed to create vLLM engine config: 1 validation error for ModelConfig
  Value error, Model architectures ['Nope'] are not supported for now.
    For further information visit https://errors.pydantic.dev/2.14/v/value_error
"""
FIELD = """\
pydantic_core._pydantic_core.ValidationError: 1 validation error for SchedulerConfig
max_num_seqs
  Input should be greater than or equal to 1 [type=greater_than_equal]
"""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (MEMORY, "Available memory is less than requested."),
        (ARCHITECTURE, "Model architectures ['Nope'] are not supported for now."),
        (FIELD, "Input should be greater than or equal to 1 [type=greater_than_equal]"),
        ("OSError: no file named model.safetensors", "OSError: no file named model.safetensors"),
        ("huggingface_hub.errors.RepositoryNotFoundError: 404", "RepositoryNotFoundError: 404"),
        ("loading\n\nKilled\n", "Killed"),
        ("", SILENT),
    ],
    ids=["root-of-a-chain", "pydantic", "pydantic-field", "named", "dotted", "last-words", "silence"],
)
def test_names_the_root(log: str, expected: str) -> None:
    """The error that caused the others, without the wrapping that says nothing."""
    assert cause(log) == expected


def test_is_one_short_line() -> None:
    """However much an error has to say."""
    assert len(cause("ValueError: " + "x" * 10_000)) == LONGEST
