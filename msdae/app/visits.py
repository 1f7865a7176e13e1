"""Visits, that is open pages, and what belongs to them: clips in a folder of their own, and jobs."""

import os
import secrets
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from msdae import locks
from msdae.app.clips import Clip
from msdae.app.jobs import Job, Queue
from msdae.errors import UserError
from msdae.files import lock, make_folder

MOST = 100  # simultaneous visits
MOST_CLIPS, MOST_JOBS = 24, 24  # of a visit; beyond, the longest unused clips and oldest ended jobs go
GRACE = 8.0  # seconds after which a closed page's waiting jobs are ended; until then it may be reloading
PATIENCE = 90.0  # seconds after which its running job is; browsers let hidden pages ask once a minute
KEEP = 600.0  # seconds after which the visit is forgotten, with its clips


@dataclass(eq=False)
class Visit:
    """An open page.

    folder: of its clips. clips, jobs: by id. streams: number of its open event streams. seen: time
    (`time.monotonic`) of its last request.
    """

    folder: Path
    id: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    clips: dict[str, Clip] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    streams: int = 0
    seen: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, clip: Clip) -> Clip:
        """Add a clip and return it; if there are too many, delete the longest unused that no job needs."""
        with self._lock:
            self.clips[clip.id] = clip
            needed = {other for job in self.jobs.values() if not job.ended for other in job.clips}
            by_use = sorted(self.clips.values(), key=lambda other: other.used)
            free = [other.id for other in by_use if other not in needed]
            gone = [self.clips.pop(key) for key in free[: max(0, len(self.clips) - MOST_CLIPS)]]
        for old in gone:
            for path in (old.path, old.midi):
                if path is not None and path.parent == self.folder:
                    path.unlink(missing_ok=True)
        return clip

    def add(self, job: Job) -> None:
        """Add a job; if there are too many, the oldest that have ended are forgotten."""
        with self._lock:
            self.jobs[job.id] = job
            ended = [key for key, other in self.jobs.items() if other.ended]
            for key in ended[: max(0, len(self.jobs) - MOST_JOBS)]:
                del self.jobs[key]

    def drop(self, job: Job) -> None:
        """Forget a job."""
        with self._lock:
            self.jobs.pop(job.id, None)


class Visits:
    """All visits of this server, in a folder that is deleted when the server ends.

    Args:
        folder: holds a folder for each of this user's servers; those that killed servers left are deleted.
        queue: the worker's queue.
    """

    def __init__(self, folder: Path, queue: Queue):
        make_folder(folder)
        _sweep(folder)
        self.folder, self.queue = folder / secrets.token_hex(8), queue
        self._held = locks.only_process(self.folder)
        self._held.__enter__()
        self._visits: dict[str, Visit] = {}

    def open(self) -> Visit:
        """A new visit; if there are too many, one whose page is closed is forgotten.

        Raises:
            UserError: there are too many open pages.
        """
        away = sorted(
            (visit for visit in list(self._visits.values()) if not visit.streams), key=lambda v: v.seen
        )
        for visit in away[: max(0, len(self._visits) + 1 - MOST)]:
            self.forget(visit)
        if len(self._visits) >= MOST:
            raise UserError(f"{MOST} visitors are here already; try again in a few minutes")
        folder = self.folder / secrets.token_hex(8)
        make_folder(folder)
        visit = Visit(folder)
        self._visits[visit.id] = visit
        return visit

    def find(self, visit: str) -> Visit | None:
        """The visit with that id, marked as seen now; None if there is none."""
        known = self._visits.get(visit)
        if known is not None:
            known.seen = time.monotonic()
        return known

    def sweep(self) -> None:
        """End the jobs of closed pages, and forget visits after `KEEP`, or after `PATIENCE` without clips."""
        now = time.monotonic()
        for visit in list(self._visits.values()):
            away = 0.0 if visit.streams else now - visit.seen
            if away > GRACE:
                self.queue.leave(visit.id, running=away > PATIENCE)
            if away > KEEP or (away > PATIENCE and not visit.clips):
                self.forget(visit)

    def forget(self, visit: Visit) -> None:
        """End the jobs of a visit and delete it with its folder; if one still runs, only end the jobs."""
        self.queue.leave(visit.id)
        if not self.queue.is_at(visit.id):
            self._visits.pop(visit.id, None)
            shutil.rmtree(visit.folder, ignore_errors=True)

    def close(self) -> None:
        """Delete all visits; the queue must be closed before."""
        self._visits.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._held.__exit__(None, None, None)


def _sweep(folder: Path) -> None:
    """Delete the folders of servers that were killed."""
    for path in folder.iterdir():
        with suppress(OSError):
            if not path.is_symlink() and time.time() - path.stat().st_mtime > GRACE and _is_left(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether no server holds the folder's lock; False if that cannot be known."""
    handle = os.open(folder / locks.NAME, os.O_RDWR | os.O_NOFOLLOW)
    try:
        return lock(handle) is True
    finally:
        os.close(handle)
