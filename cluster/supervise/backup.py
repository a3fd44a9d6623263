"""A backup of everything that accounts keep, and the way back.

One consistent snapshot of the database (``pg_dump``), and the pepper and admin key without which its keys would be of
no use, sealed (:mod:`cluster.supervise.sealed`). Cached answers and sampled prompts are left out. Restoring
is one transaction: afterwards the database has all of the backup, or what it had before. No password appears in a
process's arguments.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from cluster.errors import FreeholdError, NotRunningError, UsageError
from cluster.spec import Fleet
from cluster.supervise.database import embedded, url_of
from cluster.supervise.postgres import programs
from cluster.supervise.sealed import seal, unseal
from cluster.supervise.state import Home

Progress = Callable[[int], None]
"""Told how many bytes were done."""

_KEPT = ("pepper", "admin.key")
"""Files of the home that belong to the database."""
_LEFT_OUT = ("--exclude-table-data=responses", "--exclude-table-data=samples")
"""Cached answers, and sampled prompts, which are to be gone after ``quality.keep_days``."""
_PART = 1 << 16
_STATE = """
    SELECT
        (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'freehold'),
        (SELECT count(*) FROM pg_tables WHERE schemaname = 'public')
"""
_BEGIN = b"BEGIN; SET LOCAL client_min_messages = warning; DROP SCHEMA public CASCADE;\n"


@dataclass(frozen=True, slots=True)
class Vault:
    """The database of one fleet, and how it is reached; made by :func:`reach`."""

    home: Home
    environment: Mapping[str, str]
    """Where PostgreSQL's own programs find the database."""


@contextmanager
def reach(home: Home, fleet: Fleet) -> Iterator[Vault]:
    """The fleet's database; an embedded one that does not run is started for as long as the block takes.

    Raises:
        UsageError: the fleet has no accounts.

    """
    if fleet.tenants.access == "open":
        msg = f"fleet {fleet.name!r} keeps no accounts (tenants.access: open), so there is nothing to back up"
        raise UsageError(msg)
    with TemporaryDirectory(prefix="fh-") as directory:
        postgres = embedded(home, _scratch(home) or Path(directory), fleet)
        url, ours = url_of(fleet, postgres), None
        if url == postgres.url and postgres.process() is None:
            home.logs.mkdir(parents=True, exist_ok=True)
            ours = postgres.start(os.environ)
        try:
            yield Vault(home, _environment(url, Path(directory)))
        finally:
            if ours is not None:
                postgres.stop()
                ours.wait()


def back_up(vault: Vault, out: Path, key: bytes, progress: Progress) -> int:
    """Write a backup to ``out``, which appears only when it is whole; its size in bytes."""
    fresh = out.with_name(f"{out.name}.part")
    fresh.touch(mode=0o600)
    try:
        with fresh.open("wb") as file:
            for piece in seal(_contents(vault), key):
                progress(file.write(piece))
            file.flush()
            os.fsync(file.fileno())
        return fresh.replace(out).stat().st_size
    finally:
        fresh.unlink(missing_ok=True)


def restore(vault: Vault, backup: Path, key: bytes, progress: Progress, *, replace: bool) -> None:
    """Put a backup in the place of what is there, after it was read to its end once, to know that it is whole.

    Raises:
        SealError: the backup cannot be opened.
        UsageError: gateways are connected, or the database is not empty and ``replace`` is not set.

    """
    with backup.open("rb") as file:
        for piece in unseal(file, key):
            progress(len(piece))
    _check_target(vault, replace=replace)
    with backup.open("rb") as file:
        kept, dump = _apart(unseal(file, key))
        _load(vault, dump, progress)
    for name in _KEPT:
        if name in kept:
            _write_secret(vault.home.root / name, kept[name])


