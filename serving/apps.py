"""The fleet's vLLM models as Ray Serve applications, one each, in a Ray cluster that lives and dies with this process.

HAProxy stands in front of the replicas, which answer HTTP themselves (Ray calls it direct streaming); no Python between
them. Importing this module imports ray, which reads :mod:`serving.environment` at that moment.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation
from ray.serve.schema import ApplicationStatus

from cluster.errors import EngineFailedError
from cluster.spec import Engine, Fleet, Lengths, Model
from serving import autoscaling, tiny
from serving.counters import Limits, counters, vllm_figures
from serving.engine import engine_kwargs, served
from serving.environment import LOG, replica_environment
from serving.home import engine_log, models
from serving.loopback import listen_on_loopback
from serving.proxy import HOST
from serving.simulated.asgi import Application
from serving.simulated.fleet import simulation_of

OBJECT_STORE_BYTES = 100 << 20
"""Almost the least that Ray takes; requests do not pass through it."""
HEALTH_CHECK_S = 2
SIMULATED_CPUS = 0.1
"""Of this machine, for a replica that only answers as if it had its GPUs."""


@dataclass(frozen=True, slots=True)
class State:
    """How far one application has come."""

    running: bool
    failed: bool
    message: str
    """What Serve says about a failure, with tracebacks."""
    replicas: int


UNKNOWN = State(running=False, failed=False, message="", replicas=0)


@serve.ingress()
class Replica:
    """A process that answers for one model, with vLLM's own HTTP application."""

    def __init__(self, config: dict[str, Any], limits: Limits) -> None:
        """``config`` is what ``ray.serve.llm.LLMConfig`` takes; ``limits`` are what the autoscaler counts by."""
        self._config, self._limits = config, limits
        self._server: Any = None

    async def __serve_build_asgi_app__(self) -> Any:  # noqa: ANN401 - Ray's name and vLLM's type
        """Load the model; called by Serve, which serves what this returns."""
        _write_to(os.environ.get(LOG))
        _register_with_others()
        from serving.replica import start_server  # noqa: PLC0415 - brings vLLM, which only a replica needs

        self._server = await start_server(self._config)
        return await self._server.__serve_build_asgi_app__()

    async def check_health(self) -> None:
        """Raise when the engine is dead; Serve then replaces this replica."""
        if self._server is not None:
            await self._server.check_health()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What :class:`serving.autoscaling.SloAutoscaling` sees of it; called by Serve."""
        return counters(vllm_figures(), self._limits)


@serve.ingress()
class SimulatedReplica:
    """A process that answers for one model as vLLM would, without a GPU."""

    def __init__(self, name: str, model: Model, answer_tokens: Lengths, limits: Limits) -> None:
        """What :func:`serving.simulated.fleet.simulation_of` takes, and what the autoscaler counts by."""
        self._name, self._model, self._answer_tokens, self._limits = name, model, answer_tokens, limits
        self._application: Application | None = None

    async def __serve_build_asgi_app__(self) -> Any:  # noqa: ANN401 - Ray's name
        """Called by Serve, which serves what this returns."""
        _write_to(os.environ.get(LOG))
        listen_on_loopback()
        self._application = Application(simulation_of(self._name, self._model, self._answer_tokens))
        return self._application

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What :class:`serving.autoscaling.SloAutoscaling` sees of it; called by Serve."""
        return counters(self._application.figures() if self._application else (), self._limits)


def _register_with_others() -> None:
    """Replicas that start together register the same parts in Ray's store; to come second is no error."""
    from ray.llm._internal.serve.utils.registry import ComponentRegistry  # noqa: PLC0415 - only a replica needs it

    register = ComponentRegistry.register

    def once(self: Any, name: str, value: Any) -> None:  # noqa: ANN401 - Ray's
        try:
            register(self, name, value)
        except ValueError:
            if not self.contains(name):
                raise

    ComponentRegistry.register = once


def start_ray(fleet: Fleet, scratch: str) -> None:
    """Start Ray's processes as children of this one."""
    ray.init(
        include_dashboard=False,
        log_to_driver=False,
        num_cpus=_cpus(fleet),
        object_store_memory=OBJECT_STORE_BYTES,
        _temp_dir=scratch,
    )


def start_serve(port: int) -> None:
    """Start Serve with its HAProxy on ``port``; raises when the port is taken."""
    serve.start(proxy_location=ProxyLocation.HeadOnly, http_options=HTTPOptions(host=HOST, port=port))


