"""locust: users as greenlets in one process, or in workers that a leader commands; the only importer of it and gevent.

Importing this makes sockets and sleeps of the whole process cooperative. What users do is :mod:`loadtests.work`'s; the
samples travel over locust's own messages, so that workers may be anywhere.
"""

from __future__ import annotations

import logging
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Protocol

import gevent
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from cluster.errors import FreeholdError, UnreachableError, UsageError
from loadtests.answer import Answer
from loadtests.facts import Sample
from loadtests.order import Order
from loadtests.samples import as_sample
from loadtests.work import Work

_PAUSE_S: Final = 0.25
"""Between two reports of samples."""
_LEAD_S: Final = 1.0
_SPAWNED_PER_S: Final = 500
"""Users that a worker makes in a second, at least."""
_JOIN_S: Final = 60.0
_LATE_S: Final = 15.0
"""That a worker may be late with its last word."""
WEB: Final = ("127.0.0.1", 8089)
Rows = Sequence[list[object]]


class Watcher(Protocol):
    """Who wants to know of a run while it goes on."""

    def saw(self, samples: Sequence[Sample], under_way: int) -> None:
        """Some requests ended, and so many are under way at one of the workers."""


class _Share(User):
    """Whatever this process has to do, as locust's users do it."""

    abstract = True
    given: ClassVar[Work | None] = None

    @property
    def work(self) -> Work:
        """What there is to do; a worker that could not begin has nothing."""
        if _Share.given is None:
            raise StopUser
        return _Share.given


class Talker(_Share):
    """A closed-loop user."""

    @task
    def live(self) -> None:
        """Talk until the duration is over."""
        self.work.live()
        raise StopUser


class Clock(_Share):
    """An open loop; one for each worker."""

    @task
    def keep_time(self) -> None:
        """Begin each request when it is due."""
        self.work.keep_time(gevent.spawn)
        raise StopUser


def prepare() -> None:
    """What this process needs, and those that it starts inherit: a file for each stream, and no news but bad ones."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    logging.getLogger("locust").setLevel(logging.ERROR)


def gather(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Run all at once, each in a greenlet."""
    greenlets = [gevent.spawn(call) for call in calls]
    gevent.joinall(greenlets, raise_error=True)
    return [greenlet.value for greenlet in greenlets]


def run(order: Order, watcher: Watcher, *, bind: tuple[str, int] | None = None, web: bool = False) -> float:
    """Do what an order says; the cores that the busiest process used.

    One worker is this process. More are processes of this machine, or those that join at ``bind``, wherever they are.
    Raises UnreachableError where they do not come, or fall silent.
    """
    environment = Environment(user_classes=[Talker if order.users else Clock], catch_exceptions=False)
    with _page(environment, shown=web):
        if order.workers == 1 and bind is None:
            return _alone(environment, order, watcher)
        return _Leader(environment, order, watcher, bind or ("127.0.0.1", 0)).lead(spawn=bind is None)


def follow(host: str, port: int) -> None:
    """Be a worker of the leader at an address until it is done."""
    prepare()
    environment = Environment(user_classes=[Talker, Clock], catch_exceptions=False)
    runner = environment.create_worker_runner(host, port)

    def obey(environment: Environment, msg: Any, **_: object) -> None:  # noqa: ANN401 - locust's signature
        try:
            work = _Share.given = Work(Order.model_validate_json(msg.data["json"]), runner.worker_index)
        except FreeholdError as exc:
            runner.send_message("unable", {"why": str(exc)})
        else:
            gevent.spawn(_follow, environment, runner, work)

    runner.register_message("order", obey)
    runner.greenlet.join()


def _follow(environment: Environment, runner: WorkerRunner, work: Work) -> None:
    def saw(samples: Sequence[Sample], under_way: int) -> None:
        runner.send_message("samples", {"rows": [list(sample) for sample in samples], "under_way": under_way})

    runner.send_message("done", {"cores": _report(environment, work, saw)})


def _begun(order: Order) -> Order:
    """With a start at which all users are there."""
    return order.model_copy(
        update={"zero": time.time() + _LEAD_S + (order.users or 0) / order.workers / _SPAWNED_PER_S}
    )


