"""A trained router on disk: ``model.npz`` (arrays, no pickle) and ``card.json`` (what it is, from what, how good).

Under ``FREEHOLD_HOME/router`` lie the promoted ones, each in a folder of its version, and ``promoted.json``: their
order, the one in use last. Nothing is ever changed in place: a gateway that starts sees one whole model or none.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from cluster.errors import UsageError
from router.learn.head import Head
from router.learn.promoted import PROMOTED

FORMAT: Final = 1
"""Of the features and hashes too: a model of another format would see other numbers than it was trained on."""
MOST_BYTES: Final = 1_000_000

_MODEL, _CARD = "model.npz", "card.json"
_ANSWERS: Final = " + answer"


@dataclass(frozen=True, slots=True)
class Trained:
    """Heads by pair, and the card."""

    heads: Mapping[str, Head]
    """``weak -> strong``, with " + answer" after it where the head also reads the weak model's answer."""
    card: Mapping[str, Any]

    @property
    def version(self) -> str:
        """Twelve hex digits of the model's hash."""
        return str(self.card["version"])

    def head(self, pair: str, *, answered: bool) -> Head:
        """The pair's head, or the one with the most labels where the pair is not known; never of the wrong kind."""
        return self.heads[self._name(pair, answered=answered)]

    @property
    def curve(self) -> list[float]:
        """Quality by share of the head that the gateway asks; empty where it was trained before that was kept."""
        found: list[float] = self.card.get("curves", {}).get(self._name("", answered=False), [])
        return found

    def _name(self, pair: str, *, answered: bool) -> str:
        name = with_answer(pair) if answered else pair
        if name in self.heads:
            return name
        most: dict[str, int] = self.card["labels_by_head"]
        able = [name for name in self.heads if name.endswith(_ANSWERS) == answered]
        return max(able, key=lambda name: most[name])

    @property
    def reads_answers(self) -> bool:
        """Whether it was trained with answers."""
        return any(name.endswith(_ANSWERS) for name in self.heads)


def with_answer(pair: str) -> str:
    """The name of the head that also reads the answer."""
    return pair + _ANSWERS


def save(heads: Mapping[str, Head], card: Mapping[str, Any], folder: Path) -> Trained:
    """Write both files; the card gets version, hash and size.

    Raises:
        UsageError: the model would be larger than 1 MB: more pairs than one router is for.

    """
    arrays = {f"{at}.{name}": array for at, head in enumerate(heads.values()) for name, array in head.arrays().items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type] # its stub takes the arrays for its flag
    data = buffer.getvalue()
    if len(data) > MOST_BYTES:
        msg = f"the model of {len(heads)} heads takes {len(data)} bytes, over {MOST_BYTES}; train fewer pairs at once"
        raise UsageError(msg)
    found = hashlib.sha256(data).hexdigest()
    about = {"format": FORMAT, "version": found[:12], "sha256": found, "bytes": len(data), "heads": [*heads], **card}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MODEL).write_bytes(data)
    (folder / _CARD).write_text(json.dumps(about, indent=2) + "\n")
    return Trained(heads, about)


def load(folder: Path) -> Trained:
    """Read a model again.

    Raises:
        UsageError: it is missing, damaged, or of another format.

    """
    return unpacked(*packed(folder), str(folder))


def packed(folder: Path) -> tuple[Mapping[str, Any], bytes]:
    """Card and model as they are kept elsewhere, such as in a database.

    Raises:
        UsageError: they are missing, or the card is no JSON.

    """
    try:
        card: Mapping[str, Any] = json.loads((folder / _CARD).read_text())
        return card, (folder / _MODEL).read_bytes()
    except FileNotFoundError as exc:
        msg = f"{folder}: no trained router there; freehold router train makes one"
        raise UsageError(msg) from exc
    except ValueError as exc:
        msg = f"{folder}: not a trained router: {exc}"
        raise UsageError(msg) from exc


def unpacked(card: Mapping[str, Any], data: bytes, origin: str) -> Trained:
    """The router that :func:`packed` took apart; ``origin`` is named in errors.

    Raises:
        UsageError: it is damaged, or of another format.

    """
    try:
        if card["format"] != FORMAT:
            msg = f"{origin}: a model of format {card['format']}, not {FORMAT}; train it again"
            raise UsageError(msg)
        if hashlib.sha256(data).hexdigest() != card["sha256"]:
            msg = f"{origin}: {_MODEL} is not what {_CARD} describes; train it again"
            raise UsageError(msg)
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return Trained({name: _head(dict(arrays), at) for at, name in enumerate(card["heads"])}, card)
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile) as exc:
        msg = f"{origin}: not a trained router: {exc}"
        raise UsageError(msg) from exc


def _head(arrays: Mapping[str, Any], at: int) -> Head:
    start = f"{at}."
    return Head.of({name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)})


class Shelf:
    """The promoted models under a ``FREEHOLD_HOME``."""

    def __init__(self, home: Path) -> None:
        """Look there; nothing is made until something is promoted."""
        self._file = home / PROMOTED
        self._folder = self._file.parent

    @property
    def versions(self) -> list[str]:
        """Oldest first; the last one is in use."""
        try:
            found: list[str] = json.loads(self._file.read_text())
        except FileNotFoundError:
            return []
        except ValueError as exc:
            msg = f"{self._file}: damaged ({exc}); delete it and promote again"
            raise UsageError(msg) from exc
        return found

    def current(self) -> Trained | None:
        """The model in use.

        Raises:
            UsageError: it is damaged.

        """
        versions = self.versions
        return load(self._folder / versions[-1]) if versions else None

    def promote(self, folder: Path) -> Trained:
        """Put a trained model in use from the gateway's next start on."""
        trained = load(folder)
        place = self._folder / trained.version
        if folder.resolve() != place.resolve():
            place.mkdir(parents=True, exist_ok=True)
            for name in (_MODEL, _CARD):
                shutil.copyfile(folder / name, place / name)
        self._write([*(version for version in self.versions if version != trained.version), trained.version])
        return trained

    def rollback(self) -> str | None:
        """Take the latest promotion back; the version in use now, None where length decides again.

        Raises:
            UsageError: nothing was promoted.

        """
        versions = self.versions
        if not versions:
            msg = f"{self._folder}: nothing was promoted"
            raise UsageError(msg)
        self._write(versions[:-1])
        return versions[-2] if len(versions) > 1 else None

    def _write(self, versions: list[str]) -> None:
        new = self._file.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(versions) + "\n")
        new.replace(self._file)
