import ctypes.util
import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest

import msdae
from msdae import folders
from msdae.commands import doctor


def lines(capsys) -> dict[str, str]:
    """What was printed, {name: text}; "!" stays before what is wrong."""
    rows = [line for line in capsys.readouterr().out.splitlines() if line[:2] in ("  ", "! ")]
    return {
        row[2:].split("  ")[0].strip(): row[:2].strip() + row[2:].split("  ", 1)[1].strip() for row in rows
    }


@pytest.fixture
def without(monkeypatch):
    """A function: the package NAME is not installed, or in `version`."""

    def changed(name: str, version: str | None = None) -> None:
        real = metadata.version

        def answer(asked: str) -> str:
            if asked != name:
                return real(asked)
            if version is None:
                raise metadata.PackageNotFoundError(asked)
            return version

        monkeypatch.setattr(metadata, "version", answer)

    return changed


def test_a_machine_on_which_all_is_well(run, capsys):
    run("doctor")
    said = lines(capsys)
    weights = list((Path(msdae.__file__).parent / "assets").glob("*.safetensors"))
    assert f"{len(weights)} files" in said["weights"]
    assert said["packages"].startswith(f"torch {metadata.version('torch')}")
    assert {"[eval]", "[data]", "[onnx]", "data", "runs", "caches", "device"} <= set(said)
    assert not any(text.startswith("!") for text in said.values())


@pytest.mark.parametrize(
    ("version", "reason"), [(None, "missing mir_eval"), ("0.1", "mir_eval 0.1, not >=0.7")]
)
def test_an_extra_that_is_missing_has_its_line_and_is_no_error(without, capsys, version, reason):
    without("mir_eval", version)
    doctor.main([])
    assert lines(capsys)["[eval]"] == f"{reason}: pip install 'msdae[eval]'"


def test_a_library_of_the_system_that_is_missing(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    assert doctor._there("live").endswith("apt install libportaudio2")
    assert doctor._there("eval") == "there"
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: "libportaudio.so.2")
    assert doctor._there("live") == "there"


def test_packages_that_nothing_works_without(without, capsys):
    without("soxr")
    with pytest.raises(SystemExit) as end:
        doctor.main([])
    said = lines(capsys)
    assert end.value.code == 1
    assert said["packages"] == "!missing soxr: pip install 'soxr>=0.5'" and "weights" not in said


def test_a_package_that_is_not_installed_itself(without, capsys):
    without("msdae")
    with pytest.raises(SystemExit):
        doctor.main([])
    assert lines(capsys)["packages"] == "!msdae is not installed: pip install --editable ."


def test_folders_that_cannot_be_written(monkeypatch, capsys):
    monkeypatch.setenv("MSDAE_HOME", "/proc/nowhere")
    with pytest.raises(SystemExit) as end:
        doctor.main([])
    said = lines(capsys)
    assert end.value.code == 1
    for name in ("data", "runs", "caches"):
        assert "cannot be written" in said[name] and said[name].endswith("set MSDAE_HOME to another folder")


def test_weights_that_are_damaged_or_gone(monkeypatch, tmp_path, capsys):
    shipped = folders.ASSETS
    monkeypatch.setattr(folders, "ASSETS", tmp_path / "assets")
    [finding] = doctor.weights()
    assert finding.wrong and "no files; install msdae again" in finding.text
    shutil.copytree(shipped, tmp_path / "assets")
    (tmp_path / "assets" / "small.safetensors").write_bytes(b"damaged")
    [finding] = doctor.weights()
    assert finding.wrong and "small.safetensors: truncated, or not a safetensors file" in finding.text
