"""Work cut into parts: each done once, by any process of any machine, and kept when the rest is killed."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from msdae import files, launcher
from msdae.errors import UserError
from msdae.progress import Progress, silent

POLL_SECONDS = 0.5
PATIENCE = "MSDAE_PATIENCE"  # environment variable: minutes, see `wait_for`
MINUTES = 30.0


@dataclass(frozen=True)
class Part:
    """One call `work(task, path)`, which leaves `path` (a file or a folder) complete or not at all.

    weight: its share of the work in any unit, for the time left.
    is_whole: whether what is at `path` may be kept; what may not is made again.
    """

    work: Callable[[Any, Path], None]
    task: Any
    path: Path
    weight: int = 1
    is_whole: Callable[[Path], bool] = Path.exists


def complete(
    parts: Sequence[Part], label: str, unit: str, workers: int | None = None, progress: Progress = silent
) -> None:
    """`run`, and wait until the other ranks have done their share too; raises as both."""
    run(parts, label, unit, workers, progress)
    wait_for([part.path for part in parts])


def run(
    parts: Sequence[Part], label: str, unit: str, workers: int | None = None, progress: Progress = silent
) -> None:
    """Do this process's share of `parts` that are not done yet; the other ranks do theirs (see `wait_for`).

    workers: processes on this machine; by default its cores, divided among the ranks that run on it.

    Raises:
        UserError: from a part, or when a worker was killed.
    """
    share = parts[launcher.rank() :: int(os.environ.get("WORLD_SIZE", "1"))]
    if not share:
        return  # no bar over nothing
    todo = [part for part in share if not part.is_whole(part.path)]
    total, left = sum(part.weight for part in share), sum(part.weight for part in todo)
    with progress(total=total, initial=total - left, desc=label, unit=unit) as bar:
        for part in _completed(todo, workers or cores()):
            bar.update(part.weight)


def wait_for(paths: Sequence[Path], minutes: float | None = None, signs: Sequence[Path] = ()) -> None:
    """Return once every path exists; other ranks make those that this one does not.

    minutes: how long no new path may appear; by default the environment variable MSDAE_PATIENCE, else 30.
    signs: paths that come and go on the way there, which show that another rank is at work.

    Raises:
        UserError: nothing new appeared for so long: another rank was stopped or killed.
    """
    if minutes is None:
        with files.reading(PATIENCE, "set it to a number of minutes"):
            minutes = float(os.environ.get(PATIENCE, MINUTES))
    missing, before, since = list(paths), None, time.monotonic()
    while missing := [path for path in missing if not path.exists()]:
        state = len(missing), sum(path.exists() for path in signs)
        if state != before:
            before, since = state, time.monotonic()
        if time.monotonic() - since > 60 * minutes:
            raise UserError(
                f"{missing[0]}: left to another process, which made nothing for {minutes:g} minutes; "
                "see whether it was stopped, then start all again: the finished parts are kept "
                f"(where parts take longer, set {PATIENCE} to more minutes)"
            )
        time.sleep(POLL_SECONDS)


def _completed(parts: Sequence[Part], workers: int) -> Iterator[Part]:
    """Yield each part when it is done."""
    if workers == 1 or len(parts) <= 1:
        for part in parts:
            part.work(part.task, part.path)
            yield part
        return
    # Spawned, not forked: a fork of a process whose torch already has threads can hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(parts)), context, initializer=_start_worker)
    try:
        futures = {pool.submit(_work, part): part for part in parts}
        for future in as_completed(futures):
            _result(future)
            yield futures[future]
    except (KeyboardInterrupt, SystemExit):
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _work(part: Part) -> None:
    try:
        part.work(part.task, part.path)
    except SystemExit:  # told to stop; the pool would go on with the next part
        os._exit(1)


def _result(future: Future) -> None:
    try:
        future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process was killed, perhaps for memory; start again with fewer --workers: "
            "the finished parts are kept"
        ) from error


def cores() -> int:
    """Cores this process may use, shared with the other ranks of this machine."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    every = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, every // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _start_worker() -> None:
    """One thread each; Ctrl-C is the parent's to handle; no worker outlives it or leaves half a file."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, launcher.terminate)
    parent = multiprocessing.parent_process()
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent) -> None:
    parent.join()
    os._exit(1)
