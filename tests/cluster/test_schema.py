"""What is generated from the nouns says all of them, and the generated files are current."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cluster.load import load_fleet
from cluster.schema import fleet_schema, reference

FLEETS = sorted(Path("fleets").glob("*.yaml"))


def test_the_schema_file_is_current() -> None:
    """Editors read what the code checks: freehold schema > fleets/fleet.schema.json."""
    assert json.loads(Path("fleets/fleet.schema.json").read_text()) == fleet_schema()


def test_the_reference_is_current() -> None:
    """People read what the code checks: freehold schema --markdown > docs/reference/fleet.md."""
    assert Path("docs/reference/fleet.md").read_text() == reference()


@pytest.mark.parametrize("file", FLEETS, ids=lambda file: file.stem)
def test_every_example_loads_and_satisfies_the_schema(file: Path) -> None:
    """An example is right for Freehold and for an editor, which its first line leads to the schema."""
    content = file.read_text()
    jsonschema.validate(yaml.safe_load(content), fleet_schema())
    assert load_fleet(file).name == file.stem
    assert content.startswith("# yaml-language-server: $schema=fleet.schema.json\n")


def test_the_schema_is_valid_and_refuses_what_is_unknown() -> None:
    """The schema is JSON Schema 2020-12, and a typo is an error in an editor too."""
    jsonschema.Draft202012Validator.check_schema(fleet_schema())
    wrong = {"name": "a", "models": {"m": {"sorce": "x"}}}
    assert "'sorce' was unexpected" in str(next(jsonschema.Draft202012Validator(fleet_schema()).iter_errors(wrong)))


def nouns() -> dict[str, dict[str, Any]]:
    """Every part of the schema that has fields."""
    schema = fleet_schema()
    return {"Fleet": schema, **{name: noun for name, noun in schema["$defs"].items() if "properties" in noun}}


@pytest.mark.parametrize("name", nouns())
def test_every_field_is_explained(name: str) -> None:
    """A field says what it means, or its own noun does."""
    schema = fleet_schema()
    for field, form in nouns()[name]["properties"].items():
        noun = str(form.get("$ref", "")).rsplit("/", 1)[-1]
        assert form.get("description") or schema["$defs"][noun]["description"], field
