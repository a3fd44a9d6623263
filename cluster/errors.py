"""Every error that Freehold raises on purpose, drawn as a tree; each names its way out.

* FreeholdError                 exit code 3: something outside failed
  + FleetFileError              exit code 2: the fleet file is wrong; carries every problem with its line
  + UsageError                  exit code 2: a command was used wrongly
  + CatalogError                exit code 2: no figures for a GPU, a model or a quantisation; names the nearest that has
  + GateError                   exit code 1: a check that was asked for did not hold
  + StartError                  exit code 3: the fleet could not start
    - PortInUseError            another process listens where the gateway should
    - NotEnoughMemoryError      the models would not fit into this machine
    - AlreadyRunningError       this FREEHOLD_HOME has a fleet
    - EngineFailedError         an engine died or refused while loading; names its log
  + EnginesLostError            exit code 3: the engines of a running fleet ended by themselves
  + NoGpuError                  exit code 3: no GPU of this machine can be asked, and why
  + NotRunningError             exit code 3: no fleet runs under this FREEHOLD_HOME
  + UnreachableError            exit code 3: nothing answers at the gateway's address
  + RefusedError                exit code 2 or 3: the gateway answered with an error; tells whose fault it is
  + CutOffError                 exit code 3: an answer broke off before its end
  + KubernetesError             exit code 3: a cluster's API server did not answer, or refused; ``status`` is HTTP's
  + PreflightError              exit code 2: this cluster cannot run what was asked; nothing was applied
  + HelmError                   exit code 3: Helm is missing or failed; says what it left behind

The command line prints ``str(error)`` on one line and exits with ``error.exit_code``. Errors that travel over HTTP are
the router's own and live in ``router.wire.errors``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class FreeholdError(Exception):
    """Something outside of Freehold failed; the message says what and what to do."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a fleet file."""

    file: str
    line: int
    """1-based line in ``file``; the line of the nearest enclosing field where the field itself is missing."""
    field: str
    """Dotted path, such as ``models.small.replicas.max``; empty for the file as a whole."""
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        """``file:line: field: message (suggestion)``, the form that editors turn into a link."""
        where = f"{self.file}:{self.line}: "
        named = f"{self.field}: " if self.field else ""
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{where}{named}{self.message}{hint}"


class FleetFileError(FreeholdError):
    """The fleet file cannot be used; ``problems`` lists everything found, not only the first."""

    exit_code = 2

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """Join the problems, a line each."""
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class UsageError(FreeholdError):
    """A command or a call was used wrongly."""

    exit_code = 2


class CatalogError(FreeholdError):
    """There are no figures for a GPU, a model or a way to run it; nothing is guessed in their place."""

    exit_code = 2


class GateError(FreeholdError):
    """A check that the caller asked for did not hold."""

    exit_code = 1


class StartError(FreeholdError):
    """The fleet could not start; whatever had started was shut down again."""


class PortInUseError(StartError):
    """Another process listens on the port that the gateway should open."""


class NotEnoughMemoryError(StartError):
    """The models would not fit into this machine's memory."""


class AlreadyRunningError(StartError):
    """This ``FREEHOLD_HOME`` has a fleet, or what is left of one."""


class EngineFailedError(StartError):
    """An engine died or refused while loading."""

    def __init__(self, model: str, cause: str, log: Path | str) -> None:
        """Name the model, the cause as far as its log tells, and the log."""
        super().__init__(f"model {model!r} did not start: {cause} (log: {log})")
        self.model, self.cause, self.log = model, cause, str(log)


class NoGpuError(FreeholdError):
    """There is no driver to ask about GPUs, or it sees none; the message says which."""


class NotRunningError(FreeholdError):
    """No fleet runs under this ``FREEHOLD_HOME``."""

    def __init__(self, home: Path) -> None:
        """Name the place where a fleet would have left its record."""
        super().__init__(f"no fleet runs under {home}; start one with: freehold up")


class EnginesLostError(FreeholdError):
    """The engines of a running fleet ended although nobody asked them to."""


class UnreachableError(FreeholdError):
    """Nothing answers at the gateway's address, or what answers is no gateway."""


class RefusedError(FreeholdError):
    """The gateway answered with an error."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        """``status`` is HTTP's: 4xx says that the request was wrong, except 429, which came too soon."""
        super().__init__(f"{message} (HTTP {status})")
        self.status, self.headers = status, dict(headers or {})
        self.is_callers_fault = status // 100 == 4 and status != 429  # noqa: PLR2004 - HTTP's own numbers
        self.exit_code = 2 if self.is_callers_fault else 3


class CutOffError(FreeholdError):
    """An answer broke off before its end; what came of it must not pass for a whole one."""


class KubernetesError(FreeholdError):
    """A cluster's API server did not answer, or refused; the message names the object and the way out."""

    def __init__(self, message: str, status: int = 0) -> None:
        """``status`` is HTTP's; 0 where there was no answer."""
        super().__init__(message)
        self.status = status
        # Quotas, admission and policies answer 403 too, in other words.
        self.lacks_right = status == 403 and " cannot " in message  # noqa: PLR2004 - HTTP's own number


class PreflightError(FreeholdError):
    """A cluster cannot run what was asked; nothing was applied."""

    exit_code = 2


class HelmError(FreeholdError):
    """Helm is missing or failed; the message says what it left behind and how to undo it."""
