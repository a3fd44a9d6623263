"""Figures → a table, a verdict on each target, and a flat JSON file.

The file is ``{"metric": number, …}`` with the machine and the versions as further flat fields, ``targets`` (metric →
what is wanted) and ``missed`` (the metrics that are not there).
"""

from __future__ import annotations

import json
import operator
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

import psutil

_QUIET: Final = 0.1
"""Cores that others may keep busy without spoiling a latency."""
_HOLDS: Final = {">=": operator.ge, "<=": operator.le, "==": operator.eq}


@dataclass(frozen=True, slots=True)
class Target:
    """What one figure must reach."""

    metric: str
    sign: Literal[">=", "<=", "=="]
    value: float

    def is_met(self, figures: Mapping[str, float]) -> bool:
        """Whether the figure is there and reaches it."""
        return self.metric in figures and bool(_HOLDS[self.sign](figures[self.metric], self.value))

    def __str__(self) -> str:
        """Such as ``>= 30``."""
        return f"{self.sign} {self.value:g}"


def machine() -> dict[str, str | int | float]:
    """CPU, cores, memory, operating system, interpreter."""
    return {
        "machine_cpu": _cpu_model(),
        "machine_cores": psutil.cpu_count() or 0,
        "machine_memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "machine_system": f"{platform.system()} {platform.release()}",
        "machine_load_1m": round(psutil.getloadavg()[0], 2),
        "version_python": platform.python_version(),
    }


def versions(packages: Sequence[str], site: Path | None = None) -> dict[str, str]:
    """Installed versions, from another environment's ``site-packages`` where one is given."""
    return {f"version_{name}": _version(name, site) for name in packages}


def publish(
    figures: Mapping[str, float],
    targets: Sequence[Target],
    about: Mapping[str, str | float],
    file: Path | None,
) -> int:
    """Print figures and verdicts, write the file, and give the exit code: 1 when a target is missed, else 0."""
    for name, value in figures.items():
        print(f"  {name:<44} {shown(value):>12}")
    missed = [target for target in targets if not target.is_met(figures)]
    print()
    for target in targets:
        mark = "missed" if target in missed else "met"
        found = shown(figures[target.metric]) if target.metric in figures else "not measured"
        print(f"  {mark:>6}  {target.metric:<36} {found:>12}  wanted {target}")
    loud = [name for name, value in figures.items() if name.endswith("others_core_share") and value > _QUIET]
    if loud:
        print(f"\n  The machine was not quiet ({', '.join(loud)}): latencies and stalls are partly the neighbours'.")
    if file:
        wanted = {target.metric: str(target) for target in targets}
        rounded = {name: float(f"{value:.6g}") for name, value in figures.items()}
        content = {**rounded, **about, "targets": wanted, "missed": [target.metric for target in missed]}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=2) + "\n")
        print(f"\n  written to {file}")
    sys.stdout.flush()
    return 1 if missed else 0


def shown(value: float) -> str:
    """Four figures at most, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"  # noqa: PLR2004  where decimals stop to matter


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def _version(name: str, site: Path | None) -> str:
    if site:
        found = next(site.glob(f"{name}-*.dist-info"), None)
        return found.name.removeprefix(f"{name}-").removesuffix(".dist-info") if found else "missing"
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
