import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from msdae.data import parts
from msdae.data.parts import Part
from msdae.errors import UserError

SLEEPER = """
import os
import time
from pathlib import Path
from msdae.data.parts import Part, run

def work(task, path):
    path.write_text(str(os.getpid()))
    time.sleep(60)

if __name__ == "__main__":
    run([Part(work, None, Path(f"{index}.pid")) for index in range(2)], "sleep", "part", workers=2)
"""


def _write(task, path):
    if task == "bad":
        raise UserError("bad.wav: is bad")
    with open(path, "x") as file:  # "x": doing a part twice is an error
        file.write(task)


def _parts(folder, tasks="abcdef"):
    return [Part(_write, task, folder / str(index)) for index, task in enumerate(tasks)]


@pytest.mark.parametrize("workers", [1, 2])
def test_every_part_is_done_once(tmp_path, workers):
    wanted = _parts(tmp_path)
    parts.run(wanted[:2], "test", "part", 1)
    parts.run(wanted, "test", "part", workers)
    assert [part.path.read_text() for part in wanted] == list("abcdef")


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_input_stops_the_run_with_its_message(tmp_path, workers):
    with pytest.raises(UserError, match="bad.wav: is bad"):
        parts.run(_parts(tmp_path, ["a", "bad"]), "test", "part", workers)


def test_ranks_do_each_their_share(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    parts.run(_parts(tmp_path), "test", "part", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "3", "5"]
    monkeypatch.setenv("RANK", "0")
    parts.run(_parts(tmp_path), "test", "part", 1)
    assert len(list(tmp_path.iterdir())) == 6
    parts.wait_for([part.path for part in _parts(tmp_path)])


def test_waiting_for_a_rank_that_died_ends_with_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "POLL_SECONDS", 0.01)
    (tmp_path / "0").touch()
    with pytest.raises(UserError, match=r"1: left to another process, which made nothing for 0.001 minutes"):
        parts.wait_for([tmp_path / "0", tmp_path / "1"], minutes=0.001)
    monkeypatch.setenv(parts.PATIENCE, "0.002")
    with pytest.raises(UserError, match="for 0.002 minutes; .* set MSDAE_PATIENCE"):
        parts.wait_for([tmp_path / "1"])


def test_waiting_goes_on_while_parts_appear(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "POLL_SECONDS", 0.01)
    paths = [tmp_path / str(index) for index in range(6)]

    def work():
        for path in paths:
            time.sleep(0.2)
            path.touch()

    thread = threading.Thread(target=work)
    thread.start()
    parts.wait_for(paths, minutes=0.01)  # less than all of them take together
    thread.join()
    assert all(path.exists() for path in paths)


def test_waiting_goes_on_while_there_are_signs_of_work(tmp_path, monkeypatch):
    """Regression: ranks that waited for an assembled split gave up while the first encoded its parts."""
    monkeypatch.setattr(parts, "POLL_SECONDS", 0.01)
    signs, product = [tmp_path / str(index) for index in range(5)], tmp_path / "product"

    def work():
        for path in [*signs, product]:
            time.sleep(0.2)
            path.touch()

    thread = threading.Thread(target=work)
    thread.start()
    parts.wait_for([product], minutes=0.01, signs=signs)
    thread.join()
    with pytest.raises(UserError, match="made nothing for 0.001 minutes"):
        parts.wait_for([tmp_path / "never"], minutes=0.001, signs=signs)


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    process = subprocess.Popen([sys.executable, "sleeper.py"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    files = [tmp_path / "0.pid", tmp_path / "1.pid"]
    _until(lambda: all(file.exists() and file.read_text() for file in files))
    process.kill()
    process.wait()
    _until(lambda: not any(_is_running(file.read_text()) for file in files))


def _is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)
