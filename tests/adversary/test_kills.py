"""Command lines that are killed at random moments and started again make what they make undisturbed.

MSDAE_ADVERSARY=whole: all of `kills.LINES`, 20 times each; otherwise some of them, twice.
"""

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import kills
import psutil
import pytest

WHOLE = os.environ.get("MSDAE_ADVERSARY") == "whole"
TIMES = 20 if WHOLE else 2
START = 0.3  # of the time of a run passes before anything is written
ENDS_IN = 30  # seconds from SIGTERM on

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, melody, tiny):
    folder = tmp_path_factory.mktemp("inputs") / "inputs"
    kills.make_inputs(folder, melody, tiny)
    return folder


def start(line: kills.Line, inputs: Path, folder: Path) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    arguments = [word.replace("@", str(inputs)) for word in shlex.split(line.line)]
    environment = os.environ | {"MSDAE_HOME": str(inputs), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "msdae", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(line: kills.Line, inputs: Path, folder: Path) -> None:
    with start(line, inputs, folder) as process:
        said = process.communicate()[1]
    assert process.returncode == 0, said[-2000:]


def partial(folder: Path) -> list[Path]:
    return list(folder.rglob(".msdae.*"))


def left_alone(session: int) -> list[psutil.Process]:
    """The processes that a command line left behind, which had a moment to end."""
    running = [process for process in psutil.process_iter() if is_in(process, session)]
    return psutil.wait_procs(running, timeout=10)[1]


def is_in(process: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, PermissionError, psutil.Error):
        return False


@pytest.mark.parametrize("line", [line for line in kills.LINES if WHOLE or not line.whole], ids=str)
def test_killed_at_any_moment_and_started_again_it_makes_the_same(line, inputs, tmp_path):
    begin = time.perf_counter()
    run(line, inputs, tmp_path / "unbroken")
    seconds = time.perf_counter() - begin
    draw, killed = random.Random(line.line), 0
    folder = tmp_path / "killed 0"
    for attempt in range(3 * TIMES):
        gentle, before = killed % 3 == 1, partial(folder)
        process = start(line, inputs, folder)
        with process:
            try:
                process.wait(draw.uniform(START, 1) * seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGTERM if gentle else signal.SIGKILL)
            said = process.communicate(timeout=ENDS_IN)[1]
        assert not left_alone(process.pid)
        if process.returncode == 0:  # it was faster than the last time: begin again
            folder = tmp_path / f"killed {attempt + 1}"
            continue
        assert process.returncode in (-signal.SIGKILL, -signal.SIGTERM, 143, 130), said[-2000:]
        assert "Traceback" not in said, said
        if gentle:  # what kill -9 left may still be there
            assert not set(partial(folder)) - set(before), "half-written files after SIGTERM"
        killed += 1
        if killed == TIMES:
            break
    run(line, inputs, folder)
    assert not partial(folder)
    whole, again = (kills.products(place) for place in (tmp_path / "unbroken", folder))
    assert whole.keys() == again.keys()
    assert [name for name in whole if whole[name] != again[name]] == []
    assert killed >= TIMES / 2, f"only {killed} of {TIMES} kills came before the end"
