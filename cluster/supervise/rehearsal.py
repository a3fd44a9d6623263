"""A fleet with nothing real behind its gateway: every model answers as it would, without a GPU and without a cent.

Routes, tiers, plans, budgets, limits and promises stay as they are. A model with a ``source`` takes the time that it
would take on its GPUs; one that runs elsewhere, hosted ones included, gives 50 tokens a second. The database is always
Freehold's own, so that a rehearsal charges nobody in another one; other sites are left alone, but for those that are
rehearsed on the same machine.
"""

from __future__ import annotations

from pathlib import Path

from cluster.load import load_fleet
from cluster.spec import Database, Engine, Fleet, Model
from cluster.supervise.state import Home

_ELSEWHERE = {
    "url": "",
    "served_as": "",
    "api_key_env": "",
    "logprobs": False,
    "revision": None,
    "site": "",
    "egress": None,
}
"""What only says how to reach the real one."""


def write_rehearsal(file: Path, home: Home, speed: float) -> Path:
    """Write the rehearsal of a fleet file below ``home``; raises FleetFileError for a file that is wrong."""
    fleet = rehearsal(load_fleet(file), file.parent, speed)
    written = home.root / "rehearsal.json"  # which is YAML, too
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(fleet.model_dump_json(indent=2, exclude_defaults=True))
    return written


def rehearsal(fleet: Fleet, folder: Path, speed: float) -> Fleet:
    """``fleet`` from a file in ``folder``, simulated at ``speed`` times real time."""
    models = {name: _simulated(model, speed) for name, model in fleet.models.items()}
    own = fleet.database.model_copy(update={"url_env": Database().url_env})
    trace = str((folder / fleet.traffic.trace).absolute()) if fleet.traffic.trace else ""
    traffic = fleet.traffic.model_copy(update={"trace": trace})
    sites = {name: site for name, site in fleet.sites.items() if site.is_on_this_machine}
    return fleet.model_copy(update={"models": models, "sites": sites, "database": own, "traffic": traffic})


def _simulated(model: Model, speed: float) -> Model:
    limit = None if model.runs_here else model.answer_limit
    changes = {"engine": Engine.SIMULATED, "speed": speed, "answer_tokens": limit}
    return model.model_copy(update=_ELSEWHERE | changes)
