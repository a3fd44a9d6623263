"""How a target can fail, named by what it means for the request.

* UpstreamError             nothing usable came; before the first byte another target may be tried
  + ConnectError            no connection stood within ``deadlines.connect``
  + DeadlineError           a deadline of the fleet file passed; ``which`` names it
  + CutError                the connection broke or the answer was malformed or incomplete
    - StaleError            a kept-alive connection was closed as we reused it; a fresh one may do
  + UnfitError              the target has no word for what is asked; ``param`` names the field
  + StatusError             the target answered 5xx or 429; ``retry_after`` in seconds where it said so
"""

from __future__ import annotations


class UpstreamError(Exception):
    """A target failed; ``cause`` is a short, stable label for metrics."""

    cause = "error"


class ConnectError(UpstreamError):
    """No connection stood in time."""

    cause = "connect"


class DeadlineError(UpstreamError):
    """A deadline passed."""

    def __init__(self, which: str, seconds: float) -> None:
        """``which`` is the field of ``gateway.deadlines``."""
        super().__init__(f"no answer within gateway.deadlines.{which} ({seconds:g} s)")
        self.which = which
        self.cause = f"deadline_{which}"


class CutError(UpstreamError):
    """The connection broke, or the answer is incomplete."""

    cause = "cut"


class StaleError(CutError):
    """A kept-alive connection had been closed before anything of the answer came."""

    cause = "stale"


class UnfitError(UpstreamError):
    """Nothing was sent: the target's API cannot say this."""

    cause = "unfit"

    def __init__(self, message: str, param: str) -> None:
        """``message`` is for the caller."""
        super().__init__(message)
        self.param = param


class StatusError(UpstreamError):
    """The target refused to serve."""

    def __init__(self, status: int, retry_after: int | None = None) -> None:
        """``retry_after`` in seconds, as the target asked."""
        super().__init__(f"HTTP {status}")
        self.status, self.retry_after = status, retry_after
        self.cause = f"status_{status}"
