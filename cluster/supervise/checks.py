"""What can be known to go wrong before anything starts: a minute of loading is a bad way to learn of a busy port."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psutil

from cluster.errors import AlreadyRunningError, NotEnoughMemoryError, NotRunningError, PortInUseError, StartError
from cluster.spec import Engine, Fleet
from cluster.supervise import memory
from cluster.supervise.plan import Plan
from cluster.supervise.processes import of_run


def check(plan: Plan) -> None:
    """Raise the first reason why ``plan`` cannot work here."""
    no_leftovers(plan)
    port_free(plan.fleet.gateway.host, plan.port)
    keys_present(plan.fleet)
    if plan.has_engines:
        engines_installed(plan)
        sources_exist(plan.fleet)
        gpus_suffice(plan.fleet, visible_gpus())
        memory_suffices(memory.needed(plan.fleet, with_ray=not plan.plain), psutil.virtual_memory().available)


def no_leftovers(plan: Plan) -> None:
    """A fleet whose supervisor was killed may still serve; only the user can tell whether it should."""
    try:
        record = plan.home.read()
    except NotRunningError:
        return
    if record.supervisor_process() or of_run(record.run):
        msg = f"fleet {record.fleet!r} runs under {plan.home.root} at {record.url}; stop it with: freehold down"
        raise AlreadyRunningError(msg)


def port_free(host: str, port: int) -> None:
    """Raise PortInUseError, naming the process that listens where it can be seen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                msg = f"port {port} is in use{_listener(port)}; stop that, or choose another with --port"
                raise PortInUseError(msg) from exc
            msg = f"cannot listen on {host}:{port}: {exc.strerror}; see gateway.host and --port"
            raise StartError(msg) from exc


def _listener(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
        pids = [c.pid for c in connections if c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN]
        return f" by {psutil.Process(pids[0]).name()} (pid {pids[0]})" if pids and pids[0] else ""
    except psutil.Error:
        return ""


def keys_present(fleet: Fleet) -> None:
    """A hosted model, or another site, answers nobody without a key."""
    for name, model in fleet.models.items():
        if model.engine is Engine.CLAUDE and not os.environ.get(model.key_env, "").strip():
            msg = f"model {name!r}: the environment variable {model.key_env} holds no key; set it, or remove the model"
            raise StartError(msg)
    for name, site in fleet.sites.items():
        if name != fleet.here and site.api_key_env and not os.environ.get(site.api_key_env, "").strip():
            msg = f"site {name!r}: the environment variable {site.api_key_env} holds no key; set it, or remove the site"
            raise StartError(msg)


def engines_installed(plan: Plan) -> None:
    """Engines need what the base install leaves out."""
    real = any(model.engine is Engine.VLLM for model in plan.fleet.models.values())
    wanted = [*([] if plan.plain else ["ray"]), *(["vllm"] if real else [])]
    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        msg = f"{' and '.join(missing)} not installed; run make serve, or see README for machines with GPUs"
        raise StartError(msg)


def sources_exist(fleet: Fleet) -> None:
    """A model given as a local path must be there; what the hub has, only the hub knows."""
    for name, model in fleet.models.items():
        if model.source.startswith(("/", ".")) and not Path(model.source).is_dir():
            msg = f"model {name!r}: there is no directory {model.source}; see models.{name}.source"
            raise StartError(msg)


def gpus_suffice(fleet: Fleet, present: int) -> None:
    """The replicas that always run must find their GPUs; otherwise Ray would wait for them forever."""
    engines = [model for model in fleet.models.values() if model.engine is Engine.VLLM]
    wanted = sum(model.accelerator.count * model.replicas.min for model in engines)
    if wanted > present:
        msg = f"the fleet needs {wanted} GPUs and this machine shows {present}; fleets/demo.yaml needs none"
        raise StartError(msg)


def visible_gpus() -> int:
    """GPUs that the NVIDIA driver lists."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False, timeout=30)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def memory_suffices(needed: int, available: int) -> None:
    """Raise NotEnoughMemoryError with both figures."""
    if needed > available:
        gib = memory.GIB
        msg = (
            f"the engines need about {needed / gib:.1f} GiB and {available / gib:.1f} GiB are available; "
            "take smaller models or fewer replicas, or close something"
        )
        raise NotEnoughMemoryError(msg)
