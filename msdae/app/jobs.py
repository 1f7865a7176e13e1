"""What the worker does, one job after the other, and the queue in front of it."""

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
MOST = 100  # jobs that wait
MOST_OF_ONE = 3  # of one visitor
FAULT = "something went wrong here; the log of the server says what"
logger = logging.getLogger(__name__)


class Stopped(Exception):
    """The visitor of a job left or does not want it any more."""


@dataclass(eq=False)
class Job:
    """Work for one visitor.

    kind: what is done, "swap". visit: id of the visitor. work: does it, and is told of the job; returns what
    the page is told. expected: seconds. light: whether it is done only when nothing else waits. file: what it
    works on and nothing else needs; deleted when it ends, however that is. clips: that it needs.

    Attributes:
        share: 0 to 1, how much is done. facts: what is known on the way. result: of `work`. text: an error.
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
        """Whether nothing more happens to it."""
        return self.state in (DONE, FAILED, STOPPED)

    @property
    def left(self) -> float:
        """Seconds that it will still take, by what is done and, at its beginning, by what was expected."""
        if self.state != RUNNING:
            return 0.0 if self.ended else self.expected
        passed = time.monotonic() - self.began
        if self.share < 0.1:
            return max(0.0, self.expected - passed)
        return passed * (1 - self.share) / self.share

    def advance(self, share: float) -> None:
        """Note how much is done.

        Raises:
            Stopped: the job is to end.
        """
        if self._stopping:
            raise Stopped
        self.share = max(self.share, min(1.0, share))

    def progress(
        self, watch: Callable[[float], None] = lambda count: None, **parts: tuple[float, float]
    ) -> "Callable[..., Meter]":
        """A progress bar for the library, which counts on the way from one share of the job to another.

        watch: told of every count. parts: {description of a bar, or "rest": (first share, last share)}.
        """

        def bar(iterable: Iterable[Any] = (), total: float | None = None, desc: str = "", **look) -> Meter:
            return Meter(self, watch, parts.get(desc, parts["rest"]), iterable, total, look.get("initial", 0))

        return bar

    def end(self, state: str) -> None:
        """Note how it ended, when nothing more is done."""
        if self.file is not None:
            with suppress(OSError):  # it goes with the visit
                self.file.unlink()
        self.state = state

    def stop(self) -> None:
        """Let `advance` end the job; `Queue.stop` is for others."""
        self._stopping = True


class Meter:
    """A progress bar that tells a job how much is done; as much of tqdm's interface as the library uses."""

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
        """`amount` more is done.

        Raises:
            Stopped: the job is to end.
        """
        self.n += amount
        low, high = self.part
        self.job.advance(low + (high - low) * self.n / self.total if self.total else low)
        self.watch(self.n)


class Queue:
    """Jobs in the order in which they came, and the thread that does them. Light ones wait for all others."""

    def __init__(self) -> None:
        self._waiting: list[Job] = []
        self._change = threading.Condition()
        self._running: Job | None = None
        self._open = True
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def put(self, job: Job) -> Job:
        """Let the job wait for its turn. Of too many light ones the oldest goes.

        Raises:
            UserError: there are too many of them, or of this visitor's.
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
        """End the job: at once where it waits, at its next step where it runs."""
        with self._change:
            job.stop()
            if job in self._waiting:
                self._drop(job)

    def leave(self, visit: str, running: bool = True) -> None:
        """End all jobs of a visitor. running: also one that runs."""
        with self._change:
            jobs = [*self._waiting, self._running if running else None]
        for job in jobs:
            if job is not None and job.visit == visit:
                self.stop(job)

    def places(self) -> dict[str, tuple[int, float]]:
        """{id of a waiting job: (how many are before it, seconds until its turn)}."""
        with self._change:
            running, waiting = self._running, self._ordered()
        ahead = [running] if running is not None else []
        places = {}
        for job in waiting:
            places[job.id] = (len(ahead), sum(other.left for other in ahead))
            ahead.append(job)
        return places

    def is_at(self, visit: str) -> bool:
        """Whether a job of this visitor runs."""
        running = self._running
        return running is not None and running.visit == visit

    def close(self, seconds: float = 10.0) -> None:
        """End all jobs and the thread, for which so long is waited."""
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
    """Do the job's work; whatever happens ends in its state."""
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
