"""``python -m router.learn train|score|eval|promote|rollback``; ``freehold router …`` starts it by name."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from cluster.errors import FreeholdError, UsageError
from router.learn.artefact import Shelf, Trained, load
from router.learn.labels import Answer, Label, graded, read_answers, read_labels, scores_of
from router.learn.metrics import with_intervals
from router.learn.plot import curve
from router.learn.train import score, train


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    asked = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], object] = asked.run
    try:
        facts = run(asked)
    except (FreeholdError, OSError) as exc:
        sys.stderr.write(f"freehold: {exc}\n")
        return exc.exit_code if isinstance(exc, FreeholdError) else FreeholdError.exit_code
    sys.stdout.write(json.dumps(facts, indent=2) + "\n" if asked.json else _lines(facts))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m router.learn", description="Train a router on your labels.")
    commands = parser.add_subparsers(required=True)
    one = _command(commands.add_parser("train"), _train)
    one.add_argument("--labels", required=True, nargs="+", type=Path, action="extend")
    one.add_argument("--limit", type=int)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--with-answers", type=Path)
    one.add_argument("--out", required=True, type=Path)
    one = _command(commands.add_parser("score"), _score)
    one.add_argument("--model", required=True, type=Path)
    one.add_argument("--labels", required=True, nargs="+", type=Path, action="extend")
    one.add_argument("--with-answers", type=Path)
    one.add_argument("--out", required=True, type=Path)
    one = _command(commands.add_parser("eval"), _eval)
    one.add_argument("--model", required=True, type=Path)
    one.add_argument("--labels", required=True, nargs="+", type=Path, action="extend")
    one.add_argument("--with-answers", type=Path)
    one.add_argument("--plot", type=Path)
    one = _command(commands.add_parser("promote"), _promote)
    one.add_argument("--model", required=True, type=Path)
    _command(commands.add_parser("rollback"), _rollback)
    return parser


def _command(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], object]) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=run)
    return parser


def _train(asked: argparse.Namespace) -> Mapping[str, object]:
    if asked.limit is not None and asked.limit < 1:
        msg = f"--limit must be at least 1, not {asked.limit}"
        raise UsageError(msg)
    labels = graded(read_labels(asked.labels), asked.limit, asked.seed)
    trained = train(labels, read_answers(asked.with_answers), asked.seed, asked.out)
    return {name: value for name, value in trained.card.items() if name != "reference_scores"}


def _score(asked: argparse.Namespace) -> Mapping[str, object]:
    trained, labels, answers = _given(asked)
    found = io.StringIO()
    rows = csv.writer(found, lineterminator="\n")
    rows.writerow(["id", "score"])
    rows.writerows(
        [label.id, f"{value:.9g}"] for label, value in zip(labels, score(trained, labels, answers), strict=True)
    )
    asked.out.write_text(found.getvalue())
    return {"scored": len(labels), "version": trained.version, "out": str(asked.out)}


def _eval(asked: argparse.Namespace) -> Mapping[str, object]:
    trained, labels, answers = _given(asked)
    labels = graded(labels, None, 0)
    if not labels:
        msg = "none of the labels has both weak_score and strong_score; there is nothing to compare with"
        raise UsageError(msg)
    facts: dict[str, object] = {"version": trained.version}
    for pair, count in Counter(label.pair for label in labels).most_common():
        own = [label for label in labels if label.pair == pair]
        scores, (weak, strong) = score(trained, own, answers), scores_of(own)
        found = with_intervals(scores, weak, strong)
        facts[pair] = {
            "labels": count,
            **{name: [round(v, 4) for v in (of.value, of.low, of.high)] for name, of in found.items()},
        }
        if asked.plot:
            asked.plot.write_text(curve(scores, weak, strong, pair))
    return facts


def _promote(asked: argparse.Namespace) -> Mapping[str, object]:
    return {"promoted": _shelf().promote(asked.model).version}


def _rollback(_: argparse.Namespace) -> Mapping[str, object]:
    return {"in_use": _shelf().rollback()}


def _given(asked: argparse.Namespace) -> tuple[Trained, list[Label], Mapping[str, Answer]]:
    trained = load(asked.model)
    if asked.with_answers and not trained.reads_answers:
        msg = f"{asked.model}: trained without answers; train it with --with-answers as well"
        raise UsageError(msg)
    return trained, read_labels(asked.labels), read_answers(asked.with_answers)


def _shelf() -> Shelf:
    home = os.environ.get("FREEHOLD_HOME")
    if not home:
        msg = "FREEHOLD_HOME is not set; it says where promoted routers are kept"
        raise UsageError(msg)
    return Shelf(Path(home))


def _lines(facts: object, indent: str = "") -> str:
    """Facts for people: a line each."""
    if not isinstance(facts, Mapping):
        return f"{indent}{facts}\n"
    found = ""
    for name, value in facts.items():
        nested = isinstance(value, Mapping)
        found += f"{indent}{name}:\n{_lines(value, indent + '  ')}" if nested else f"{indent}{name}: {_shown(value)}\n"
    return found


def _shown(value: object) -> str:
    """Three numbers are a figure and its interval."""
    if isinstance(value, list) and len(value) == 3:  # noqa: PLR2004
        return f"{value[0]} (95 %: {value[1]} to {value[2]})"
    return str(value)


if __name__ == "__main__":
    sys.exit(main())
