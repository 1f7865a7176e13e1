"""Nothing is imported before it is needed: what a process has imported, which no clock can blur."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from msdae import lazy
from msdae.data.sets import DATASETS

ROOT = Path(__file__).parents[1]
HEAVY = {
    "torch",
    "torchaudio",
    "numpy",
    "scipy",
    "matplotlib",
    "huggingface_hub",
    "accelerate",
    "transformers",
}
HELP = """
import contextlib, io, json, sys
from msdae import commands
for name in commands.names():
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        commands.run(name, ["--help"])
    print(json.dumps([name, sorted(sys.modules)]))
"""


def modules(code: str) -> list:
    """What a fresh process prints, line by line."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_help_of_every_command_imports_nothing_heavy():
    allowed: set[str] = set()
    for name, imported in modules(HELP):
        if name in {"results", "run-probes"}:  # whose tasks are functions of arrays
            allowed = {"numpy"}
        assert HEAVY & set(imported) <= allowed, name


def test_importing_the_package_imports_nothing_heavy():
    code = "import json, sys, msdae; print(json.dumps(sorted(sys.modules)))"
    [imported] = modules(code)
    assert not HEAVY & set(imported)
    ours = {name for name in imported if name.startswith("msdae")}
    assert ours <= {"msdae", "msdae.lazy"} | {name for name in ours if "finder" in name}


def test_a_swap_imports_what_it_needs(tmp_path):
    """Each of these takes from a tenth of a second to a second."""
    code = f"""
import contextlib, io, json, sys, torch
from msdae import audio, commands
for name in ("a", "b"):
    audio.write("{tmp_path}/" + name + ".wav", 0.1 * torch.randn(44100))
with contextlib.redirect_stdout(io.StringIO()):
    commands.run("swap", "--timbre {tmp_path}/a.wav --melody {tmp_path}/b.wav --out {tmp_path}/y.wav".split())
print(json.dumps(sorted(sys.modules)))
"""
    [imported] = modules(code)
    unneeded = {"scipy", "matplotlib", "huggingface_hub", "accelerate", "transformers", "torchaudio"}
    assert not (unneeded | {"sympy", "torch._dynamo", "librosa", "pandas", "sklearn"}) & set(imported)


def test_a_name_means_the_same_when_it_is_asked_for_again():
    """A module of that name, once imported, would take its place. Each package has a process of its own."""
    code = """
import json, os
import torch  # once for all of them
for name in ("audio", "data", "metrics", "swapbench"):
    if os.fork() == 0:
        exec(f"from msdae import {name} as package")
        same = [str(getattr(package, name)) == str(getattr(package, name)) for name in package.__all__]
        print(json.dumps(same), flush=True)
        os._exit(0)
    os.wait()
"""
    answers = modules(code)
    assert len(answers) == 4 and all(same and all(same) for same in answers)


def test_names_that_are_read_from_files_are_those_that_register():
    code = """
import json
from msdae.codecs import CODECS
from msdae.data.sets import DATASETS
from msdae.diffusion import SAMPLERS
from msdae.models.registry import MODELS
registries = CODECS, DATASETS, MODELS, SAMPLERS
print(json.dumps([list(registry) for registry in registries]))
for registry in registries:
    registry._import()
print(json.dumps([list(registry) for registry in registries]))
"""
    read, registered = modules(code)
    assert read == registered and all(len(names) > 1 for names in read)


def test_sets_that_are_rendered_are_those_with_settings():
    from msdae.commands.prepare_data import RENDERED

    assert list(RENDERED) == [name for name in DATASETS if DATASETS[name].config]


def test_splits_are_those_of_the_cases():
    from msdae.evaluation.swapbench import cases, settings

    assert tuple(cases.SPLITS) == settings.SPLITS


def test_shipped_codecs_load():
    from msdae import codecs

    assert codecs.shipped() == ["spectral", "spectral-neural"]
    assert {codecs.load(name).name for name in codecs.shipped()} == set(codecs.shipped())


def test_a_name_that_a_package_has_not():
    get = lazy.getter("package", {"decode": "json:JSONDecoder.decode", "json": "json"})
    assert get("json") is json and get("decode") is json.JSONDecoder.decode
    with pytest.raises(AttributeError, match="module 'package' has no attribute 'nothing'"):
        get("nothing")
