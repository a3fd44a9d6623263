"""Every command explains itself, and the schema commands print what they promise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cluster.cli import freehold


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command below ``group``."""
    for name, command in group.commands.items():
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


@pytest.mark.parametrize(("name", "command"), [pytest.param(*each, id=each[0]) for each in commands(freehold)])
def test_every_option_is_explained(name: str, command: click.Command) -> None:
    """A command has a help text, and so has each of its options."""
    assert command.help, name
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name


def test_schema_prints_what_is_committed() -> None:
    """As JSON Schema and as Markdown."""
    printed = CliRunner().invoke(freehold, ["schema"]).output
    assert json.loads(printed) == json.loads(Path("fleets/fleet.schema.json").read_text())
    assert CliRunner().invoke(freehold, ["schema", "--markdown"]).output == Path("docs/reference/fleet.md").read_text()


def test_a_machine_that_says_no_is_one_line(tmp_path: Path) -> None:
    """A home that is a file fails with the system's own words."""
    home = tmp_path / "home"
    home.write_text("")
    result = CliRunner().invoke(freehold, ["up", "--fleet", "fleets/ollama.yaml"], env={"FREEHOLD_HOME": str(home)})
    assert result.exit_code == 3
    assert "freehold: [Errno " in result.output
