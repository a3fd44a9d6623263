"""Whether there is enough of everything for a release now: GPUs of the right type, on one node, within the quotas.

Part of :mod:`cluster.kube.deploy.preflight`; pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cluster.catalog import gpus as catalog
from cluster.errors import CatalogError
from cluster.kube.deploy.checks import NO_RIGHT, Check, Request, Verdict, held
from cluster.kube.deploy.survey import Facts, Quota
from cluster.kube.deploy.wanted import Template, templates
from cluster.kube.gpus.fit import unplaced
from cluster.kube.gpus.inventory import Node, amount, pools


def gpu_names(asked: Request, facts: Facts) -> Iterator[Check]:
    """Types of GPUs that neither the cluster nor the catalogue knows."""
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


def fit(asked: Request, facts: Facts) -> list[Check]:
    """Pods that would find no node now."""
    if facts.nodes is None:
        return [Check("fit", Verdict.UNKNOWN, NO_RIGHT.format("list nodes, and pods in all namespaces"))]
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
    return held("fit", problems, f"{sum(one.count for one in wanted)} pods, {gpus:.0f} GPUs")


def quotas(asked: Request, facts: Facts) -> list[Check]:
    """ResourceQuotas that the release would pass."""
    if facts.quotas is None:
        return [Check("quota", Verdict.UNKNOWN, NO_RIGHT.format("list ResourceQuotas"))]
    need = _needs(templates(asked.rendered))
    problems = [problem for quota in facts.quotas for problem in _over(quota, need, facts)]
    return held("quota", problems, ", ".join(quota.name for quota in facts.quotas) or "none")


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
