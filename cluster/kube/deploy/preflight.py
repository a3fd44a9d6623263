"""Whether a cluster can run a release, before anything is applied: each check names the object and the way out.

Pure over :class:`~cluster.kube.deploy.survey.Facts` and what Helm rendered. A check that the user's rights do not allow
is told as such and refuses nothing. Neighbours: :mod:`cluster.kube.deploy.survey` asks, :mod:`cluster.kube.gpus.fit`
places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cluster.catalog import gpus as catalog
from cluster.errors import CatalogError, PreflightError
from cluster.kube.deploy.helm import OLDEST
from cluster.kube.deploy.survey import Facts, Kinds, Quota
from cluster.kube.deploy.wanted import Template, claims, images, is_pinned, kinds, secrets, templates
from cluster.kube.gpus.fit import unplaced
from cluster.kube.gpus.inventory import Node, amount, pools
from cluster.spec import Fleet

Object = dict[str, Any]
OLDEST_OPERATOR = (1, 7)
"""KubeRay's release in which token authentication of RayServices came, which the chart switches on."""
_NO_RIGHT = "not checked: this user may not {}; helm/roles.yaml has the rights"


class Verdict(StrEnum):
    """What came of a check."""

    HOLDS = "holds"
    UNKNOWN = "unknown"
    """It could not be checked, or may be meant so; refuses nothing."""
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Check:
    """One check and what came of it."""

    name: str
    verdict: Verdict
    text: str
    fix: str = ""

    def __str__(self) -> str:
        """One or two lines."""
        return f"{self.name}: {self.text}" + (f"\n    {self.fix}" if self.fix else "")


@dataclass(frozen=True, slots=True)
class Request:
    """What should run."""

    fleet: Fleet
    release: str
    namespace: str
    rendered: tuple[Object, ...]
    helm: tuple[int, int]
    simulated: bool = False
    """Without GPUs whatever the fleet file says."""
    may_wait: bool = False
    """GPUs that are not there yet refuse nothing: the cluster adds nodes by itself."""


def check(asked: Request, facts: Facts, served: Kinds) -> tuple[Check, ...]:
    """All checks, in the order in which one would mend what they find."""
    found = [
        *_helm(asked),
        *_namespace(asked, facts),
        *_kinds(asked, served),
        *_operator(asked, facts, served),
        *_images(asked),
        *_secrets(asked, facts),
        *_storage(asked, facts),
        *_gpu_names(asked, facts),
        *_fit(asked, facts),
        *_quotas(asked, facts),
        *_refusals(asked, facts),
    ]
    return tuple(found)


def refuse_unless_all_hold(checks: Iterable[Check]) -> None:
    """Raise with everything that fails, so that all of it can be mended at once.

    Raises:
        PreflightError: something fails.

    """
    failed = [one for one in checks if one.verdict is Verdict.FAILS]
    if failed:
        lines = "\n".join(f"  {one}" for one in failed)
        msg = f"this cluster cannot run the fleet; nothing was applied:\n{lines}"
        raise PreflightError(msg)


def _held(name: str, problems: list[Check], text: str) -> list[Check]:
    return problems or [Check(name, Verdict.HOLDS, text)]


def _helm(asked: Request) -> Iterator[Check]:
    text = ".".join(map(str, asked.helm))
    if asked.helm < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        yield Check("helm", Verdict.FAILS, f"{text} is older than {wanted}", "install a newer one, or name it: HELM=…")
    else:
        yield Check("helm", Verdict.HOLDS, text)


def _namespace(asked: Request, facts: Facts) -> Iterator[Check]:
    if facts.namespace_exists:
        yield Check("namespace", Verdict.HOLDS, asked.namespace)
    else:
        fix = f"kubectl create namespace {asked.namespace}"
        yield Check("namespace", Verdict.FAILS, f"there is no namespace {asked.namespace!r}", fix)


_SOURCES = {
    "ray.io": "install the KubeRay operator with its definitions, or use --mode plain: helm install kuberay-operator"
    " kuberay-operator --repo https://ray-project.github.io/kuberay-helm -n kuberay-system --create-namespace",
    "keda.sh": "install KEDA, or set engines.keda.enabled to false",
    "gateway.networking.k8s.io": "install the Gateway API, or set gateway.httpRoute.enabled to false",
}


