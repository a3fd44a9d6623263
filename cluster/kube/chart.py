"""The chart's generated files: ``values.yaml``, ``values.schema.json`` and the chart's README.

``helm/freehold`` holds what these functions return, written by ``python -m cluster.kube.chart``; a test compares them.
Neighbour: :mod:`cluster.kube.values`.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cluster.kube.values import Values
from cluster.schema import tidied

_WIDTH = 118
_HEAD = """\
# The chart's defaults. What an installation needs comes from its fleet file:
#   freehold helm-values --fleet fleet.yaml > values.yaml
"""


def schema() -> str:
    """JSON Schema of values.yaml (draft 7, as Helm 3 reads it), indented."""
    generated = Values.model_json_schema(ref_template="#/definitions/{model}")
    generated["definitions"] = generated.pop("$defs")
    generated["properties"]["global"] = {"type": "object", "description": "Helm's own; not used."}
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the Freehold chart"}
    return json.dumps(tidied(generated) | head, indent=2, ensure_ascii=False) + "\n"


def values_yaml() -> str:
    """The defaults as YAML, each with what it means above it."""
    return _HEAD + "\n".join(_lines(Values(), 0)) + "\n"


def readme() -> str:
    """A table of every value."""
    rows = [f"| `{path}` | `{default}` | {meaning} |" for path, default, meaning in _rows(Values(), "")]
    return _README + "\n".join(["| value | default | meaning |", "|---|---|---|", *rows]) + "\n"


def release(values: Values) -> dict[str, Any]:
    """The values of one release, without what is a default anyway; lists have no defaults, so theirs are whole."""
    whole, kept = values.model_dump(mode="json"), values.model_dump(mode="json", exclude_defaults=True)
    kept["models"] = whole["models"]
    if values.engines.gpu_profiles:
        kept["engines"]["gpuProfiles"] = whole["engines"]["gpuProfiles"]
    return kept


def as_yaml(values: Values) -> str:
    """The same as YAML."""
    import yaml  # noqa: PLC0415 - a tenth of a second that only this command needs

    return str(yaml.dump(release(values), Dumper=_block_dumper(), sort_keys=False, allow_unicode=True, width=_WIDTH))


def _block_dumper() -> Any:  # noqa: ANN401 - a class that PyYAML makes
    import yaml  # noqa: PLC0415 - as above

    class Dumper(yaml.SafeDumper):
        """Writes texts of several lines as they are."""

    def text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)

    Dumper.add_representer(str, text)
    return Dumper


def _lines(value: BaseModel, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, field in type(value).model_fields.items():
        inner = getattr(value, name)
        meaning = _meaning(field.description or (type(inner).__doc__ if isinstance(inner, BaseModel) else ""))
        if not depth:
            yield ""
        yield from textwrap.wrap(meaning, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        if isinstance(inner, BaseModel):
            yield f"{indent}{field.alias}:"
            yield from _lines(inner, depth + 1)
        else:
            yield f"{indent}{field.alias}: {_plain(value, name)}"


def _rows(value: BaseModel, above: str) -> Iterator[tuple[str, str, str]]:
    for name, field in type(value).model_fields.items():
        inner = getattr(value, name)
        if isinstance(inner, BaseModel):
            yield from _rows(inner, f"{above}{field.alias}.")
        else:
            yield f"{above}{field.alias}", _plain(value, name), _meaning(field.description).replace("|", r"\|")


def _plain(value: BaseModel, name: str) -> str:
    """A default as JSON, which is YAML too."""
    dumped = value.model_dump(mode="json", include={name})
    return json.dumps(next(iter(dumped.values())))


def _meaning(text: str | None) -> str:
    return str(tidied(text or ""))


_README = """\
# The Freehold chart

Generated from the same source as `values.schema.json`; unknown values are refused. The way to an installation, and what
to do before and after, is in [docs/kubernetes.md](../../docs/kubernetes.md).

```console
$ freehold helm-values --fleet fleet.yaml > values.yaml      # nobody writes a model twice
$ helm upgrade --install freehold helm/freehold --namespace freehold --create-namespace -f values.yaml
```

"""


if __name__ == "__main__":
    for name, text in {"values.yaml": values_yaml(), "values.schema.json": schema(), "README.md": readme()}.items():
        Path("helm/freehold", name).write_text(text, encoding="utf-8")
