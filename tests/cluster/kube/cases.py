"""What the chart is tried with: values for each way to use it, kept in ``helm/freehold/ci`` for anybody's tests.

``python -m tests.cluster.kube.cases`` writes them anew from the example fleets; a test compares.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.cluster.kube.rendered import CHART, Object, merged, values

EVERYTHING: Object = {
    "gateway": {
        "ingress": {"enabled": True, "host": "llm.example.org", "tlsSecret": "tls", "className": "nginx"},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "edge"}], "hostnames": ["llm.example.org"]},
        "hostedKeys": [{"env": "ANTHROPIC_API_KEY", "secret": {"name": "hosted", "key": "claude"}}],
    },
    "database": {"url": {"name": "db", "key": "url"}, "pepper": {"name": "db", "key": "pepper"}},
    "image": {"pullSecrets": ["registry"]},
    "engines": {"weights": {"type": "create", "hubToken": {"name": "hub", "key": "token"}}},
    "loadTest": {"enabled": True, "key": {"name": "loadtest", "key": "key"}},
    "monitoring": {"gpuAgent": True},
    "labels": {"team": "llm"},
}
_REDIS: Object = {"redis": "redis.llm.svc:6379", "password": {"name": "redis", "key": "password"}}
_STEPS: Object = {"type": "NewClusterWithIncrementalUpgrade", "spareGpus": 3, "gatewayClass": "istio"}
_MIG: Object = {
    "resource": "nvidia.com/mig-3g.40gb",
    "runtimeClassName": "nvidia",
    "nodeSelector": {"nvidia.com/mig.strategy": "mixed"},
    "spread": [],
}
_AMD: Object = {
    "resource": "amd.com/gpu",
    "nodeSelector": {"amd.com/gpu.product-name": "AMD_Instinct_MI300X"},
    "tolerations": [{"key": "amd.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
}


def cases() -> dict[str, Object]:
    """Values by name."""
    ray, plain, simulated = (values("h100", mode) for mode in ("ray", "plain", "simulated"))
    large = values("h100", "ray")
    large["models"][1] |= {"gpus": 16, "hosts": 2, "minReplicas": 2, "spec": {"source": "acme/large"}}
    return {
        "ray": merged(ray, EVERYTHING),
        "ray-steps": merged(ray, {"engines": {"ray": {"upgrade": _STEPS, "faultTolerance": _REDIS, "haProxy": False}}}),
        "ray-two-nodes": merged(large, {"engines": {"ray": {"tokenSecret": "ray-token"}}}),
        "plain": merged(plain, EVERYTHING),
        "plain-keda": merged(plain, {"engines": {"keda": {"enabled": True, "prometheus": "http://prometheus:9090"}}}),
        "plain-mig": merged(plain, {"engines": {"gpuProfiles": {"H100": _MIG}, **_kept("existing", claim="weights")}}),
        "plain-amd": merged(
            plain, {"engines": {"gpuProfiles": {"H100": _AMD}, **_kept("hostPath", path="/mnt/weights")}}
        ),
        "simulated": merged(simulated, EVERYTHING),
        "simulated-small": merged(
            simulated, {"gateway": {"replicas": 1, "autoscaling": {"enabled": False}}, "networkPolicy": _off()}
        ),
        "hosted": values("spillover", "simulated"),
    }


def _kept(kind: str, **where: str) -> Object:
    return {"weights": {"type": kind, **where}}


def _off() -> Object:
    return {"enabled": False}


def written(name: str) -> str:
    """A case's file."""
    head = f"# Written by `python -m tests.cluster.kube.cases`: {name}.\n"
    return head + yaml.safe_dump(cases()[name], sort_keys=True, allow_unicode=True, width=118)


def file_of(name: str) -> Path:
    """Where it is kept, as chart-testing looks for it."""
    return CHART / "ci" / f"{name}-values.yaml"


if __name__ == "__main__":
    file_of("ray").parent.mkdir(exist_ok=True)
    for case in cases():
        file_of(case).write_text(written(case), encoding="utf-8")
