"""Whole processes: exit codes, closed streams, odd locales and folders, limits of the system, launchers."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import library
import pytest
from harness import check_words, listing

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
MSDAE = (sys.executable, "-m", "msdae")
WHOLE = os.environ.get("MSDAE_ADVERSARY") == "whole"
FAST = ("--steps", "1", "--device", "cpu")
whole = pytest.mark.skipif(not WHOLE, reason="one of many: make adversary")


def run(place, *command, environment=None, **options):
    """The finished process of a command in a folder, whose output is bytes."""
    given = {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "MSDAE_HOME": str(place / "home"),
        **(environment or {}),
    }
    environment = {**os.environ, **given}
    arguments = [part if isinstance(part, bytes) else str(part) for part in command]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 120, **options}
    return subprocess.run(arguments, cwd=place, env=environment, **options)


def sources(place, *names):
    for name in names:
        library.put(name, place)


def refused(done, says, at_work=False):
    """Exit code 2 and one line; at_work: beside bars and notes."""
    lines = done.stderr.decode().splitlines()
    if at_work:
        assert "Traceback" not in done.stderr.decode(), done.stderr
        lines = [line for line in lines if line.startswith("error: ")]
    assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: "), done.stderr[-2000:]
    check_words(lines[0].removeprefix("error: "), says)


def swap(timbre="a.wav", melody="b.wav", *more):
    return ("swap", "--timbre", timbre, "--melody", melody, "--out", "y.wav", *FAST, *more)


def test_an_error_is_a_line_and_exit_code_2(tmp_path, record_property):
    record_property("inputs", 1)
    refused(run(tmp_path, *MSDAE, *swap("missing.wav")), "missing.wav: no such file")
    assert listing(tmp_path) == {}


@whole
def test_a_script_is_the_same(tmp_path, record_property):
    record_property("inputs", 1)
    refused(
        run(tmp_path, sys.executable, ROOT / "experiments/swap.py", *swap("missing.wav")[1:]), "missing.wav"
    )


def test_names_that_are_no_utf8(tmp_path, record_property):
    record_property("inputs", 1)
    sources(tmp_path, "latin1.wav", "b.wav")
    done = run(tmp_path, *MSDAE, *swap(b"caf\xe9.wav", "b.wav"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "y.wav").exists()


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        pytest.param({"PYTHONIOENCODING": "ascii"}, marks=whole),
        pytest.param({"LC_ALL": "de_DE.ISO-8859-1", "PYTHONUTF8": "0"}, marks=whole),
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_a_terminal_that_cannot_show_a_name(tmp_path, environment, record_property):
    record_property("inputs", 1)
    refused(run(tmp_path, *MSDAE, *swap("Ünïcödé 音楽.wav"), environment=environment), "no such file")


@pytest.mark.parametrize(
    "arguments", [("--help",), pytest.param(("swap", "--help"), marks=whole)], ids=" ".join
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_closed_stream(tmp_path, arguments, stream, record_property):
    record_property("inputs", 1)
    number = {"stdout": 1, "stderr": 2}[stream]
    done = run(tmp_path, *MSDAE, *arguments, preexec_fn=lambda: os.close(number))
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_stdout(tmp_path, record_property, unbuffered):
    """Regression: what is buffered was written again at the end, and the exit code was 120."""
    record_property("inputs", 1)
    with open("/dev/full", "wb") as full:
        done = run(tmp_path, *MSDAE, "--help", environment={"PYTHONUNBUFFERED": unbuffered}, stdout=full)
    assert done.returncode == 2, done.stderr
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr


def _fewer_bytes():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.mark.parametrize(
    "command",
    [
        swap(),
        pytest.param(("export", "embedded", "--out", "y.safetensors"), marks=whole),
        pytest.param(
            ("swap", "--timbre", "a.wav", "--melody", "a.wav", "--plot", "p.png", *FAST), marks=whole
        ),
        pytest.param(
            (
                "prepare-data",
                "--dataset",
                "folder",
                "--source",
                "recordings",
                "--out",
                "out",
                "--workers",
                "1",
            ),
            marks=whole,
        ),
    ],
    ids=lambda command: command[0],
)
def test_no_room_left(tmp_path, command, record_property):
    """A limit of the size of files acts as a disk that is full: an error in a line, nothing half-written."""
    import trees  # noqa: F401  # makes recordings

    record_property("inputs", 1)
    sources(tmp_path, "a.wav", "b.wav", "recordings")
    before = listing(tmp_path)
    refused(run(tmp_path, *MSDAE, *command, preexec_fn=_fewer_bytes), ".", at_work=True)
    assert {
        name: entry
        for name, entry in listing(tmp_path).items()
        if not name.startswith(("out/.parts/", "out/.lock"))
    } == before


@whole
@pytest.mark.parametrize("home", ["file", "file/inside", "/proc/nothing", ""])
def test_a_home_that_is_none(tmp_path, home, record_property):
    record_property("inputs", 1)
    (tmp_path / "file").touch()
    command = ("evaluate", "--cases", "1", "--split", "test", "--sources", "out", "--device", "cpu")
    done = run(tmp_path, *MSDAE, *command, environment={"MSDAE_HOME": home and str(tmp_path / home)})
    assert done.returncode in (0, 2) and b"Traceback" not in done.stderr, done.stderr


@whole
def test_a_working_folder_that_was_removed(tmp_path, record_property):
    record_property("inputs", 1)
    gone = tmp_path / "gone"
    gone.mkdir()
    done = run(
        tmp_path,
        "/bin/sh",
        "-c",
        f"cd {gone} && rmdir {gone} && exec {sys.executable} -m msdae swap --timbre a.wav --melody b.wav",
    )
    assert done.returncode == 2 and b"Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=whole)],
    ids=["SIGTERM", "SIGINT"],
)
def test_a_signal_ends_it_without_a_part_of_a_file(tmp_path, number, code, record_property):
    record_property("inputs", 1)
    sources(tmp_path, "a.wav", "long.wav")
    before = listing(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [
        *MSDAE,
        "swap",
        "--timbre",
        "a.wav",
        "--melody",
        "long.wav",
        "--steps",
        "1000",
        "--quality",
        "best",
        "--learn",
        "never",
        "--device",
        "cpu",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    seen = b""
    while b"window" not in seen:  # the bar: it is at work
        seen += os.read(process.stderr.fileno(), 4096)
    time.sleep(0.3)
    process.send_signal(number)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == code and b"Traceback" not in rest, rest
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    "launcher",
    [(sys.executable,), pytest.param((BIN / "accelerate", "launch", "--cpu"), marks=whole)],
    ids=["python", "accelerate"],
)
def test_training_refuses_in_a_line(tmp_path, launcher, record_property):
    record_property("inputs", 1)
    command = (
        *launcher,
        ROOT / "experiments/train_stage.py",
        "--stage",
        "1",
        "--data",
        "missing",
        "--run",
        "run",
    )
    done = run(tmp_path, *command)
    said = done.stderr.decode()
    assert done.returncode != 0 and "Traceback" not in said, said
    assert [line for line in said.splitlines() if line.startswith("error: ")][0].startswith(
        "error: missing"
    ), said
