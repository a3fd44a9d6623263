"""A plan goes into the fleet file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.errors import UsageError
from cluster.load import load_fleet
from cluster.plan.apply import ray_name, write_plan
from cluster.plan.report import Report, report

TEXT = """\
name: f
models:
  s:  # the small one
    source: meta-llama/Llama-3.1-8B-Instruct
    accelerator: { type: L4, count: 1, cpus: 4 }
    engine_args:
      # keep this
      gpu_memory_utilization: 0.9
tiers: { small: [s] }
traffic: { requests_per_second: 8 }
slo: { ttft_p95_s: 2, tpot_p95_s: 0.06 }
planning: { gpus: [H100], quantizations: [fp8] }
"""


def planned(tmp_path: Path, text: str = TEXT) -> tuple[Path, Report]:
    """A fleet file and its plan."""
    file = tmp_path / "f.yaml"
    file.write_bytes(text.encode())
    return file, report(load_fleet(file), tmp_path)


@pytest.mark.parametrize("bom", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_the_file_holds_the_plan_and_its_comments(tmp_path: Path, bom: str) -> None:
    """Every line that the plan does not change is there as before, and the mode is kept."""
    file, facts = planned(tmp_path, bom + TEXT)
    file.chmod(0o640)
    told = write_plan(file, facts)
    after, one = load_fleet(file).models["s"], facts.choices[0].tiers["small"]
    assert after.accelerator.type == "H100"
    assert after.accelerator.count == one.option.setup.gpus
    assert after.accelerator.cpus == 4
    assert (after.replicas.min, after.replicas.max) == (one.replicas.min(), one.most)
    assert after.engine_args == {"gpu_memory_utilization": 0.9, "quantization": "fp8"}
    assert file.stat().st_mode & 0o777 == 0o640
    assert [line for line in TEXT.splitlines() if line not in file.read_text()] == [
        "    accelerator: { type: L4, count: 1, cpus: 4 }"
    ]
    assert "models.s.accelerator.type: H100" in told
    assert list(tmp_path.iterdir()) == [file]


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    """A file that is as planned is left alone."""
    file, facts = planned(tmp_path)
    write_plan(file, facts)
    before = file.read_bytes()
    assert write_plan(file, report(load_fleet(file), tmp_path)) == []
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(TEXT.replace("[fp8]", "[int4]"), "int4", id="other weights"),
        pytest.param(
            TEXT.replace("{ type: L4, count: 1, cpus: 4 }", "&gpu { type: L4, count: 1 }").replace(
                "tiers:", "  t: { source: a/b, accelerator: *gpu }\ntiers:"
            ),
            "by hand",
            id="shared by an alias",
        ),
    ],
)
def test_what_cannot_be_written_leaves_the_file_alone(tmp_path: Path, text: str, why: str) -> None:
    """The error tells what to do by hand."""
    file, facts = planned(tmp_path, text)
    with pytest.raises(UsageError, match=why):
        write_plan(file, facts)
    assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """What somebody else wrote is never lost."""
    file, facts = planned(tmp_path)
    file.write_text(TEXT.replace("requests_per_second: 8", "requests_per_second: 9"))
    with pytest.raises(UsageError, match="has changed since"):
        write_plan(file, facts)
    assert "requests_per_second: 9" in file.read_text()


def test_gpus_are_called_as_ray_calls_them() -> None:
    """The catalogue's names tell variants apart that Ray does not."""
    assert [ray_name(name) for name in ("H100-SXM", "L40S")] == ["H100", "L40S"]
