import errno
import os
import subprocess
import sys

import pytest

from msdae import files
from msdae.errors import UserError
from msdae.locks import in_turn, only_process

HOLD = "from msdae.locks import only_process\nwith only_process('.'): print(flush=True); input()"


def test_a_second_process_is_told_who_is_there(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        with pytest.raises(UserError, match=f"process {process.pid} on .* since 20"), only_process(tmp_path):
            pass
        process.kill()
    with only_process(tmp_path):  # a dead one holds nothing
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()


def test_processes_take_turns(tmp_path):
    script = "from msdae.locks import in_turn\nwith in_turn('folder/turn'): print(flush=True)"
    with in_turn(tmp_path / "folder" / "turn"):
        process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=3)
    assert process.communicate(timeout=60)[0] == b"\n" and process.returncode == 0


def test_of_processes_launched_together_the_first_one_takes_it_for_all(tmp_path, monkeypatch):
    with only_process(tmp_path):
        monkeypatch.setenv("RANK", "1")
        with only_process(tmp_path):
            pass


@pytest.mark.skipif(files.fcntl is None, reason="there are no locks")
def test_a_disk_without_locks_can_be_used(tmp_path, monkeypatch):
    def flock(handle, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", flock)
    with only_process(tmp_path), files.atomic(tmp_path / "a") as temporary:
        temporary.touch()
    assert (tmp_path / "a").exists()
