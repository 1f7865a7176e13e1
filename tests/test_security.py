"""Promises of SECURITY.md, read from the code's own syntax tree: no pickles, shells or network."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from msdae.errors import UserError
from msdae.inference.pipeline import Pipeline

ROOT = Path(__file__).parents[1]
NETWORK = {"urllib", "requests", "http", "socket", "ftplib", "aiohttp", "httpx"}  # modules that fetch
OF_THE_HUB = {  # when they are asked to
    "msdae/models/hub.py",
    "msdae/codecs/music2latent.py",
    "msdae/evaluation/metrics/clap.py",
    "msdae/commands/export.py",
    "msdae/commands/doctor.py",
}
FORBIDDEN = ("eval", "exec", "os.system", "pickle.load", "pickle.loads", "yaml.unsafe_load")
NAMES_THE_HOST = {"msdae/locks.py", "msdae/app/serving.py"}  # the page's server listens, it fetches nothing


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """(file, dotted name, call) of every call in the package and its command lines."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield path.relative_to(ROOT).as_posix(), ast.unparse(node.func), node


def sources() -> Iterator[Path]:
    for folder in ("msdae", "experiments", "probes"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def keyword(call: ast.Call, name: str) -> object:
    return next((ast.literal_eval(k.value) for k in call.keywords if k.arg == name), None)


def test_nothing_is_unpickled_and_no_text_is_run():
    for file, name, call in calls():
        where = f"{file}:{call.lineno}"
        assert name not in FORBIDDEN, where
        if name == "torch.load":
            assert keyword(call, "weights_only") is True, where
        if name == "np.load":
            assert keyword(call, "allow_pickle") is False, where
        if name == "yaml.load":
            assert [ast.unparse(argument) for argument in call.args[1:]] == ["_Loader"], where
        assert keyword(call, "shell") is not True if name.startswith("subprocess.") else True, where
        assert not name.endswith(".extractall"), where


def test_only_what_is_asked_for_reaches_the_network():
    for path in sources():
        file = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                top = name.partition(".")[0]
                assert top not in NETWORK or file in NAMES_THE_HOST, f"{file} imports {name}"
                assert top != "huggingface_hub" or file in OF_THE_HUB, f"{file} imports {name}"


def test_a_pickle_is_no_checkpoint(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    for name in ("model.safetensors", "model.pt"):
        torch.save(Trap(), tmp_path / name)
        with pytest.raises(UserError, match=name):
            Pipeline.from_pretrained(tmp_path / name)
    assert not (tmp_path / "sprung").exists()
