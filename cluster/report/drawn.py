"""A report as markdown, and as one HTML page that loads nothing; names come out as text in both, whatever they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from cluster.drawing import bars, document, lines, table
from cluster.report.parts import Bars, Curves, Part, Table
from cluster.report.sections import Section


def markdown(title: str, sections: Sequence[Section]) -> str:
    """With tables, without plots."""
    parts = [f"# {_text(title)}", *(block for section in sections for block in _blocks(section))]
    return "\n\n".join(parts) + "\n"


def html(title: str, sections: Sequence[Section]) -> str:
    """In light and dark, and for paper."""
    return document(title, [piece for section in sections for piece in _pieces(section)])


def _blocks(section: Section) -> Iterator[str]:
    yield f"## {_text(section.title)}"
    for part in section.parts:
        if isinstance(part, str):
            yield _text(part)
        elif isinstance(part, Table):
            yield _rows(part)


def _rows(part: Table) -> str:
    rule = tuple("---" if number < part.words else "---:" for number in range(len(part.head)))
    rows = [tuple(map(_text, part.head)), rule, *(tuple(map(_text, row)) for row in part.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _text(words: str) -> str:
    """No line break, no table, no markup, no HTML comes out of a name."""
    plain = " ".join(words.split())
    return re.sub(r"([\\`*\[\]<>|#~]|(?<!\w)_|_(?!\w))", r"\\\1", plain)


def _pieces(section: Section) -> Iterator[str]:
    yield f"<h2>{escape(section.title)}</h2>"
    yield from map(_piece, section.parts)


def _piece(part: Part) -> str:
    if isinstance(part, Table):
        return table(part.head, part.rows, part.words)
    if isinstance(part, Curves):
        return lines(part.title, part.across, part.curves, part.axis, part.names)
    if isinstance(part, Bars):
        return bars(part.title, part.values, part.axis)
    return f"<p>{escape(part)}</p>"
