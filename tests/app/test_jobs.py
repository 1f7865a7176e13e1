"""The queue and its jobs."""

import threading

import pytest
from visitors import until

from msdae.app.jobs import MOST, Job, Queue, run
from msdae.errors import UserError


def quick(visit="a", **more):
    return Job("swap", visit, lambda job: {"clip": job.id}, **more)


@pytest.fixture
def queue():
    queue = Queue()
    yield queue
    queue.close()


def endless(begun):
    def work(job):
        begun.set()
        while True:
            job.advance(0.5)

    return Job("learn", "a", work)


def test_jobs_are_done_in_order_and_light_ones_last(queue):
    done = []
    jobs = [
        Job("swap", "a", lambda job: done.append(job.kind) or {}),
        Job("listen", "a", lambda job: done.append(job.kind) or {}, light=True),
        Job("learn", "b", lambda job: done.append(job.kind) or {}),
    ]
    for job in jobs:
        queue.put(job)
    assert [queue.places()[job.id][0] for job in jobs] == [0, 2, 1]
    queue.start()
    until(lambda: all(job.state == "done" for job in jobs), 5)
    assert done == ["swap", "learn", "listen"]


def test_seconds_until_the_turn_add_up(queue):
    jobs = [queue.put(quick("b", expected=seconds)) for seconds in (3.0, 4.0, 5.0)]
    assert [queue.places()[job.id] for job in jobs] == [(0, 0), (1, 3.0), (2, 7.0)]


def test_a_running_job_stops_at_its_next_step(queue):
    begun = threading.Event()
    job, after = queue.put(endless(begun)), queue.put(quick("b"))
    queue.start()
    assert begun.wait(5) and queue.is_at("a") and not queue.is_at("b")
    assert queue.places()[after.id][0] == 1
    queue.stop(job)
    until(lambda: job.state == "stopped" and after.state == "done", 5)


def test_a_waiting_job_is_never_begun(queue):
    job = queue.put(quick())
    queue.stop(job)
    queue.start()
    assert job.state == "stopped" and queue.put(quick("b")) and job.result is None


def test_a_fault_ends_its_job_alone(queue, caplog):
    def broken(job):
        raise ZeroDivisionError("secret")

    def refused(job):
        raise UserError("a.wav: no sound; give another")

    jobs = [queue.put(Job("swap", "a", work)) for work in (broken, refused)] + [queue.put(quick())]
    queue.start()
    until(lambda: all(job.ended for job in jobs), 5)
    assert [job.state for job in jobs] == ["failed", "failed", "done"]
    assert "secret" not in jobs[0].text and jobs[1].text == "a.wav: no sound; give another"


def test_there_are_so_many_at_most(queue):
    for _ in range(3):
        queue.put(quick("a"))
    with pytest.raises(UserError, match="3 of your jobs wait already"):
        queue.put(quick("a"))
    queue.put(quick("a", light=True))
    for number in range(MOST - 3):
        queue.put(quick(str(number)))
    with pytest.raises(UserError, match="jobs wait already; try again"):
        queue.put(quick("z"))


def test_the_file_of_a_job_goes_however_it_ends(queue, tmp_path):
    def refused(job):
        raise UserError("a.sound: damaged; learn the sound again")

    jobs = [
        quick(file=tmp_path / "done"),
        Job("bring", "a", refused, file=tmp_path / "failed"),
        quick(file=tmp_path / "stopped"),
        quick(file=tmp_path / "one too many"),
    ]
    for job in jobs:
        job.file.touch()
    for job in jobs[:3]:
        queue.put(job)
    with pytest.raises(UserError, match="wait already"):
        queue.put(jobs[3])
    queue.stop(jobs[2])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["done", "failed"]
    queue.start()
    until(lambda: all(job.ended for job in jobs), 5)
    assert [job.state for job in jobs] == ["done", "failed", "stopped", "failed"]
    assert list(tmp_path.iterdir()) == []


def test_of_too_many_light_ones_the_oldest_goes(queue):
    jobs = [queue.put(quick(str(number), light=True)) for number in range(MOST + 2)]
    assert [job.state for job in jobs] == ["stopped"] * 2 + ["waiting"] * MOST


def test_a_visitor_who_leaves_takes_all_along(queue):
    begun = threading.Event()
    theirs = [queue.put(endless(begun)), queue.put(quick("a")), queue.put(quick("a", light=True))]
    other = queue.put(quick("b"))
    queue.start()
    begun.wait(5)
    queue.leave("a")
    until(lambda: other.state == "done", 5)
    assert [job.state for job in theirs] == ["stopped"] * 3


def test_progress_goes_from_one_share_to_another():
    shares = []

    def work(job):
        bar = job.progress(first=(0.0, 0.2), rest=(0.2, 1.0))
        with bar(total=4, desc="first") as meter:
            meter.update(2)
            shares.append(job.share)
        for _ in bar([1, 2], total=2, unit="window", leave=False):
            shares.append(job.share)
        shares.append(job.share)
        return {}

    job = Job("swap", "a", work)
    run(job)
    assert shares == pytest.approx([0.1, 0.1, 0.6, 1.0]) and job.state == "done"


def test_closing_ends_everything(queue):
    begun = threading.Event()
    job, after = queue.put(endless(begun)), queue.put(quick("b"))
    queue.start()
    begun.wait(5)
    queue.close()
    assert (job.state, after.state) == ("stopped", "stopped")
