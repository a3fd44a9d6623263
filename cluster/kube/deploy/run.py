"""``freehold deploy`` without the terminal: render, ask, check, apply; each step is a function, called in that order.

Nothing is applied before every check holds. Neighbours: :mod:`cluster.kube.deploy.preflight` checks,
:mod:`cluster.kube.deploy.live` waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cluster
from cluster.errors import HelmError, KubernetesError, UsageError
from cluster.kube import chart
from cluster.kube.deploy.checks import Check, Request
from cluster.kube.deploy.drift import Change, bare, changes, foreign
from cluster.kube.deploy.helm import Given, Helm
from cluster.kube.deploy.preflight import check
from cluster.kube.deploy.survey import MANAGER, Asked, belongs, discover, survey
from cluster.kube.deploy.wanted import kinds, name_of
from cluster.kube.render import values_of
from cluster.kube.values.engines import Mode
from cluster.load import load_fleet
from cluster.spec import Fleet

Object = dict[str, Any]
_WAITED_FOR = {"Deployment", "RayService"}


@dataclass(frozen=True, slots=True)
class Order:
    """What should run, as the command line says it."""

    file: Path
    mode: Mode = Mode.RAY
    open_to_all: bool = False
    values: tuple[Path, ...] = ()
    assignments: tuple[str, ...] = ()
    may_wait: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A release as it would be."""

    fleet: Fleet
    given: Given
    rendered: tuple[Object, ...]

    @property
    def names(self) -> dict[str, str]:
        """Models' names by their slugs."""
        return {one["slug"]: one["name"] for one in self.given.values["models"]}

    @property
    def workloads(self) -> tuple[tuple[str, str], ...]:
        """Kind and name of what has to become ready."""
        return tuple((item["kind"], item["metadata"]["name"]) for item in self.rendered if item["kind"] in _WAITED_FOR)


def chart_folder(given: Path | None) -> Path:
    """The chart: the one that was named, that of this checkout, or the one in the working directory.

    Raises:
        UsageError: there is none.

    """
    places = [given] if given else [Path(cluster.__path__[0]).parent / "helm" / "freehold", Path("helm/freehold")]
    for place in places:
        if (place / "Chart.yaml").is_file():
            return place
    msg = f"there is no chart in {places[-1]}; name its folder (a checkout's helm/freehold): --chart FOLDER"
    raise UsageError(msg)


def draft(order: Order, helm: Helm, api: Asked) -> Draft:
    """Render the release for the cluster that is asked, without changing anything there."""
    fleet = load_fleet(order.file)
    values = values_of(fleet, order.file.read_text(encoding="utf-8"), mode=order.mode, open_to_all=order.open_to_all)
    given = Given(chart.release(values), order.values, order.assignments)
    served = discover(api, ())
    try:
        rendered = helm.template(given, served.version, served.groups)
    except HelmError as exc:
        raise UsageError(str(exc)) from exc  # the chart says what of the values is wrong
    return Draft(fleet, given, rendered)


def preflight(order: Order, made: Draft, helm: Helm, api: Asked, namespace: str) -> tuple[Check, ...]:
    """Everything that can be known before."""
    facts, served = survey(api, helm.release, namespace, made.rendered)
    asked = Request(
        fleet=made.fleet,
        release=helm.release,
        namespace=namespace,
        rendered=made.rendered,
        helm=helm.version(),
        simulated=order.mode is Mode.SIMULATED,
        may_wait=order.may_wait,
    )
    return check(asked, facts, served)


def apply(made: Draft, helm: Helm, api: Asked, namespace: str) -> int:
    """Let Helm apply it; gives back the revision.

    Raises:
        HelmError: with what is there now and how to undo it.

    """
    before = helm.history()
    try:
        helm.upgrade(made.given)
    except HelmError as exc:
        msg = f"{exc}\n{_left(made, helm, api, namespace, before[-1].number if before else 0)}"
        raise HelmError(msg) from exc
    return helm.history()[-1].number


def _left(made: Draft, helm: Helm, api: Asked, namespace: str, before: int) -> str:
    undo = f"undo it: {helm.undo(before)}"
    try:
        there = _there(made, helm.release, api, namespace)
    except KubernetesError as exc:
        return f"some of it may be applied; what is there cannot be told: {exc}\n{undo}"
    if not there:
        return "nothing was applied"
    return f"{len(there)} of {len(made.rendered)} objects are there: {', '.join(there)}\n{undo}"


def _there(made: Draft, release: str, api: Asked, namespace: str) -> list[str]:
    served = discover(api, dict.fromkeys(version for version, _ in kinds(made.rendered)))
    known = [item for item in made.rendered if (item["apiVersion"], item["kind"]) in served.served]
    live = [(item, api.find(served.path(item, namespace))) for item in known]
    return [name_of(item) for item, found in live if found and belongs(found["metadata"], release)]


@dataclass(frozen=True, slots=True)
class Differences:
    """What ``freehold diff`` finds."""

    release: tuple[Change, ...]
    """From what was deployed to what the fleet file says."""
    drift: tuple[Change, ...]
    """From what runs to what was deployed: what somebody changed by hand, and a deploy would change back."""
    kept: tuple[Change, ...]
    """What somebody added by hand, and a deploy would keep."""


class Deployed(Protocol):
    """Where what was deployed is kept."""

    def manifest(self) -> tuple[Object, ...] | None:
        """The objects; None where there is no release."""


def differences(made: Draft, helm: Deployed, api: Asked, namespace: str) -> Differences:
    """Compare the fleet file with what was deployed, and that with what runs."""
    deployed = helm.manifest() or ()
    served = discover(api, dict.fromkeys(version for version, _ in kinds(deployed)))
    live: list[Object] = []
    meant: list[Object] = []
    kept: list[Change] = []
    for item in deployed:
        if (item["apiVersion"], item["kind"]) not in served.served:
            continue
        path = served.path(item, namespace)
        now = api.find(path)
        meant.append(bare(api.apply_dry(path, item, MANAGER)) if now else item)
        if now:
            live.append(bare(now))
            kept += foreign(now)
    changed = changes(live, meant)
    back = {(one.object, one.field) for one in changed}
    return Differences(
        changes(deployed, made.rendered), changed, tuple(one for one in kept if (one.object, one.field) not in back)
    )
