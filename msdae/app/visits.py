"""Who has the page open, and what is theirs: clips in a folder of their own, jobs in the queue."""

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

MOST = 100  # visits at once
MOST_CLIPS, MOST_JOBS = 24, 24  # that a visit keeps; those unused for longest go
GRACE = 8.0  # seconds after which waiting jobs of a page that is gone are ended: it may only load again
PATIENCE = 90.0  # seconds after which running ones are; browsers let a hidden page ask once a minute
KEEP = 600.0  # seconds after which what is theirs goes, too


@dataclass(eq=False)
class Visit:
    """An open page.

    streams: connections on which it is told what happens. seen: when it last asked for something.
    """

    folder: Path
    id: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    clips: dict[str, Clip] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    streams: int = 0
    seen: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, clip: Clip) -> Clip:
        """Add a clip; where there are too many, the one that was unused for longest and no job needs goes."""
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
        """Add a job; old ones that have ended are forgotten."""
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
    """All visits of this server, in a folder that goes with it.

    Args:
        folder: of the visits of all servers of this user; what killed ones left there is removed.
    """

    def __init__(self, folder: Path, queue: Queue):
        make_folder(folder)
        _sweep(folder)
        self.folder, self.queue = folder / secrets.token_hex(8), queue
        self._held = locks.only_process(self.folder)
        self._held.__enter__()
        self._visits: dict[str, Visit] = {}

    def open(self) -> Visit:
        """A new visit; where there are too many, one of a page that is gone is forgotten for it.

        Raises:
            UserError: there are too many.
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
        """The visit of that id, which is noted to be there."""
        known = self._visits.get(visit)
        if known is not None:
            known.seen = time.monotonic()
        return known

    def sweep(self) -> None:
        """End the jobs of pages that are gone, and forget those that were gone for long."""
        now = time.monotonic()
        for visit in list(self._visits.values()):
            away = 0.0 if visit.streams else now - visit.seen
            if away > GRACE:
                self.queue.leave(visit.id, running=away > PATIENCE)
            if away > KEEP or (away > PATIENCE and not visit.clips):
                self.forget(visit)

    def forget(self, visit: Visit) -> None:
        """Remove what is of a visit; not yet where one of its jobs still runs."""
        self.queue.leave(visit.id)
        if not self.queue.is_at(visit.id):
            self._visits.pop(visit.id, None)
            shutil.rmtree(visit.folder, ignore_errors=True)

    def close(self) -> None:
        """Remove everything; the queue is closed."""
        self._visits.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._held.__exit__(None, None, None)


def _sweep(folder: Path) -> None:
    """Remove the folders of servers that were killed."""
    for path in folder.iterdir():
        with suppress(OSError):
            if not path.is_symlink() and time.time() - path.stat().st_mtime > GRACE and _is_left(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether no server holds the folder; where that cannot be known it stays."""
    handle = os.open(folder / locks.NAME, os.O_RDWR | os.O_NOFOLLOW)
    try:
        return lock(handle) is True
    finally:
        os.close(handle)
