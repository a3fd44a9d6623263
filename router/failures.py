"""Why nobody has answered: what it means for the next attempt, and what the caller is told in the end.

Neighbour: :mod:`router.gateway` makes the attempts.
"""

from __future__ import annotations

from router.backends.errors import ConnectError, CutError, DeadlineError, StatusError, UnfitError, UpstreamError
from router.backends.slots import QueueFullError
from router.call import Call
from router.wire.errors import NoAnswer, Refusal

_BAD_REQUEST = 400
_TOO_MANY = 429
_SERVER_ERROR = 500


class UnpaidError(Exception):
    """The accounts refuse to pay for an attempt; somebody else may answer for nothing."""

    def __init__(self, refusal: Refusal) -> None:
        """``refusal`` is for the caller, where nobody else does."""
        super().__init__(refusal.message)
        self.refusal = refusal


Failure = UpstreamError | QueueFullError | UnpaidError


def worth_another_replica(error: UpstreamError, *, others: bool) -> bool:
    """Whether the same model may answer on a second try: a replica died, or nobody else is left to wait for."""
    if isinstance(error, StatusError):
        return error.status >= _SERVER_ERROR
    if isinstance(error, DeadlineError | ConnectError):
        return not others
    return isinstance(error, CutError)


def no_answer(call: Call, last: Failure | None) -> Refusal:
    """The error when nobody answered."""
    model = call.event.model
    if isinstance(last, UnpaidError):
        return last.refusal
    if isinstance(last, UnfitError):
        return Refusal(_BAD_REQUEST, str(last), param=last.param, code="model_not_capable")
    call.event.outcome = "refused" if isinstance(last, QueueFullError) else "failed"
    if isinstance(last, QueueFullError):
        return NoAnswer(_TOO_MANY, f"{model} is busy and its queue is full.", code="queue_full", retry_after=1)
    if isinstance(last, StatusError) and last.status == _TOO_MANY:
        wait = min(last.retry_after or 1, 60)
        return NoAnswer(_TOO_MANY, f"{model} is busy.", code="upstream_busy", retry_after=wait)
    if isinstance(last, DeadlineError):
        return NoAnswer(504, f"{model}: {last}.", code=last.cause)
    cause = last.cause if last else "unknown"
    status = 502 if isinstance(last, CutError) else 503
    return NoAnswer(status, f"{model} does not answer ({cause}).", code=f"upstream_{cause}", retry_after=1)
