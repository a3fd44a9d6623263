"""A fleet file becomes the chart's values: what runs in the cluster, on which GPUs, with which Secrets.

Invariant: nothing is written twice; what the fleet file says goes into the values as it is. What cannot run on
Kubernetes is refused here, with the field's name, before anything is applied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pydantic import JsonValue

from cluster.errors import CatalogError, UsageError
from cluster.kube.gpus.inventory import PRODUCT, PRODUCTS
from cluster.kube.values import Database, Gateway, GpuProfile, HostedKey, ModelRelease, SecretKey, Values
from cluster.kube.values.engines import Engines, Mode
from cluster.spec import Engine, Fleet, Model
from cluster.spec.base import FieldPath, dotted
from cluster.spec.slug import slug

GPUS_PER_NODE = 8
_CPU = "cpu"
_SECRET = "freehold"  # noqa: S105 - a Secret's name


def values_of(fleet: Fleet, text: str, *, mode: Mode = Mode.RAY, open_to_all: bool = False) -> Values:
    """The values of a release that runs ``fleet``, whose file says ``text``.

    Raises:
        UsageError: with every field that does not fit Kubernetes.

    """
    problems = [f"{dotted(path)}: {why}" for path, why in _misfits(fleet, mode, open_to_all=open_to_all)]
    if problems:
        raise UsageError("\n".join(problems))
    promises = fleet.model_dump(mode="json", include={"slo", "traffic"}, exclude_defaults=True)
    models = tuple(_release(name, model, promises) for name, model in fleet.models.items() if model.engine in STARTED)
    deadlines = fleet.gateway.deadlines
    engines = Engines(
        mode=mode,
        gpu_profiles={release.gpu: _profile(release.gpu) for release in models if release.gpu != _CPU},
        longest_answer_seconds=max(10, round(deadlines.total)),
        leave_seconds=math.ceil(fleet.gateway.limits.reuse_seconds) + 5,
    )
    return Values(
        fleet=text,
        models=models,
        gateway=Gateway(
            hosted_keys=tuple(HostedKey(env=env, secret=SecretKey(name=_SECRET, key=env)) for env in fleet.key_envs)
        ),
        database=_database(fleet),
        engines=engines,
    )


def _database(fleet: Fleet) -> Database:
    if fleet.tenants.access == "open":
        return Database()
    return Database(url=SecretKey(name=_SECRET, key="database-url"), pepper=SecretKey(name=_SECRET, key="pepper"))


def _release(name: str, model: Model, promises: dict[str, JsonValue]) -> ModelRelease:
    accelerator = model.accelerator
    return ModelRelease(
        name=name,
        slug=slug(name),
        spec=model.model_dump(mode="json", exclude_defaults=True),
        promises=promises,
        gpu=accelerator.type,
        gpus=accelerator.count,
        hosts=max(1, -(-accelerator.count // GPUS_PER_NODE)),
        cpus=accelerator.cpus,
        min_replicas=model.replicas.min,
        max_replicas=model.replicas.max,
    )


def _profile(gpu: str) -> GpuProfile:
    product = PRODUCTS.get(gpu)
    return GpuProfile(node_selector={PRODUCT: product} if product else {})


def _misfits(fleet: Fleet, mode: Mode, *, open_to_all: bool) -> Iterator[tuple[FieldPath, str]]:
    if fleet.tenants.access == "open" and not open_to_all:
        yield ("tenants", "access"), "'open' lets everyone in the cluster in; set keys, or say --open-to-all"
    for name, model in fleet.models.items():
        if model.engine in STARTED:
            yield from (((("models", name, *path), why)) for path, why in _model_misfits(model, mode))


def _model_misfits(model: Model, mode: Mode) -> Iterator[tuple[FieldPath, str]]:
    arguments, count = model.engine_args, model.accelerator.count
    if model.source.startswith(("/", ".")):
        yield ("source",), "a path of this machine is in no pod; name a model of the hub, or put the path in the image"
    parallel = 1
    for field in ("tensor_parallel_size", "pipeline_parallel_size"):
        given = arguments.get(field, 1)
        parallel *= given if isinstance(given, int) else 1
    if "tensor_parallel_size" in arguments and parallel != count:
        why = f"tensor x pipeline parallel is {parallel}, but accelerator.count is {count}; make them equal"
        yield ("engine_args", "tensor_parallel_size"), why
    if count > GPUS_PER_NODE and mode is Mode.PLAIN:
        yield ("accelerator", "count"), f"a plain engine runs on one node of {GPUS_PER_NODE} GPUs; use --mode ray"
    if mode is not Mode.SIMULATED and (why := _overflow(model)):
        yield (), why


def _overflow(model: Model) -> str:
    """Why vLLM would not start for want of memory; empty where it would, and where nobody has figures."""
    if model.engine is not Engine.VLLM or model.accelerator.type == _CPU:
        return ""
    from cluster.latency.replica import misfit, replica_of  # noqa: PLC0415 - numpy loads when it is needed

    try:
        return misfit(replica_of(model))
    except CatalogError:
        return ""


STARTED = {Engine.VLLM, Engine.SIMULATED}
"""Engines that run in the cluster; the others run somewhere already."""
