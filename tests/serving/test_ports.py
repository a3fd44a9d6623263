"""What the chart relies on in the installed Ray: where the first replica of a pod listens."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

_PORT = re.compile(r'"RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT", "(\d+)"')


def test_the_first_replica_of_a_pod_has_the_port_that_is_scraped() -> None:
    """The PodMonitor and the network policy name it; read, for importing Ray's Serve takes seconds and warns."""
    ray = find_spec("ray")
    assert ray is not None
    assert ray.origin is not None
    [port] = _PORT.findall((Path(ray.origin).parent / "serve" / "_private" / "constants.py").read_text())
    for template, named in (("monitoring", f"$1:{port}'"), ("network", f"port: {port}}}")):
        assert named in Path(f"helm/freehold/templates/{template}.yaml").read_text()
