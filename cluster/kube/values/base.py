"""What every noun of the chart's values shares: Helm's spelling, nothing unknown, parts of Kubernetes' own objects."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

Object = dict[str, JsonValue]
"""A part of a Kubernetes object, as its reference describes it; passed on as it is."""
Labels = dict[str, str]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?([kMGTPE]i?|m)?$")]
"""An amount as Kubernetes writes it: ``500m``, ``16Gi``."""
Count = Annotated[int, Field(ge=0, le=10_000)]
Seconds = Annotated[int, Field(ge=0, le=604_800)]
Port = Annotated[int, Field(ge=1, le=65_535)]


class Value(BaseModel):
    """A part of values.yaml. Unknown keys are refused, so that a typo never passes as a default."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
    )


class Resources(Value):
    """CPU and memory of a container."""

    requests: dict[str, Quantity] = Field(default={})
    limits: dict[str, Quantity] = Field(default={})


class SecretKey(Value):
    """One key of a Secret that exists already; the chart never holds a secret itself."""

    name: str = ""
    """The Secret's name, in the release's namespace."""
    key: str = ""
    """The key in it."""
