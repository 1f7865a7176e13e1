"""What a process does when its launcher dies, and what the launcher says when the process does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
ROOT = str(Path(__file__).parents[1])
CHILD = """
import time
from pathlib import Path
from msdae import cli, files
from msdae.errors import UserError

def work():
    with files.atomic("product") as path:
        path.touch()
        print("at work", flush=True)
        time.sleep(60)

def fail():
    print("failing", flush=True)
    raise UserError("a.wav: is bad; give another")

cli.run({})
"""
# as `accelerate launch` waits: its word for an exit code is a traceback
LAUNCHER = """
import subprocess, sys
process = subprocess.Popen([sys.executable, 'child.py'])
if process.wait():
    raise subprocess.CalledProcessError(process.returncode, 'child.py')
"""


@pytest.fixture
def launch(tmp_path):
    """A function that launches `function` of CHILD, and returns the launcher."""

    def launched(function):
        (tmp_path / "child.py").write_text(CHILD.format(function))
        (tmp_path / "launch.py").write_text(LAUNCHER)
        return subprocess.Popen(
            [sys.executable, "launch.py", "accelerate"],  # by these words it is known
            cwd=tmp_path,
            env=os.environ
            | {"ACCELERATE_MIXED_PRECISION": "no", "PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored below nohup
        )

    return launched


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_whose_launcher_dies_ends_and_leaves_nothing_half_written(launch, tmp_path, number):
    with launch("work") as launcher:
        launcher.stdout.readline()
        (child,) = psutil.Process(launcher.pid).children()
        assert list(tmp_path.glob(".msdae.*"))
        launcher.send_signal(number)
        assert not psutil.wait_procs([child], timeout=20)[1]
    assert not list(tmp_path.glob(".msdae.*"))


def test_an_error_is_said_once_without_a_word_of_the_launcher(launch):
    with launch("fail") as launcher:
        assert launcher.communicate()[1] == "error: a.wav: is bad; give another\n"
    assert launcher.returncode == -signal.SIGTERM


def test_ctrl_c_is_one_word(launch):
    with launch("work") as launcher:
        launcher.stdout.readline()
        os.killpg(launcher.pid, signal.SIGINT)
        assert launcher.communicate()[1] == "stopped\n"


def test_who_started_several_processes_is_left_alone(launch, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    with launch("fail") as launcher:
        assert "CalledProcessError" in launcher.communicate()[1]
    assert launcher.returncode == 1


def test_of_several_processes_the_first_one_speaks(tmp_path, monkeypatch):
    """The others have as long to be ended by their launcher, which ends them when the first one fails."""
    monkeypatch.setenv("LOCAL_RANK", "1")
    (tmp_path / "child.py").write_text(CHILD.format("fail"))
    environment = os.environ | {"PYTHONPATH": ROOT}
    line = [sys.executable, "child.py"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(line, cwd=tmp_path, env=environment, **pipes) as process:
        process.stdout.readline()
        time.sleep(0.5)
        process.terminate()
        assert process.communicate()[1] == b"" and process.returncode == 143


def test_an_error_after_the_signal_to_end_is_that_end():
    """Regression: SIGTERM while matplotlib is imported ended as its ImportError, with a traceback."""
    script = """
import os, signal
from msdae import cli

def main():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except SystemExit:
        raise ImportError("initialization failed")

cli.run(main)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (143, "")
