"""``freehold gpus``: what a cluster has, what of it is free, and what that could host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from cluster.cli.kubernetes import connect, context_option
from cluster.cli.options import echo_json, json_option
from cluster.cli.tables import show
from cluster.kube.deploy.survey import read_nodes
from cluster.kube.gpus.fit import Toleration, Wanted
from cluster.kube.gpus.hosting import Hosted, More, catalogue_room, fleet_room
from cluster.kube.gpus.inventory import Node, Pool, amount, pools
from cluster.kube.render import values_of
from cluster.kube.values import GpuProfile, ModelRelease
from cluster.kube.values.engines import Mode
from cluster.load import load_fleet


@click.command()
@click.option(
    "--fleet", "file", type=click.Path(path_type=Path), help="A fleet file: how many replicas more would fit?"
)
@context_option
@click.option("--catalogue", is_flag=True, help="Which models of the catalogue would the free GPUs hold?")
@json_option
def gpus(file: Path | None, context: str, *, catalogue: bool, as_json: bool) -> None:
    """Show a cluster's GPUs by node: type, allocated, free, scattered, unwell; and what the free ones could host."""
    nodes = read_nodes(connect(context, ""))
    found = pools(nodes)
    more = fleet_room(_replicas(file), nodes) if file else ()
    hosted = catalogue_room(found, nodes) if catalogue else ()
    if as_json:
        facts = {"nodes": [_node(node) for node in nodes if node.gpus], "pools": [asdict(pool) for pool in found]}
        echo_json(facts | {"fleet": [asdict(one) for one in more], "catalogue": [asdict(one) for one in hosted]})
        return
    if not found:
        click.echo("No node offers a GPU. Is the vendor's device plugin installed, and its pods running?")
        return
    show(_nodes_table(node for node in nodes if node.gpus))
    show(_pools_table(found))
    if more:
        show(_fleet_table(more))
    if hosted:
        show(_catalogue_table(hosted))


def _replicas(file: Path) -> list[tuple[str, Wanted]]:
    """What one replica of each model asks for, as the chart would."""
    values = values_of(load_fleet(file), "", mode=Mode.RAY, open_to_all=True)
    profiles = values.engines.gpu_profiles
    return [(one.name, _replica(one, profiles[one.gpu])) for one in values.models if one.gpu in profiles]


def _replica(model: ModelRelease, profile: GpuProfile) -> Wanted:
    each = model.gpus // model.hosts
    requests = {
        profile.resource: float(each),
        "cpu": amount(profile.cpu) * each,
        "memory": amount(profile.memory) * each,
        "pods": 1.0,
    }
    tolerations = tuple(Toleration(**{key: str(value) for key, value in one.items()}) for one in profile.tolerations)
    selector = {label: value for label, value in profile.node_selector.items() if value is not None}
    return Wanted(model.name, model.hosts, requests, selector, tolerations, profile.resource)


def _node(node: Node) -> dict[str, object]:
    used = {name: int(node.held.get(name, 0.0)) for name in node.gpus}
    return {
        "node": node.name,
        "gpu": node.gpu_type,
        "allocatable": {name: int(node.allocatable[name]) for name in node.gpus},
        "allocated": used,
        "free": {name: int(node.free[name]) if node.ready else 0 for name in node.gpus},
        "takes_pods": node.ready,
        "taints": [str(taint) for taint in node.taints],
        "complaints": list(node.complaints),
    }


def _nodes_table(nodes: Iterable[Node]) -> Table:
    table = Table("node", "GPU", "resource", box=SIMPLE_HEAD)
    for column in ("all", "allocated", "free"):
        table.add_column(column, justify="right")
    table.add_column("health", overflow="fold")
    for node in nodes:
        for name in node.gpus:
            held, free = int(node.held.get(name, 0.0)), int(node.free[name]) if node.ready else 0
            counts = (str(int(node.allocatable[name])), str(held), str(free))
            table.add_row(
                node.name,
                node.gpu_type or "?",
                name,
                *counts,
                "; ".join((*node.complaints, *_kept_off(node, name))) or "well",
            )
    return table


def _kept_off(node: Node, resource: str) -> Iterator[str]:
    """Taints but the usual one, which every pod with a GPU tolerates."""
    return (f"taint {taint}" for taint in node.taints if taint.key != resource)


def _pools_table(found: Iterable[Pool]) -> Table:
    table = Table("GPU", "resource", box=SIMPLE_HEAD)
    for column in ("nodes", "all", "allocated", "free", "most together", "scattered"):
        table.add_column(column, justify="right")
    for pool in found:
        counts = (pool.nodes, pool.allocatable, pool.allocated, pool.free, pool.largest_free)
        table.add_row(pool.gpu or "?", pool.resource, *map(str, counts), f"{pool.fragmentation:.0%}")
    return table


def _fleet_table(more: Iterable[More]) -> Table:
    table = Table("model", "GPUs each", "replicas more", box=SIMPLE_HEAD)
    for one in more:
        table.add_row(one.model, f"{one.gpus} x {one.gpu}", str(one.replicas))
    return table


def _catalogue_table(hosted: Iterable[Hosted]) -> Table:
    table = Table("model", "weights", "GPUs each", "replicas at most", box=SIMPLE_HEAD)
    for one in hosted:
        table.add_row(one.model, one.quant, f"{one.gpus} x {one.gpu}", str(one.replicas))
    return table
