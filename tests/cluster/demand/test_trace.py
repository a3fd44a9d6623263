"""A trace file is read as a stream, within bounds, and what is wrong with it is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from cluster.demand import read_trace
from cluster.demand import trace as module
from cluster.errors import UsageError

HEAD = "arrival_s,prompt_tokens,output_tokens"


def test_columns_in_any_order_packed_or_not(tmp_path: Path) -> None:
    """Rows are sorted by arrival, the first at 0, and the cache never holds a whole prompt."""
    text = "output_tokens,arrival_s,prompt_tokens,cached_prefix_tokens,more\n5,7.5,100,100,x\n6,5,200,64,y\n\n"
    for file, content in ((tmp_path / "a.csv", text.encode()), (tmp_path / "a.csv.gz", gzip.compress(text.encode()))):
        file.write_bytes(content)
        trace = read_trace(file)
        assert trace.arrival_s.tolist() == [0, 2.5]
        assert trace.requests.prompt_tokens.tolist() == [200, 100]
        assert trace.requests.cached_tokens.tolist() == [64, 99]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", ":1: no column arrival_s", id="empty"),
        pytest.param("a,b\n1,2\n", ":1: no column arrival_s", id="other columns"),
        pytest.param(f"{HEAD}\n0,1,1\n1,x,1\n", ":3: is not 3 numbers", id="no number"),
        pytest.param(f"{HEAD}\n0,1,1\n1,1\n", ":3: is not 3 numbers", id="a field missing"),
        pytest.param(f"{HEAD}\n0,1,1\n", "holds 1 requests", id="one request"),
        pytest.param(f"{HEAD}\n0,1,1\n0,1,1\n", "every arrival_s is 0", id="all at once"),
        pytest.param(f"{HEAD}\n0,1,1\nnan,1,1\n", "arrival_s of request 2 is nan", id="nan"),
        pytest.param(f"{HEAD}\n0,1,1\ninf,1,1\n", "arrival_s of request 2 is inf", id="infinite"),
        pytest.param(f"{HEAD}\n0,-1,1\n1,1,1\n", "prompt_tokens of request 1 is -1", id="negative"),
        pytest.param(f"{HEAD}\n0,1,0\n1,1,1\n", "output_tokens of request 1 is 0", id="no answer"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, why: str) -> None:
    """A UsageError with the field of the fleet file, the trace and the line or the request."""
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UsageError, match=f"^traffic.trace: .*t.csv.*{why}"):
        read_trace(tmp_path / "t.csv")


def test_a_broken_archive_and_a_folder(tmp_path: Path) -> None:
    """Half a gzip file, and what is no file at all."""
    (tmp_path / "t.gz").write_bytes(gzip.compress(f"{HEAD}\n0,1,1\n1,1,1\n".encode())[:-12])
    for path in (tmp_path / "t.gz", tmp_path, tmp_path / "nul\0"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_trace(path)


def test_a_trace_beyond_bounds_is_refused_before_it_is_kept(tmp_path: Path) -> None:
    """A packed file of a megabyte that unpacks to far more, and one line that never ends."""
    bomb = tmp_path / "bomb.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as stream:
        stream.write(f"{HEAD}\n".encode())
        for _ in range((module.MAX_BYTES >> 20) + 1):
            stream.write(b" " * (1 << 20))
    with pytest.raises(UsageError, match="cut it to the busiest day"):
        read_trace(bomb)
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as stream:
        stream.write(f"{HEAD}\n0,1,1\n".encode())
        stream.truncate(2 << 30)  # 2 GiB, of which the disk holds nothing
    with pytest.raises(UsageError, match="cut it to the busiest day"):
        read_trace(huge)
    rows = tmp_path / "rows.gz"
    rows.write_bytes(gzip.compress(f"{HEAD}\n".encode() + b"\n" * module.MAX_ROWS, compresslevel=1))
    with pytest.raises(UsageError, match="cut it to the busiest day"):
        read_trace(rows)


def test_even_rows_stand_for_all(tmp_path: Path) -> None:
    """A hundred of ten thousand rows have their percentiles; of ten rows there are only ten."""
    rng = np.random.default_rng(0)
    prompts = rng.integers(1, 10_000, 10_000)
    (tmp_path / "t.csv").write_text(f"{HEAD}\n" + "".join(f"{i},{p},{p // 10 + 1}\n" for i, p in enumerate(prompts)))
    even = read_trace(tmp_path / "t.csv").even(100)
    assert np.percentile(even.prompt_tokens, [25, 50, 95]) == pytest.approx(
        np.percentile(prompts, [25, 50, 95]), rel=0.03
    )
    (tmp_path / "t.csv").write_text(f"{HEAD}\n" + "".join(f"{i},5,5\n" for i in range(10)))
    assert len(read_trace(tmp_path / "t.csv").even(100)) == 10