def _kinds(asked: Request, served: Kinds) -> list[Check]:
    missing = [(version, kind) for version, kind in kinds(asked.rendered) if (version, kind) not in served.served]
    problems = [
        Check(
            "kinds",
            Verdict.FAILS,
            f"the cluster has no {kind} ({version})",
            _SOURCES.get(version.partition("/")[0], f"the chart needs a Kubernetes with it; this is {served.version}"),
        )
        for version, kind in missing
    ]
    return _held("kinds", problems, f"{len(kinds(asked.rendered))} kinds of objects, Kubernetes {served.version}")


def _operator(asked: Request, facts: Facts, served: Kinds) -> Iterator[Check]:
    ray = [(version, kind) for version, kind in kinds(asked.rendered) if kind == "RayService"]
    if not ray or ray[0] not in served.served:
        return
    if facts.operators is None:
        yield Check("operator", Verdict.UNKNOWN, _NO_RIGHT.format("list Deployments where KubeRay runs"))
    elif not facts.operators:
        text = "its definitions are there, but no KubeRay operator runs: a RayService would stay as it is"
        yield Check("operator", Verdict.FAILS, text, _SOURCES["ray.io"])
    else:
        image = facts.operators[0]
        version = re.search(r"v?(\d+)\.(\d+)", image.rpartition(":")[2])
        if version and (int(version[1]), int(version[2])) < OLDEST_OPERATOR:
            fix = "upgrade it to 1.7 or newer, its definitions first: Helm leaves those as they are"
            yield Check("operator", Verdict.FAILS, f"KubeRay {version[0]} is too old ({image})", fix)
        else:
            yield Check("operator", Verdict.HOLDS if version else Verdict.UNKNOWN, image)


def _images(asked: Request) -> list[Check]:
    found = images(asked.rendered)
    problems = [
        Check("images", Verdict.FAILS, f"{image} ({owner}) names no version", "set image.tag or image.digest")
        for image, owner in found.items()
        if not is_pinned(image)
    ]
    return _held("images", problems, ", ".join(found))


def _secrets(asked: Request, facts: Facts) -> list[Check]:
    named = secrets(asked.rendered)
    if not named:
        return [Check("secrets", Verdict.HOLDS, "none are needed")]
    if facts.secrets is None:
        return [Check("secrets", Verdict.UNKNOWN, _NO_RIGHT.format("get Secrets"))]
    problems = []
    for name, keys in named.items():
        there = facts.secrets.get(name)
        missing = [key for key in keys if key and (there is None or key not in there)]
        if there is None or missing:
            what = f"Secret {name!r} is missing" if there is None else f"Secret {name!r} has no {', '.join(missing)}"
            literals = " ".join(f"--from-literal={key}=…" for key in keys if key)
            make = f"kubectl -n {asked.namespace} create secret generic {name} {literals}".rstrip()
            problems.append(Check("secrets", Verdict.FAILS, what, f"needed for {next(iter(keys.values()))}: {make}"))
    return _held("secrets", problems, ", ".join(named))


def _storage(asked: Request, facts: Facts) -> list[Check]:
    made, named = claims(asked.rendered)
    problems = [
        Check(
            "storage",
            Verdict.FAILS,
            f"PersistentVolumeClaim {name!r} is missing",
            "make it, or set engines.weights.type",
        )
        for name in named
        if name not in facts.claims
    ]
    for name, storage in made.items():
        if facts.storage_classes is None:
            problems.append(Check("storage", Verdict.UNKNOWN, _NO_RIGHT.format("list StorageClasses")))
        elif storage and storage not in facts.storage_classes:
            there = ", ".join(facts.storage_classes) or "none"
            fix = f"set engines.weights.storageClass to one of the cluster's: {there}"
            problems.append(Check("storage", Verdict.FAILS, f"no StorageClass {storage!r} for claim {name}", fix))
        elif not storage and not any(facts.storage_classes.values()):
            fix = "set engines.weights.storageClass: " + (
                ", ".join(facts.storage_classes) or "the cluster has none at all"
            )
            problems.append(Check("storage", Verdict.FAILS, f"no default StorageClass for claim {name}", fix))
    return _held("storage", problems, ", ".join([*made, *named]) or "no claims")


