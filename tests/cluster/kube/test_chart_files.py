"""The chart's generated files are what their generator says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from cluster.kube import chart
from cluster.kube.render import values_of
from cluster.load import load_fleet

CHART = Path("helm/freehold")
REMEDY = "write it anew with `python -m cluster.kube.chart`"


@pytest.mark.parametrize(
    ("file", "generated"),
    [
        pytest.param("values.yaml", chart.values_yaml, id="values"),
        pytest.param("values.schema.json", chart.schema, id="schema"),
        pytest.param("README.md", chart.readme, id="readme"),
    ],
)
def test_is_up_to_date(file: str, generated: object) -> None:
    """What is committed is what the nouns say."""
    assert callable(generated)
    assert (CHART / file).read_text() == generated(), REMEDY


def test_defaults_obey_their_schema() -> None:
    """values.yaml is valid by values.schema.json."""
    validator = Draft7Validator(json.loads(chart.schema()))
    assert list(validator.iter_errors(yaml.safe_load(chart.values_yaml()))) == []


@pytest.mark.parametrize("file", sorted(Path("fleets").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_fleet_makes_valid_values(file: Path) -> None:
    """Whatever fleet, the schema accepts its values, and YAML keeps them as they are."""
    values = values_of(load_fleet(file), file.read_text(), open_to_all=True)
    written = yaml.safe_load(chart.as_yaml(values))
    assert written == chart.release(values)
    assert list(Draft7Validator(json.loads(chart.schema())).iter_errors(written)) == []
    assert written["fleet"] == file.read_text()
