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
from typing import Any

from cluster.errors import FreeholdError, UsageError
from router.learn.artefact import Shelf, Trained, load
from router.learn.labels import Answer, Label, graded, read_answers, read_labels, scores_of
from router.learn.metrics import with_intervals
from router.learn.plot import curve
from router.learn.train import score, train

_FOR_MACHINES = ("reference_scores", "curves")
Run = Callable[[argparse.Namespace], Mapping[str, object]]
Commands = Any
"""What argparse calls its sub-parsers is private."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    asked = _parser().parse_args(argv)
    run: Run = asked.run
    try:
        facts = run(asked)
    except (FreeholdError, OSError) as exc:
        sys.stderr.write(f"freehold: {exc}\n")
        return exc.exit_code if isinstance(exc, FreeholdError) else FreeholdError.exit_code
    sys.stdout.write(json.dumps(facts, indent=2) + "\n" if asked.json else _lines(facts))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="freehold router", description="Train a router on your own labels.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = _command(commands, "train", _train, "learn from labels which prompts gain by the strong model")
    _labels(one)
    one.add_argument("--limit", type=int, metavar="N", help="draw so many labels; default: all")
    one.add_argument("--seed", type=int, default=0, metavar="S", help="decides everything random; default: 0")
    one.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the router is written")
    one = _command(commands, "score", _score, "write a score for each prompt; higher means the strong model")
    _model(one)
    _labels(one)
    one.add_argument("--out", required=True, type=Path, metavar="CSV", help="the columns id and score")
    one = _command(commands, "eval", _eval, "measure a router on labels: AUC, APGR, CPT, AIQ with 95 %% intervals")
    _model(one)
    _labels(one)
    one.add_argument("--plot", type=Path, metavar="SVG", help="share of the strong model against quality; of one pair")
    _model(_command(commands, "promote", _promote, "put a router in use, from the gateway's next start on"))
    _command(commands, "rollback", _rollback, "take the latest promotion back")
    return parser


def _labels(parser: argparse.ArgumentParser) -> None:
    about = "parquet or JSON lines; docs/router.md has the columns"
    parser.add_argument("--labels", required=True, nargs="+", type=Path, action="extend", metavar="FILE", help=about)
    about = "the weak model's answers, to be read as well"
    parser.add_argument("--with-answers", type=Path, metavar="FILE", help=about)


def _model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, type=Path, metavar="DIR", help="what train wrote")


def _command(commands: Commands, name: str, run: Run, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    parser.set_defaults(run=run)
    return parser


def _train(asked: argparse.Namespace) -> Mapping[str, object]:
    if asked.limit is not None and asked.limit < 1:
        msg = f"--limit must be at least 1, not {asked.limit}"
        raise UsageError(msg)
    labels = graded(read_labels(asked.labels), asked.limit, asked.seed)
    trained = train(labels, read_answers(asked.with_answers), asked.seed, asked.out)
    return {name: value for name, value in trained.card.items() if name not in _FOR_MACHINES}


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
