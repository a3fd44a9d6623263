"""Samples survive their file, and their times mean what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.errors import UsageError
from loadtests.facts import Ceiling, Outcome
from loadtests.samples import SampleFile, read_samples
from tests.loadtests.synthetic import CHAT


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """With the same types."""
    samples = [CHAT, CHAT._replace(first_s=None, outcome=Outcome.CUT, error="unfinished")]
    with SampleFile(tmp_path / "s.jsonl") as file:
        file.add(samples)
    assert file.count == 2
    assert list(read_samples(file.path)) == samples


@pytest.mark.parametrize(
    "content", ["", "{}", '["a","b"]\n[1,2]\n', "\x00"], ids=["empty", "object", "other", "binary"]
)
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    """By its name."""
    (tmp_path / "s.jsonl").write_text(content)
    with pytest.raises(UsageError, match=r"s\.jsonl"):
        list(read_samples(tmp_path / "s.jsonl"))


def test_latencies_count_from_when_a_request_was_due() -> None:
    """A generator that is late does not make a fleet look fast."""
    late = CHAT._replace(intended_s=1.0, sent_s=1.5, first_s=2.0, end_s=4.0, output_tokens=11)
    assert (late.late_s, late.ttft_s, late.e2e_s, late.tpot_s) == (0.5, 1.0, 3.0, 0.2)
    assert CHAT._replace(output_tokens=1).tpot_s is None
    assert [CHAT._replace(outcome=outcome).failed for outcome in Outcome] == [False, True, True, False, True]


def test_a_ceiling_is_of_one_core() -> None:
    """20,000 chunks a second on half a core are 2,000 streams on a whole one."""
    assert Ceiling(1000, 20_000, 0.5, 1.0).streams_per_core == 2000
    assert Ceiling(1000, 20_000, 0.0, 1.0).streams_per_core == 0
