"""The embedded database: whole or not there, ours alone, and gone when it is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from cluster.errors import StartError
from cluster.supervise.postgres import NAME, Postgres, programs
from cluster.supervise.processes import lives


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """One in a fresh directory, not started; stopped in the end."""
    with TemporaryDirectory(prefix="fh-pg-", ignore_cleanup_errors=True) as directory:
        server = Postgres(Path(directory, "postgres"), Path(directory), Path(directory, "log"))
        yield server
        server.stop()


def _sql(postgres: Postgres, statement: str) -> str:
    psql = [str(programs() / "psql"), postgres.url, "-Atqc", statement]
    return subprocess.run(psql, check=True, capture_output=True, text=True).stdout.strip()


def test_what_is_committed_stays(postgres: Postgres) -> None:
    """Rows survive a stop, a kill -9 of every process, and the starts after them."""
    started = postgres.start(os.environ)
    _sql(postgres, "CREATE TABLE kept (number int); INSERT INTO kept VALUES (1)")
    postgres.stop()
    assert started.wait() == 0
    assert postgres.process() is None
    started = postgres.start(os.environ)
    _sql(postgres, "INSERT INTO kept VALUES (2)")
    server = psutil.Process(started.pid)
    for process in [*server.children(recursive=True), server]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    started.wait()
    started = postgres.start(os.environ)
    assert _sql(postgres, "SELECT string_agg(number::text, ' ') FROM kept") == "1 2"
    postgres.stop()
    started.wait()


def test_ours_alone(postgres: Postgres) -> None:
    """It listens on no network address, nobody else may enter its directories, and root is not who runs it."""
    started = postgres.start({**os.environ, "FREEHOLD_RUN": "mark"})
    server = psutil.Process(started.pid)
    kinds = set()
    for each in (server, *server.children()):
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            kinds |= {kind.laddr for kind in each.net_connections("inet")}
    assert kinds == set()
    for directory in (postgres.root, postgres.data, postgres.socket_directory):
        assert directory.stat().st_mode & 0o077 == 0
    assert server.uids().effective != 0
    assert server.environ()["FREEHOLD_RUN"] == "mark"
    assert _sql(postgres, "SELECT current_database() || current_setting('timezone')") == f"{NAME}UTC"
    postgres.stop()
    started.wait()


def test_stopped_by_another_process(postgres: Postgres) -> None:
    """Whoever knows the directory can stop the server, with all its processes, whoever started it."""
    started = postgres.start(os.environ)
    family = [psutil.Process(started.pid), *psutil.Process(started.pid).children(recursive=True)]
    Postgres(postgres.root, Path("/nowhere"), Path("/nowhere")).stop()
    started.wait()
    assert list(filter(lives, family)) == []


def test_stale_process_file(postgres: Postgres) -> None:
    """A process id that is used again by something else is left alone."""
    postgres.data.mkdir(parents=True)
    (postgres.data / "postmaster.pid").write_text(f"{os.getpid()}\n")
    assert postgres.process() is None
    postgres.stop()


def test_long_path(tmp_path: Path) -> None:
    """Where the socket's path would be too long for the kernel it is in the scratch directory."""
    deep = tmp_path / ("d" * 100)
    assert Postgres(deep, Path("/tmp/fh-x"), tmp_path).socket_directory == Path("/tmp/fh-x/postgres")  # noqa: S108
    assert Postgres(Path("/srv/f"), Path("/x"), tmp_path).url == f"postgresql://{NAME}@/{NAME}?host=/srv/f/socket"


def test_data_of_another_version(postgres: Postgres) -> None:
    """Data that this version cannot read are named, and left as they are."""
    postgres.data.mkdir(parents=True)
    (postgres.data / "PG_VERSION").write_text("15\n")
    with pytest.raises(StartError, match=r"of PostgreSQL 15, not 18.*restore a backup"):
        postgres.start(os.environ)
    assert (postgres.data / "PG_VERSION").read_text() == "15\n"


def test_cannot_start(postgres: Postgres) -> None:
    """A server that ends at once is an error with its last words."""
    started = postgres.start(os.environ)
    postgres.stop()
    started.wait()
    (postgres.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(StartError, match="configuration file"):
        postgres.start(os.environ)


def test_begun_and_interrupted(postgres: Postgres) -> None:
    """A first start that was killed half-way leaves nothing that the next one stumbles over."""
    postgres.root.mkdir(parents=True)
    (postgres.root / "data.new").mkdir()
    (postgres.root / "data.new" / "PG_VERSION").write_text("18\n")
    started = postgres.start(os.environ)
    assert _sql(postgres, "SELECT 1") == "1"
    postgres.stop()
    started.wait()
