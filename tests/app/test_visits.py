"""Folders of visits: those of servers that were killed go, those of others stay."""

import os
import threading
import time

import pytest

from msdae.app.clips import Clip
from msdae.app.jobs import DONE, Job, Queue
from msdae.app.visits import GRACE, KEEP, MOST, MOST_CLIPS, PATIENCE, Visits
from msdae.errors import UserError
from msdae.locks import only_process


@pytest.fixture
def visits(tmp_path):
    visits = Visits(tmp_path / "visits", Queue())
    yield visits
    visits.close()


def aged(folder):
    """A folder that a server left a while ago."""
    folder.mkdir(parents=True)
    (folder / ".lock").touch()
    (folder / "take.flac").touch()
    past = time.time() - 2 * GRACE
    os.utime(folder, (past, past))
    return folder


def test_what_killed_servers_left_goes(tmp_path):
    left, fresh, held = (tmp_path / "visits" / name for name in ("left", "fresh", "held"))
    aged(left)
    fresh.mkdir()
    kept = aged(tmp_path / "elsewhere")
    (tmp_path / "visits" / "link").symlink_to(kept)
    with only_process(held):
        past = time.time() - 2 * GRACE
        os.utime(held, (past, past))
        Visits(tmp_path / "visits", Queue()).close()
        assert not left.exists() and fresh.exists() and held.exists() and (kept / "take.flac").exists()


def test_folders_go_with_the_server_and_ids_are_drawn(visits):
    first, second = visits.open(), visits.open()
    assert first.id != second.id and len(first.id) >= 24
    assert first.folder.parent == visits.folder and first.id not in str(first.folder)
    visits.close()
    assert not visits.folder.exists()


def test_there_are_so_many_at_most(visits):
    first, second, *_ = [visits.open() for _ in range(MOST)]
    visits.open()  # in place of one whose page is gone
    assert visits.find(first.id) is None and not first.folder.exists()
    for visit in list(visits._visits.values()):
        visit.streams = 1
    with pytest.raises(UserError, match="visitors are here already"):
        visits.open()
    assert visits.find(second.id) is second


def test_one_that_never_came_is_forgotten(visits):
    visit = visits.open()
    visits.sweep()
    assert visits.find(visit.id) is visit
    visit.seen -= 2 * PATIENCE
    visits.sweep()
    assert visits.find(visit.id) is None and not visit.folder.exists()


def test_one_whose_page_is_open_stays_however_long_it_asks_for_nothing(visits):
    visit = visits.open()
    visit.streams = 1
    waiting = visits.queue.put(Job("swap", visit.id, lambda job: {}))
    visit.seen -= 2 * KEEP
    visits.sweep()
    assert visits.find(visit.id) is visit and waiting.state == "waiting"


def test_files_of_others_stay_when_a_clip_goes(visits, tmp_path):
    example = tmp_path / "example.flac"
    example.touch()
    visit = visits.open()
    visit.keep(Clip("example", example, 1.0, ""))
    for number in range(MOST_CLIPS):
        visit.keep(Clip("a", visit.folder / f"{number}.flac", 1.0, ""))
    assert example not in {clip.path for clip in visit.clips.values()} and example.exists()


def test_clips_that_jobs_need_stay(visits):
    """Regression: many uploads took away the clip of a job that waited."""
    visit = visits.open()

    def sent():
        path = visit.folder / f"{len(list(visit.folder.iterdir()))}.flac"
        path.touch()
        return visit.keep(Clip("a", path, 1.0, ""))

    needed, ended, spare = sent(), sent(), sent()
    job = Job("swap", visit.id, lambda job: {}, clips=[needed])
    visit.add(job)
    visit.add(Job("swap", visit.id, lambda job: {}, clips=[ended], state=DONE))
    for _ in range(MOST_CLIPS):
        last = sent()
    assert needed.path.exists() and not ended.path.exists() and not spare.path.exists()
    assert len(visit.clips) == MOST_CLIPS and {needed.id, last.id} <= set(visit.clips)
    job.end(DONE)
    sent()
    assert not needed.path.exists()


def test_what_runs_outlives_a_gap_in_which_what_waits_ends(visits):
    visit, queue = visits.open(), visits.queue
    begun, release = threading.Event(), threading.Event()
    running = queue.put(Job("learn", visit.id, lambda job: begun.set() or release.wait(60) and {}))
    waiting = queue.put(Job("swap", visit.id, lambda job: {}))
    queue.start()
    begun.wait(60)
    visit.seen -= 2 * GRACE
    visits.sweep()
    assert waiting.state == "stopped" and not running._stopping
    visit.seen -= PATIENCE
    visits.sweep()
    assert running._stopping
    release.set()
    queue.close()
