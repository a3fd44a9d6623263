"""What a load test says, in one JSON file: verdict, figures, parts, series, and how far its generator is to be trusted.

``loadtests/result.schema.json`` is its form; a test keeps the two alike. Whoever changes, adds or removes a field
counts ``VERSION`` up. It names tenants, models and error codes, never a prompt, an answer or a key.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Final, Literal, Self

import orjson
from pydantic import ValidationError

from cluster.errors import UsageError
from cluster.spec import Fleet, Slo
from cluster.spec.base import Noun
from loadtests.columns import Columns, Words
from loadtests.facts import Run
from loadtests.figures import Figures, Window, figures, parts
from loadtests.gates import Gate, Status, judge
from loadtests.generator import Generator, machine
from loadtests.predicted import Prediction, predict
from loadtests.samples import read_samples
from loadtests.series import OverConcurrency, OverTime, over_concurrency, over_time
from loadtests.stretches import Stretch, stretches

VERSION: Final = 1
_WARM_UP: Final = 0.1
"""Share of the duration that a steady state begins after."""


class Counted(Noun):
    """Which requests the gates and figures are of: those that were meant to be sent within these seconds."""

    window: Literal["steady", "all"]
    """``steady`` leaves the beginning out, in which users arrive and caches fill; ``all`` leaves nothing out."""
    since_s: float
    until_s: float
    requests: int
    left_out: int


class Asked(Noun):
    """What was asked of the load test."""

    scenario: str
    users: int | None
    rate: float | None
    """Requests per second that an open loop intends."""
    trace: str
    burst: bool
    seed: int
    duration_s: float
    elapsed_s: float
    """Until the last request had ended."""
    started: str
    """ISO 8601, UTC."""


class Result(Noun):
    """One load test, concluded."""

    version: Literal[1] = VERSION
    """Of this form."""
    fleet: str
    asked: Asked
    counted: Counted
    passed: bool
    """Whether every gate held."""
    slo: Slo
    gates: tuple[Gate, ...]
    metrics: Figures
    """Flat: name → figure, seconds where it ends in ``_s``."""
    tiers: dict[str, Figures]
    tenants: dict[str, Figures]
    models: dict[str, Figures]
    kinds: dict[str, Figures]
    reasons: dict[str, int]
    """Why requests went where they went → how many did."""
    errors: dict[str, int]
    """Error → how many requests met it, the most frequent first."""
    over_time: OverTime
    over_concurrency: OverConcurrency
    prediction: Prediction
    """What plan and simulation say of the same fleet under the same requests."""
    generator: Generator
    hardware: dict[str, str]
    """Model → what the fleet file runs it on."""
    machine: dict[str, str | float]
    """That sent the requests."""
    versions: dict[str, str]
    stretches: tuple[Stretch, ...]
    """What a comparison with another result resamples."""

    @classmethod
    def read(cls, file: Path) -> Self:
        """A result that was written before; UsageError where it is none, or of another version."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except OSError as exc:
            msg = f"{file}: cannot be read: {exc.strerror}"
            raise UsageError(msg) from exc
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            msg = f"{file}: no result of freehold loadtest, version {VERSION}: {where}: {first['msg']}"
            raise UsageError(msg) from exc

    def write(self, file: Path) -> None:
        """As JSON; small enough to be kept for good."""
        file.write_bytes(orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_INDENT_2) + b"\n")

    def flat(self) -> dict[str, float]:
        """Every figure that there is, with those of tiers as ``small_ttft_p95_s``."""
        found = {name: value for name, value in self.metrics.items() if value is not None}
        for tier, figures_ in self.tiers.items():
            found |= {f"{tier}_{name}": value for name, value in figures_.items() if value is not None}
        return found


def schema() -> dict[str, Any]:
    """JSON Schema of a result."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Result.model_json_schema(mode="serialization")


def steady(run: Run) -> Window:
    """All but the first tenth of the seconds in which requests were begun."""
    return Window(run.duration_s * _WARM_UP, run.duration_s, "steady")


def whole(run: Run) -> Window:
    """Everything, the last answers' seconds included."""
    return Window(0.0, max(run.elapsed_s, run.duration_s), "all")


def conclude(run: Run, fleet: Fleet, window: Window) -> Result:
    """Judge a run by ``run.slo``, over the seconds that count. Reads its samples; pure otherwise."""
    columns = Columns.of(read_samples(run.samples))
    begun = window.begun(columns)
    pieces = stretches(columns, run.slo, window.since_s, window.until_s)
    gates = judge(begun, run.slo, pieces)

    def by(words: Words) -> dict[str, Figures]:
        return parts(columns, words, window, run.slo)

    return Result(
        fleet=run.fleet,
        asked=_asked(run),
        counted=Counted(
            window="steady" if window.name == "steady" else "all",
            since_s=window.since_s,
            until_s=window.until_s,
            requests=len(begun),
            left_out=len(columns) - len(begun),
        ),
        passed=all(gate.status is Status.HELD for gate in gates),
        slo=run.slo,
        gates=gates,
        metrics=figures(columns, window, run.slo),
        tiers=by(columns.tier),
        tenants=by(columns.tenant),
        models=by(columns.model),
        kinds=by(columns.kind),
        reasons=_counts(begun.reason),
        errors=_counts(begun.error),
        over_time=over_time(columns, run.elapsed_s),
        over_concurrency=over_concurrency(begun),
        prediction=predict(fleet, columns, window, run.slo),
        generator=Generator.of(run, columns),
        hardware=_hardware(fleet),
        machine=machine(),
        versions=run.versions,
        stretches=pieces,
    )


def _asked(run: Run) -> Asked:
    return Asked(
        scenario=run.scenario,
        users=run.users,
        rate=run.rate,
        trace=run.trace.name if run.trace else "",
        burst=run.burst,
        seed=run.seed,
        duration_s=run.duration_s,
        elapsed_s=run.elapsed_s,
        started=run.started,
    )


def _counts(words: Words) -> dict[str, int]:
    return dict(Counter(word for word in words.tolist() if word).most_common())


def _hardware(fleet: Fleet) -> dict[str, str]:
    found = {}
    for name, model in fleet.models.items():
        where = f"{model.accelerator.count} x {model.accelerator.type}" if model.runs_here else "elsewhere"
        least, most = model.replicas.min, model.replicas.max
        replicas = f"{least}" if least == most else f"{least} to {most}"
        found[name] = f"engine {model.engine.value}, {where}, {replicas} replicas" if model.runs_here else where
    return found