def deploy(fleet: Fleet) -> None:
    """Begin to start every model, all at once."""
    targets = []
    for name, model in served(fleet).items():
        if model.engine is not Engine.SIMULATED:
            _fits(name, model)
        target = application(fleet, name, engine_log(name))
        targets.append(serve.RunTarget(target=target, name=name, route_prefix=f"/{name}"))
    serve.run_many(targets, wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)


def states() -> dict[str, State]:
    """Where every application stands now."""
    return {name: _state(application) for name, application in serve.status().applications.items()}


def stop() -> None:
    """End Ray's processes; engines that outlive them are the caller's."""
    ray.shutdown()


def _state(application: Any) -> State:  # noqa: ANN401 - Ray is untyped
    deployments = application.deployments.values()
    failed = application.status in {ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY}
    return State(
        running=application.status == ApplicationStatus.RUNNING,
        failed=failed,
        message="\n".join([application.message, *(deployment.message for deployment in deployments)]),
        replicas=sum(deployment.replica_states.get("RUNNING", 0) for deployment in deployments),
    )


def application(fleet: Fleet, name: str, log: Path | None = None) -> Any:  # noqa: ANN401 - Ray is untyped
    """One model's application; its replicas write to ``log``, or to where Ray has them write."""
    model = fleet.models[name]
    simulated = model.engine is Engine.SIMULATED
    limits = Limits.of(fleet.slo)
    options = {
        "name": name,
        "autoscaling_config": autoscaling.config(fleet, name, model),
        "max_ongoing_requests": model.replicas.max_ongoing_requests,
        "graceful_shutdown_timeout_s": fleet.gateway.deadlines.total,  # who leaves finishes what was begun
        "max_constructor_retry_count": 1,  # what kills one engine at its start kills the next one too
        "health_check_period_s": HEALTH_CHECK_S,
        "placement_group_bundles": _bundles(model),
        "placement_group_strategy": "PACK",
        "logging_config": {"enable_access_log": False},
        "ray_actor_options": {
            "num_cpus": _cpus_of(model),
            "runtime_env": {"env_vars": replica_environment(name, model, log)},
        },
    }
    if simulated:
        target = serve.deployment(SimulatedReplica).options(**options)
        return target.bind(name, model, fleet.traffic.output_tokens, limits)
    return serve.deployment(Replica).options(**options).bind(_llm_config(name, model), limits)


def _llm_config(name: str, model: Model) -> dict[str, Any]:
    on_cpu = model.accelerator.type == "cpu"
    hardware = {"accelerator_config": {"kind": "cpu"}} if on_cpu else {"accelerator_type": model.accelerator.type}
    return {
        "model_loading_config": {
            "model_id": model.served_as or name,
            "model_source": tiny.locate(model.source, models()),
        },
        "engine_kwargs": engine_kwargs(name, model),
        "log_engine_metrics": False,  # vLLM's own /metrics instead of Ray's agent
        **hardware,
    }


def _bundles(model: Model) -> list[dict[str, float]]:
    """What one replica occupies: a bundle a GPU, the first one with its CPUs."""
    accelerator = model.accelerator
    if model.engine is Engine.SIMULATED:
        return [{"CPU": SIMULATED_CPUS}]
    gpu = {"GPU": 1.0, f"accelerator_type:{accelerator.type}": 0.001}
    first = {"CPU": accelerator.cpus} | (gpu if accelerator.count else {})
    return [first, *({**gpu} for _ in range(accelerator.count - 1))]


def _fits(name: str, model: Model) -> None:
    """Serve would wait forever for a GPU that is not there."""
    wanted = f"accelerator_type:{model.accelerator.type}"
    if model.accelerator.count and wanted not in ray.cluster_resources():
        present = [key.partition(":")[2] for key in ray.cluster_resources() if key.startswith("accelerator_type:")]
        cause = f"it needs a GPU of type {model.accelerator.type}; this machine has {', '.join(present) or 'none'}"
        raise EngineFailedError(name, cause, "accelerator.type in the fleet file")


def _cpus(fleet: Fleet) -> float:
    """As many as this machine has, or more where the fleet's replicas would not fit: then they share them."""
    wanted = sum(model.replicas.max * _cpus_of(model) for model in fleet.models.values())
    return max(wanted, psutil.cpu_count() or 1)


def _cpus_of(model: Model) -> float:
    return SIMULATED_CPUS if model.engine is Engine.SIMULATED else model.accelerator.cpus


def _write_to(log: str | None) -> None:
    """Append the output of this process, and of those it starts, to a file."""
    if log is None:
        return
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
