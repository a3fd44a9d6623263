"""values.yaml of the chart as nouns: its defaults, its JSON Schema and its README come from here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cluster.kube.values.base import Labels, SecretKey, Value
from cluster.kube.values.engines import Engines, GpuProfile, ModelRelease
from cluster.kube.values.gateway import Database, Gateway, HostedKey
from cluster.kube.values.network import LoadTest, Monitoring, NetworkPolicy

__all__ = ["Database", "Gateway", "GpuProfile", "HostedKey", "ModelRelease", "SecretKey", "Values"]


class Image(Value):
    """One repository holds the images of gateway, engines and load tests."""

    repository: str = "ghcr.io/freehold/freehold"
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", json_schema_extra={"not": {"const": "latest"}})] = ""
    """Empty: the chart's appVersion. ``latest`` is refused: nobody could say what runs."""
    engine_suffix: str = "-gpu"
    """Added to the tag where engines run: ``-gpu`` (vLLM for NVIDIA) or ``-cpu``."""
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    """Pins the gateway's image whatever the tag."""
    engine_digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    """Pins the engines' image whatever the tag."""
    load_test_digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    """Pins the image of load tests, otherwise the tag with ``-loadtest``."""
    pull_secrets: tuple[str, ...] = ()


class Values(Value):
    """Everything that an installation may set."""

    name_override: str = ""
    """Instead of the release's name in the objects' names."""
    labels: Labels = Field(default={})
    """On every object."""
    fleet: str = ""
    """The fleet file, as it is. Comes with ``models`` from ``freehold helm-values``."""
    models: tuple[ModelRelease, ...] = ()
    """What of the fleet runs in the cluster. From ``freehold helm-values``."""
    image: Image = Image()
    gateway: Gateway = Gateway()
    database: Database = Database()
    engines: Engines = Engines()
    network_policy: NetworkPolicy = NetworkPolicy()
    monitoring: Monitoring = Monitoring()
    load_test: LoadTest = LoadTest()
