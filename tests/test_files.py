"""The border to the file system."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from msdae import files
from msdae.errors import UserError, of_system, printable


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "damaged"),
        ("[]", "expected names with values"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "damaged"),
        (None, "no such file"),
    ],
)
def test_json_that_is_none_is_named_with_its_fix(tmp_path, text, said):
    path = tmp_path / "a.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=said) as error:
        files.read_json(path, fix="make it again")
    assert str(error.value).startswith(f"{path}: ") and len(str(error.value)) < 400


def test_a_digest_is_of_the_bytes_alone(tmp_path):
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (files.digest(tmp_path / name) for name in "abc")
    assert a == b != c
    with pytest.raises(UserError, match="nowhere: no such file"):
        files.digest(tmp_path / "nowhere")


def test_damage_is_said_in_words(tmp_path):
    with (
        pytest.raises(UserError, match=r"a.npy: damaged \(no an object\); again"),
        files.reading("a.npy", "again"),
    ):
        raise ValueError(f"no {object()}")


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "an alias"),
        ("a: !!python/name:os.system", "damaged"),
        ("[" * 10_000, "nested"),
        ("- 1", "expected"),
        ("[]", "expected"),
        ("false", "expected"),
    ],
)
def test_yaml_holds_plain_values_alone(tmp_path, text, said):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        files.read_yaml(path)


def test_only_true_and_false_are_truth_values(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("{precision: no, power: on, log: true, fast: False, batch: 8}")
    assert files.read_yaml(path) == {"precision": "no", "power": "on", "log": True, "fast": False, "batch": 8}


def test_an_empty_yaml_file_is_an_empty_mapping(tmp_path):
    path = tmp_path / "a.yaml"
    path.touch()
    assert files.read_yaml(path) == {}


def test_folders_devices_and_files_without_end_are_not_read(tmp_path):
    for path, said in ((tmp_path, "is not a file"), ("/dev/zero", "is not a file")):
        with pytest.raises(UserError, match=said):
            files.read_text(path)
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(files.LARGEST + 1)
    with pytest.raises(UserError, match="larger than"):
        files.read_text(tmp_path / "sparse")


@pytest.mark.parametrize("name", ["x" * 300 + ".wav", "missing/a.wav", ".", "loop.wav", "/dev/null"])
def test_what_cannot_be_replaced(tmp_path, name):
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    with pytest.raises(UserError):
        files.check_replaceable(tmp_path / name)


def test_an_output_is_no_input_by_any_name(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "link.wav").symlink_to("a.wav")
    os.link(tmp_path / "a.wav", tmp_path / "hard.wav")
    for name in ("a.wav", "link.wav", "hard.wav", "../" + tmp_path.name + "/a.wav"):
        with pytest.raises(UserError, match="also an input"):
            files.check_apart([tmp_path / name], [tmp_path / "a.wav"])
    files.check_apart([tmp_path / "b.wav"], [tmp_path / "a.wav"])


WRITE_AND_DIE = """
import os, signal
from pathlib import Path
from msdae import files
with files.atomic("a.txt") as path, files.atomic_folder(Path("folder")) as folder:
    path.write_text("half")
    (folder / "b").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path):
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE], cwd=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    files._swept.clear()
    with files.atomic(tmp_path / "a.txt") as path:
        path.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_only_regular_files_are_replaced_and_everybody_may_read_them(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="no regular file"), files.atomic(tmp_path / "pipe"):
        pass
    with files.atomic(tmp_path / "a.txt") as path:
        path.unlink()
        os.close(os.open(path, os.O_CREAT, 0o600))
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_what_a_living_process_writes_stays(tmp_path):
    script = WRITE_AND_DIE.replace("os.kill(os.getpid(), signal.SIGKILL)", "print(flush=True); input()")
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        with files.atomic(tmp_path / "b.txt") as path:
            path.touch()
        process.communicate(b"\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt", "folder"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    script = (
        "import resource, signal; from msdae import files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "with files.atomic('a.txt') as path: path.write_text('x' * 1000)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True).returncode == 1
    assert (tmp_path / "a.txt").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_errors_of_the_machine_are_said_in_one_line():
    name = os.fsdecode(b"caf\xe9\n.wav")
    with pytest.raises(OSError) as error:
        os.stat(name)
    assert str(of_system(error.value)) == "caf\\udce9\n.wav: no such file or directory; check the path"
    assert printable("a\x1b[31m") == "a\\x1b[31m"
    assert printable("a\nb") == "a\nb" and printable(Path("a\nb")) == "a\\nb"  # a name is one line
    assert "out of memory" in str(of_system(MemoryError(), "steps"))
    assert "out of memory" in str(of_system(RuntimeError("CPUAllocator: can't allocate memory")))
    assert "a.npy: no space left" in str(of_system(OSError("66150 requested and 5000 written"), "a.npy"))
    assert of_system(KeyError("a bug")) is None


def test_without_locks_nothing_is_held_open(tmp_path, monkeypatch):
    """As on Windows, which opens no folder."""
    monkeypatch.setattr(files, "fcntl", None)
    monkeypatch.setattr(os, "open", None)
    with files.atomic(tmp_path / "a") as temporary:
        temporary.write_bytes(b"whole")
    with files.atomic_folder(tmp_path / "b") as temporary:
        pass
    assert (tmp_path / "a").read_bytes() == b"whole" and (tmp_path / "b").is_dir()