def _gpu_names(asked: Request, facts: Facts) -> Iterator[Check]:
    if asked.simulated:
        return
    there = {node.gpu_type for node in facts.nodes or ()} - {""}
    for name, model in asked.fleet.models.items():
        gpu = model.accelerator.type
        if not model.runs_here or gpu == "cpu" or gpu in there:
            continue
        try:
            catalog.gpu(gpu)
        except CatalogError as exc:
            yield Check("gpus", Verdict.FAILS, f"models.{name}.accelerator.type: {exc}", _what_there_is(facts.nodes))


def _what_there_is(nodes: Iterable[Node] | None) -> str:
    if nodes is None:
        return ""
    found = [f"{pool.gpu or pool.resource} ({pool.free} of {pool.allocatable} free)" for pool in pools(nodes)]
    return f"the cluster has: {', '.join(found) or 'no GPUs'}"


def _fit(asked: Request, facts: Facts) -> list[Check]:
    if facts.nodes is None:
        return [Check("fit", Verdict.UNKNOWN, _NO_RIGHT.format("list nodes, and pods in all namespaces"))]
    wanted = [template.wanted() for template in templates(asked.rendered)]
    verdict = Verdict.UNKNOWN if asked.may_wait else Verdict.FAILS
    problems = [
        Check(
            "fit",
            verdict,
            f"{one.missing} of {one.wanted.count} pods of {one.wanted.owner} would wait: {one.why}",
            _what_there_is(facts.nodes) if one.wanted.gpu else "free something, or add nodes",
        )
        for one in unplaced(wanted, facts.nodes)
    ]
    gpus = sum(one.count * one.requests.get(one.gpu, 0.0) for one in wanted)
    return _held("fit", problems, f"{sum(one.count for one in wanted)} pods, {gpus:.0f} GPUs")


def _quotas(asked: Request, facts: Facts) -> list[Check]:
    if facts.quotas is None:
        return [Check("quota", Verdict.UNKNOWN, _NO_RIGHT.format("list ResourceQuotas"))]
    need = _needs(templates(asked.rendered))
    problems = [problem for quota in facts.quotas for problem in _over(quota, need, facts)]
    return _held("quota", problems, ", ".join(quota.name for quota in facts.quotas) or "none")


def _needs(found: Iterable[Template]) -> dict[str, float]:
    """By the names that quotas use."""
    total: dict[str, float] = {}
    for template in found:
        for name, more in template.wanted().requests.items():
            for key in (name,) if name == "pods" else (f"requests.{name}", name):
                total[key] = total.get(key, 0.0) + more * template.count
        for container in template.spec.get("containers") or ():
            for name, value in ((container.get("resources") or {}).get("limits") or {}).items():
                key = f"limits.{name}"
                total[key] = total.get(key, 0.0) + amount(value) * template.count
    return total


def _over(quota: Quota, need: dict[str, float], facts: Facts) -> Iterator[Check]:
    for key, hard in quota.hard.items():
        held = facts.own.get(key.removeprefix("requests."), 0.0) if not key.startswith("limits.") else 0.0
        others = max(0.0, quota.used.get(key, 0.0) - held)
        if key in need and others + need[key] > hard:
            text = (
                f"ResourceQuota {quota.name!r} allows {key} {hard:g}: others use {others:g}, this needs {need[key]:g}"
            )
            yield Check(
                "quota", Verdict.FAILS, text, "raise the quota, or deploy less (replicas.min, --mode simulated)"
            )


def _refusals(asked: Request, facts: Facts) -> list[Check]:
    """Objects are tried one by one; the same reason is told once."""
    by_reason: dict[str, list[str]] = {}
    lacking = [name for name, refusal in facts.refusals.items() if refusal.lacks_right]
    for name, refusal in facts.refusals.items():
        if name not in lacking:
            by_reason.setdefault(refusal.why.replace(name.partition("/")[2], "…"), []).append(name)
    problems = [
        Check(
            "dry run", Verdict.FAILS, f"the API server would refuse {', '.join(names)}: {facts.refusals[names[0]].why}"
        )
        for names in by_reason.values()
    ]
    if lacking:
        refused = ", ".join(dict.fromkeys(name.partition("/")[0] for name in lacking))
        first = facts.refusals[lacking[0]].why.splitlines()[0]
        fix = f"ask for the Role freehold-deployer of helm/roles.yaml in namespace {asked.namespace}"
        problems.append(Check("rights", Verdict.FAILS, f"no right to make or change {refused}: {first}", fix))
    return _held("dry run", problems, "the API server would take every object")
