"""The one reader of the catalogue's CSV files, and how a name is found in them."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import NoReturn

from cluster.errors import CatalogError

Row = Mapping[str, str]


def rows(name: str) -> list[Row]:
    """The rows of a file in this package, header applied."""
    text = files("cluster.catalog").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def number(row: Row, column: str, otherwise: float = 0) -> float:
    """A figure; ``otherwise`` where the catalogue has none."""
    return float(row[column]) if row[column] else otherwise


def spelled(name: str) -> str:
    """A name as it is compared: lower case, every separator a dash."""
    return re.sub(r"[\s_/]+", "-", name.strip().lower())


def refuse(kind: str, name: str, known: Iterable[str], way_out: str) -> NoReturn:
    """Raise :class:`~cluster.errors.CatalogError` for a name that is not there, with the nearest ones that are."""
    known = list(known)
    near = difflib.get_close_matches(spelled(name)[:80], known, n=3, cutoff=0)
    msg = f"no {kind} {name[:80]!r} in the catalogue; nearest: {', '.join(near)}; {way_out}"
    raise CatalogError(msg)