def _alone(environment: Environment, order: Order, watcher: Watcher) -> float:
    runner = environment.create_local_runner()
    ordered = _begun(order)
    work = _Share.given = Work(ordered, 0)
    runner.start(order.users or 1, spawn_rate=order.users or 1)
    cores = _report(environment, work, watcher.saw)
    runner.quit()
    return cores


def _report(environment: Environment, work: Work, saw: Callable[[Sequence[Sample], int], None]) -> float:
    """Hand out samples as they come, until the run is over; the cores that this process used of the duration."""
    time.sleep(max(0.0, -work.now()))
    cpu, cores = time.process_time(), 0.0
    while not work.is_over:
        time.sleep(_PAUSE_S)
        cores = max(cores, (time.process_time() - cpu) / max(work.now(), work.order.duration_s))
        _out(environment, work.take(), work.under_way, saw)
    work.end()
    _out(environment, work.take(), 0, saw)
    return cores


def _out(
    environment: Environment, samples: Sequence[Sample], under_way: int, saw: Callable[[Sequence[Sample], int], None]
) -> None:
    saw(samples, under_way)
    for sample in samples:
        environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=str(sample.kind),
            name=sample.scenario,
            response_time=sample.e2e_s * 1e3,
            response_length=sample.output_tokens,
            exception=sample.error if sample.failed else None,
            context={},
        )


class _Leader:
    """Commands workers and gathers what they saw."""

    def __init__(self, environment: Environment, order: Order, watcher: Watcher, bind: tuple[str, int]) -> None:
        self._order, self._watcher = order, watcher
        self._runner: MasterRunner = environment.create_master_runner(*bind)
        self._under_way: dict[str, int] = {}
        self._cores: list[float] = []
        self._unable = ""
        self._runner.register_message("samples", self._samples)
        self._runner.register_message("done", self._done)
        self._runner.register_message("unable", self._gave_up)

    def lead(self, *, spawn: bool) -> float:
        """From the first worker's coming to the last one's end."""
        with _workers(self._order.workers if spawn else 0, self._runner.server.port) as processes:
            try:
                self._until(lambda: self._runner.worker_count >= self._order.workers, _JOIN_S, processes, "joined")
                order = _begun(self._order)
                self._runner.send_message("order", {"json": order.model_dump_json()})
                users = order.users or order.workers
                self._runner.start(users, spawn_rate=users)
                last = order.zero - time.time() + order.duration_s + order.drain_s + _LATE_S
                self._until(lambda: len(self._cores) >= order.workers, last, processes, "finished")
            finally:
                self._runner.quit()
        return max(self._cores)

    def _samples(self, environment: Environment, msg: Any, **_: object) -> None:  # noqa: ANN401, ARG002 - locust's
        rows: Rows = msg.data["rows"]
        self._under_way[msg.node_id] = msg.data["under_way"]
        self._watcher.saw([as_sample(row) for row in rows], sum(self._under_way.values()))

    def _done(self, environment: Environment, msg: Any, **_: object) -> None:  # noqa: ANN401, ARG002 - locust's
        self._cores.append(float(msg.data["cores"]))

    def _gave_up(self, environment: Environment, msg: Any, **_: object) -> None:  # noqa: ANN401, ARG002 - locust's
        self._unable = str(msg.data["why"])

    def _until(
        self, holds: Callable[[], bool], seconds: float, processes: Sequence[subprocess.Popen[bytes]], what: str
    ) -> None:
        last = time.monotonic() + seconds
        while not holds():
            if self._unable:
                msg = f"a worker of the load test cannot begin: {self._unable}"
                raise UsageError(msg)
            if time.monotonic() > last or any(process.poll() for process in processes):
                msg = f"not all {self._order.workers} workers of the load test {what}; look at their standard error"
                raise UnreachableError(msg)
            time.sleep(_PAUSE_S)


@contextmanager
def _workers(count: int, port: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    command = [sys.executable, "-m", "loadtests.worker", "127.0.0.1", str(port)]
    processes = [subprocess.Popen(command, start_new_session=True) for _ in range(count)]  # Ctrl-C is the leader's
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


@contextmanager
def _page(environment: Environment, *, shown: bool) -> Iterator[None]:
    """The page of locust's own, live, for as long as the run takes."""
    if shown:
        del sys.argv[1:]  # it would read ours as if it were locust's
    page = environment.create_web_ui(*WEB) if shown else None
    try:
        yield
    finally:
        if page:
            page.stop()  # type: ignore[no-untyped-call]
