"""Jobs, which the worker does one after the other, and the queue in which they wait."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msdae.app.clips import Clip
from msdae.errors import UserError, of_system

WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"
MOST = 100  # waiting jobs
MOST_OF_ONE = 3  # waiting jobs of one visitor
FAULT = "something went wrong here; the log of the server says what"
logger = logging.getLogger(__name__)


class Stopped(Exception):
    """A job is to end because its visitor has left or stopped it."""


@dataclass(eq=False)
class Job:
    """Work for one visitor.

    kind: the kind of work, such as "swap". visit: id of the visit. work: does the work, given this job, and
    returns the result for the page. expected: seconds that it will take. light: whether it waits until no
    other job does. file: a file that only this job needs; it is deleted at the end in any case. clips: the
    clips that it needs.

    Attributes:
        share: progress, 0 to 1. facts: interim results for the page. result: what `work` returned. text: the
            message of an error. began: time (`time.monotonic`) at which it began to run.
    """

    kind: str
    visit: str
    work: "Callable[[Job], dict[str, Any]]"
    expected: float = 1.0
    light: bool = False
    file: Path | None = None
    clips: Sequence[Clip] = ()
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: str = WAITING
    share: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    text: str = ""
    began: float = 0.0
    _stopping: bool = False

    @property
    def ended(self) -> bool:
        """Whether the job is done, has failed or was stopped."""
        return self.state in (DONE, FAILED, STOPPED)

    @property
    def left(self) -> float:
        """The seconds that the job still needs, by its progress or, before a tenth is done, as expected."""
        if self.state != RUNNING:
            return 0.0 if self.ended else self.expected
        passed = time.monotonic() - self.began
        if self.share < 0.1:
            return max(0.0, self.expected - passed)
        return passed * (1 - self.share) / self.share

    def advance(self, share: float) -> None:
        """Set the progress, which never goes back.

        Raises:
            Stopped: the job is to end.
        """
        if self._stopping:
            raise Stopped
        self.share = max(self.share, min(1.0, share))

    def progress(
        self, watch: Callable[[float], None] = lambda count: None, **parts: tuple[float, float]
    ) -> "Callable[..., Meter]":
        """A factory of progress bars for the library, each of which covers a part of the job's progress.

        watch: called with every count of a bar. parts: {description of a bar: (first share, last share)};
            "rest" stands for all other bars.
        """

        def bar(iterable: Iterable[Any] = (), total: float | None = None, desc: str = "", **look) -> Meter:
            return Meter(self, watch, parts.get(desc, parts["rest"]), iterable, total, look.get("initial", 0))

        return bar

    def end(self, state: str) -> None:
        """Delete the job's file and set its final state."""
        if self.file is not None:
            with suppress(OSError):  # it is deleted with the visit
                self.file.unlink()
        self.state = state

    def stop(self) -> None:
        """Make the next `advance` end the job; for use by the queue, others call `Queue.stop`."""
        self._stopping = True


class Meter:
    """A progress bar that advances a job, with the part of tqdm's interface that the library uses."""

    def __init__(
        self,
        job: Job,
        watch: Callable[[float], None],
        part: tuple[float, float],
        iterable: Iterable[Any],
        total: float | None,
        initial: float,
    ):
        self.job, self.watch, self.part = job, watch, part
        self.iterable, self.total, self.n = iterable, total, initial

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        for item in self.iterable:
            yield item
            self.update()

    def update(self, amount: float = 1) -> None:
        """Count `amount` more and advance the job.

        Raises:
            Stopped: the job is to end.
        """
        self.n += amount
        low, high = self.part
        self.job.advance(low + (high - low) * self.n / self.total if self.total else low)
        self.watch(self.n)


class Queue:
    """The waiting jobs, in order of arrival but light ones last, and the thread that does them."""

    def __init__(self) -> None:
        self._waiting: list[Job] = []
        self._change = threading.Condition()
        self._running: Job | None = None
        self._open = True
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)

    def start(self) -> None:
        """Start the worker thread."""
        self._thread.start()

    def put(self, job: Job) -> Job:
        """Add a job to the queue. If there are too many light ones, the oldest is dropped.

        Raises:
            UserError: too many jobs, or too many of this visitor, wait already.
        """
        with self._change:
            try:
                self._make_room(job)
            except UserError:
                job.end(FAILED)
                raise
            self._waiting.append(job)
            self._change.notify()
        return job

    def stop(self, job: Job) -> None:
        """End the job: at once if it waits, at its next step if it runs."""
        with self._change:
            job.stop()
            if job in self._waiting:
                self._drop(job)

    def leave(self, visit: str, running: bool = True) -> None:
        """End all jobs of a visit. running: whether to end a running one, too."""
        with self._change:
            jobs = [*self._waiting, self._running if running else None]
        for job in jobs:
            if job is not None and job.visit == visit:
                self.stop(job)

    def places(self) -> dict[str, tuple[int, float]]:
        """{id of a waiting job: (number of jobs before it, seconds until its turn)}."""
        with self._change:
            running, waiting = self._running, self._ordered()
        ahead = [running] if running is not None else []
        places = {}
        for job in waiting:
            places[job.id] = (len(ahead), sum(other.left for other in ahead))
            ahead.append(job)
        return places

    def is_at(self, visit: str) -> bool:
        """Whether a job of this visit is running."""
        running = self._running
        return running is not None and running.visit == visit

    def close(self, seconds: float = 10.0) -> None:
        """End all jobs and the thread; waits at most `seconds` for the thread."""
        with self._change:
            self._open = False
            for job in list(self._waiting):
                self._drop(job)
            if self._running is not None:
                self._running.stop()
            self._change.notify()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _make_room(self, job: Job) -> None:
        alike = [other for other in self._waiting if other.light == job.light]
        if job.light:
            for other in alike[: max(0, len(alike) + 1 - MOST)]:
                self._drop(other)
            return
        if len(alike) >= MOST:
            raise UserError(f"{MOST} jobs wait already; try again in a few minutes")
        if sum(other.visit == job.visit for other in alike) >= MOST_OF_ONE:
            raise UserError(f"{MOST_OF_ONE} of your jobs wait already; wait for one, or stop it")

    def _drop(self, job: Job) -> None:
        self._waiting.remove(job)
        job.end(STOPPED)

    def _ordered(self) -> list[Job]:
        return sorted(self._waiting, key=lambda job: job.light)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            run(job)
            with self._change:
                self._running = None

    def _next(self) -> Job | None:
        with self._change:
            while self._open and not self._waiting:
                self._change.wait()
            if not self._open:
                return None
            job = self._ordered()[0]
            self._waiting.remove(job)
            self._running, job.began, job.state = job, time.monotonic(), RUNNING
            return job


def run(job: Job) -> None:
    """Do the job's work and set its final state; errors end up in the job, none is raised."""
    try:
        job.advance(0.0)
        job.result, state = job.work(job), DONE
        job.share = 1.0
    except Stopped:
        state = STOPPED
    except Exception as error:
        said = of_system(error)
        if said is None:
            logger.exception("a job of the kind %s failed", job.kind)
        job.text, state = str(said or FAULT), FAILED
    job.end(state)
