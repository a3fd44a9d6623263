"""Would these pods find nodes now? The scheduler's own rules as far as a fleet needs them, before anything is applied.

Counted: requests, node selectors, taints, cordons. Not counted: affinity, topology spread, volumes' zones, priorities
that would push others out. Pods are placed largest first, each where least is left over, so a fleet that fits at all is
nearly always found to. Neighbour: :mod:`cluster.kube.gpus.inventory`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cluster.kube.gpus.inventory import Node, Taint

_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint that a pod puts up with."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def covers(self, taint: Taint) -> bool:
        """As the scheduler reads it."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.operator == "Exists":
            return not self.key or self.key == taint.key
        return (self.key, self.value) == (taint.key, taint.value)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Pods of one kind that must find nodes."""

    owner: str
    """Whose they are, for messages: ``RayService/fleet-llama``."""
    count: int
    requests: Mapping[str, float]
    """Each."""
    selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    gpu: str = ""
    """The resource that is its GPUs; empty without."""


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Pods that would wait."""

    wanted: Wanted
    missing: int
    why: str


def unplaced(wanted: Iterable[Wanted], nodes: Iterable[Node]) -> tuple[Unplaced, ...]:
    """What would find no node, each with why; empty when everything fits."""
    all_nodes = tuple(nodes)
    free = {node.name: dict(node.free) for node in all_nodes}
    failed = []
    for one in sorted(wanted, key=_size, reverse=True):
        placed = sum(1 for _ in range(one.count) if _place(one, all_nodes, free))
        if placed < one.count:
            failed.append(Unplaced(one, one.count - placed, _why(one, all_nodes, free)))
    return tuple(failed)


def room(wanted: Wanted, nodes: Iterable[Node], most: int = 1000) -> int:
    """How many such pods would fit beside what runs."""
    all_nodes = tuple(nodes)
    free = {node.name: dict(node.free) for node in all_nodes}
    count = 0
    while count < most and _place(wanted, all_nodes, free):
        count += 1
    return count


def _size(one: Wanted) -> tuple[float, float, float]:
    return one.requests.get(one.gpu, 0.0), one.requests.get("memory", 0.0), one.requests.get("cpu", 0.0)


def _place(one: Wanted, nodes: Iterable[Node], free: Mapping[str, dict[str, float]]) -> bool:
    able = [node.name for node in nodes if not _refusal(one, node) and not _short(one, free[node.name])]
    if not able:
        return False
    key = one.gpu or "cpu"
    left = free[min(able, key=lambda name: (free[name].get(key, 0.0), name))]
    for name, amount in one.requests.items():
        left[name] = left.get(name, 0.0) - amount
    return True


def _refusal(one: Wanted, node: Node) -> str:
    """Why a node would never take such a pod, however empty; empty where it would."""
    wrong = [f"{key}={value}" for key, value in one.selector.items() if node.labels.get(key) != value]
    if wrong:
        return f"is not {', '.join(wrong)}"
    if not node.ready:
        return "; ".join(node.complaints) or "is not ready"
    kept_off = [str(taint) for taint in node.taints if not any(item.covers(taint) for item in one.tolerations)]
    if kept_off:
        return f"has the taint {', '.join(kept_off)}"
    return ""


def _short(one: Wanted, free: Mapping[str, float]) -> list[str]:
    return [name for name, amount in one.requests.items() if amount > free.get(name, 0.0) + _TINY]


def _why(one: Wanted, nodes: tuple[Node, ...], free: Mapping[str, dict[str, float]]) -> str:
    able = [node for node in nodes if not _refusal(one, node)]
    if not able:
        reasons = sorted({_refusal(one, node) for node in nodes})
        return "no node would take it: " + ("; ".join(reasons[:4]) or "there are none")
    need = one.requests.get(one.gpu, 0.0)
    blocks = {node.name: free[node.name].get(one.gpu, 0.0) for node in able}
    total, best = sum(blocks.values()), max(blocks, key=lambda name: blocks[name])
    if need and blocks[best] + _TINY < need:
        said = f"each needs {need:.0f} {one.gpu} on one node; {total:.0f} are free on {len(able)} nodes"
        scattered = ", but scattered: fragmentation" if total >= need else ""
        return f"{said}, at most {blocks[best]:.0f} together ({best}){scattered}"
    lacking = sorted({name for node in able for name in _short(one, free[node.name])})
    return f"no node has enough {', '.join(lacking)} left for one more ({_sizes(one)})"


def _sizes(one: Wanted) -> str:
    parts = [f"{one.requests[one.gpu]:.0f} {one.gpu}"] if one.gpu else []
    parts.append(f"{one.requests.get('cpu', 0.0):g} cores")
    parts.append(f"{one.requests.get('memory', 0.0) / 2**30:.0f} GiB")
    return ", ".join(parts)
