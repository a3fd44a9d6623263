"""What the chart relies on in the installed Ray: where the first replica of a pod listens."""

from __future__ import annotations

from pathlib import Path

from ray.serve._private import constants


def test_the_first_replica_of_a_pod_has_the_port_that_is_scraped() -> None:
    """The PodMonitor and the network policy name it."""
    port = constants.RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT
    for template, named in (("monitoring", f"$1:{port}'"), ("network", f"port: {port}}}")):
        assert named in Path(f"helm/freehold/templates/{template}.yaml").read_text()