def _contents(vault: Vault) -> Iterator[bytes]:
    """A line of JSON with the small files, then the dump."""
    files = {name: vault.home.root / name for name in _KEPT}
    kept = {name: file.read_text() for name, file in files.items() if file.is_file()}
    yield json.dumps({"made_at": time.time(), "files": kept}).encode() + b"\n"
    options = ["--format=custom", "--schema=public", "--no-owner", "--no-privileges", *_LEFT_OUT]
    with _running(vault, "pg_dump", *options) as dump:
        yield from iter(lambda: _of(dump.stdout).read(_PART), b"")


def _apart(pieces: Iterator[bytes]) -> tuple[dict[str, str], Iterator[bytes]]:
    head = b""
    while b"\n" not in head:
        head += next(pieces)
    line, _, rest = head.partition(b"\n")
    return json.loads(line)["files"], itertools.chain([rest], pieces)


def _check_target(vault: Vault, *, replace: bool) -> None:
    with _running(vault, "psql", "-Atq", "-F", " ", "-c", _STATE) as psql:
        gateways, tables = map(int, _of(psql.stdout).read().split())
    if gateways:
        msg = f"{gateways} connections of gateways are open; stop the fleet first (freehold down)"
        raise UsageError(msg)
    if tables and not replace:
        msg = "the database is not empty; --replace puts the backup in the place of what is there"
        raise UsageError(msg)


def _load(vault: Vault, dump: Iterator[bytes], progress: Progress) -> None:
    """Load the dump in one transaction, which is committed only when all of it came through."""
    as_sql = _running(vault, "pg_restore", "--no-owner", "--no-privileges", "--file=-")
    load = _running(vault, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, "-f", "-")
    with ThreadPoolExecutor(1) as pool, as_sql as reader, load as psql:
        feeding = pool.submit(_feed, _of(reader.stdin), dump, progress)
        with contextlib.suppress(BrokenPipeError), _of(psql.stdin) as statements:
            statements.write(_BEGIN)
            shutil.copyfileobj(_of(reader.stdout), statements)
            feeding.result()
            if reader.wait() == 0:
                statements.write(b"COMMIT;\n")


def _feed(into: IO[bytes], dump: Iterator[bytes], progress: Progress) -> None:
    with into, contextlib.suppress(BrokenPipeError):
        for piece in dump:
            into.write(piece)
            progress(len(piece))


@contextmanager
def _running(vault: Vault, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """One of PostgreSQL's programs, with pipes; FreeholdError with its last words when it fails."""
    command, pipe = [str(programs() / name), *arguments], subprocess.PIPE
    with TemporaryFile() as words:
        process = subprocess.Popen(command, env=vault.environment, stdin=pipe, stdout=pipe, stderr=words)
        with process:
            try:
                yield process
            except (FreeholdError, OSError):
                process.kill()
                raise
        if process.returncode:
            words.seek(0)
            said = words.read().decode(errors="replace").strip().splitlines()
            msg = f"{name} failed: {said[0] if said else process.returncode}"
            raise FreeholdError(msg)


def _of(stream: IO[bytes] | None) -> IO[bytes]:
    return cast("IO[bytes]", stream)


def _environment(url: str, directory: Path) -> dict[str, str]:
    """How PostgreSQL's programs find the database: a service file, which only we can read."""
    parts = urlsplit(url)
    found = {
        "host": parts.hostname,
        "port": parts.port,
        "user": parts.username and unquote(parts.username),
        "password": parts.password and unquote(parts.password),
        "dbname": unquote(parts.path.removeprefix("/")),
        **dict(parse_qsl(parts.query)),
    }
    file = directory / "service"
    _write_secret(file, "[freehold]\n" + "".join(f"{name}={value}\n" for name, value in found.items() if value))
    return {**os.environ, "PGSERVICEFILE": str(file), "PGSERVICE": "freehold", "PGCONNECT_TIMEOUT": "10"}


def _write_secret(file: Path, content: str) -> None:
    fresh = file.with_name(f"{file.name}.new")
    fresh.touch(mode=0o600)
    fresh.write_text(content)
    fresh.replace(file)


def _scratch(home: Home) -> Path | None:
    """The scratch directory of the fleet that runs, where there is one."""
    with contextlib.suppress(NotRunningError):
        return Path(home.read().scratch)
    return None
