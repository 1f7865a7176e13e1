"""The examples of docs/extend.md do what the page says."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch

from msdae import audio, codecs
from msdae.audio.mel import MelConfig
from msdae.codecs.registry import CODECS
from msdae.data import ClipCache
from msdae.data.encode import Encoding
from msdae.data.prepare import prepare_set
from msdae.data.sets import DATASETS
from msdae.diffusion import SAMPLERS
from msdae.errors import UserError
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.models.composers.base import COMPOSERS, new
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.priors.base import PRIORS, Condition
from msdae.models.priors.base import new as new_prior
from msdae.models.priors.grid import Grid, Level
from msdae.models.registry import MODELS
from msdae.registry import Registry
from msdae.symbolic.notes import Score, ScoreNote
from msdae.training.autoencoder import TrainConfig
from msdae.training.stages import train_stage

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"
EXAMPLES = dict(re.findall(r"```python (\w+)\n(.*?)```", PAGE.read_text(), flags=re.S))


@pytest.fixture(scope="module", autouse=True)
def registered():
    """Everything on the page, defined once, for this file alone."""
    with pytest.MonkeyPatch.context() as patch:
        for registry in (CODECS, SAMPLERS, DATASETS, MODELS, COMPOSERS, PRIORS):
            registry._import()
            patch.setattr(registry, "_entries", dict(registry._entries))
        for example in EXAMPLES.values():
            exec(compile(example, str(PAGE), "exec"), {"__name__": "examples"})
        yield


def model(kind: str = "msdae", codec: str = "averages"):
    """A small model of the kind, over the codec."""
    torch.manual_seed(0)
    used = codecs.load(codec)
    trained_on = CodecConfig(used.name, "", used.fingerprint, used.hop, used.channels)
    mel = MelConfig().fitted(used.sample_rate, used.hop)
    network = MODELS[kind](ModelConfig(widths=(16, 16, 16), hidden=16, mel=mel, codec=trained_on))
    for parameter in network.parameters():  # an untrained model ends in zeros
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network.eval()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own/mine.py", "missing.wav: no such file"),  # the sampler is known
        ("missing.py", "MSDAE_IMPORT: missing.py: no such Python file"),
        ("own/json.py", "MSDAE_IMPORT: own/json.py: another module is called so; rename it"),
    ],
)
def test_commands_know_what_files_in_the_environment_register(tmp_path, name, message):
    if name != "missing.py":
        (tmp_path / "own").mkdir()
        (tmp_path / name).write_text(EXAMPLES["sampler"])
    line = [sys.executable, "-m", "msdae", "swap", "--timbre", "missing.wav", "--melody", "missing.wav"]
    environment = {**os.environ, "MSDAE_IMPORT": name, "PYTHONPATH": str(PAGE.parents[1])}
    done = subprocess.run(
        [*line, "--sampler", "midpoint"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_a_file_that_fails_is_imported_again_once_it_is_mended(tmp_path, monkeypatch):
    """Regression: in a notebook its entries were missing from then on, as if it registered none."""
    path = tmp_path / "mended_sampler.py"
    path.write_text("nothing.here")
    monkeypatch.setenv("MSDAE_IMPORT", str(path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for _ in range(2):
        with pytest.raises(NameError):
            list(SAMPLERS)
    path.write_text(EXAMPLES["sampler"].replace("midpoint", "mended"))
    assert "mended" in SAMPLERS and SAMPLERS["mended"]
    del SAMPLERS._entries["mended"]


def test_a_package_whose_import_fails_is_imported_again(tmp_path, monkeypatch):
    package = tmp_path / "failing_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "entry.py").write_text("nothing.here")
    monkeypatch.syspath_prepend(str(tmp_path))
    things = Registry("thing", "failing_package")
    for _ in range(2):
        with pytest.raises(NameError):
            things["one"]


def test_examples_are_short():
    assert EXAMPLES.keys() == {"codec", "sampler", "dataset", "model", "composer", "prior"}
    assert all(len(example.splitlines()) <= 25 for example in EXAMPLES.values())


@pytest.mark.parametrize(("kind", "sampler"), [("msdae", "midpoint"), ("apart", "dpmpp_2m")])
def test_a_model_over_the_codec_swaps(kind, sampler):
    pipeline = Pipeline(model(kind), codecs.load("averages"), Sampling(steps=2, sampler=sampler))
    timbre, melody = 0.1 * torch.randn(2, 60_000)
    swapped = pipeline.swap(timbre, melody, sample_rate=48000)
    assert swapped.shape == (60_000,) and swapped.isfinite().all()


def test_a_composer_composes():
    tune = Score(([ScoreNote(n / 2, 0.5, 60 + n % 5) for n in range(20)],))
    settings = COMPOSERS["gru"].Config(hidden=8, embedding=8)
    score = new("gru", settings, [tune], 0).compose(2, torch.Generator().manual_seed(0))
    assert sum(map(len, score.parts)) > 2


def test_a_prior_draws():
    grid = Grid((Level(2, 0), Level(3, 1)))
    prior = new_prior("convs", PRIORS["convs"].Config(window=16), grid, "a model", 0)
    drawn = prior.sample(20, Condition(), torch.Generator().manual_seed(0))
    assert drawn[1].shape == (1, 2, 1) and drawn[2].shape == (1, 3, 20) and drawn[2].isfinite().all()


def test_a_model_is_saved_and_loaded(tmp_path):
    saved = model("apart")
    saved.save(tmp_path / "model.safetensors")
    loaded = type(saved).load(tmp_path / "model.safetensors")
    assert type(loaded) is type(saved) and not loaded.residual


def test_the_sampler_is_of_second_order():
    from msdae.diffusion.samplers import sample

    def gaussian(x, sigma):  # of data of variance 1: the exact solution is known
        return x / (1 + sigma[:, None, None] ** 2)

    noise = torch.ones(1, 1, 1)
    ends = [
        sample(gaussian, noise, n, "midpoint", sigma_min=0.1, sigma_max=10.0).item() for n in (8, 16, 256)
    ]
    assert abs(ends[1] - ends[2]) < 0.4 * abs(ends[0] - ends[2])


@pytest.fixture
def takes(tmp_path):
    """A folder of recordings, as the data set's example has them: noise."""
    generator = torch.Generator().manual_seed(0)
    for split in ("train", "valid"):
        for player in ("anna", "ben"):
            folder = tmp_path / "takes" / split / "song"
            folder.mkdir(parents=True, exist_ok=True)
            wave = 0.1 * torch.randn(4 * audio.SAMPLE_RATE, generator=generator)
            soundfile.write(folder / f"{player}.wav", wave.numpy(), audio.SAMPLE_RATE)
    return tmp_path / "takes"


def test_the_data_set_is_prepared_and_trained_on(takes, tmp_path, caplog):
    assert "takes" in DATASETS
    encoding = Encoding("averages", MelConfig().fitted(48000, 512))
    prepare_set("takes", tmp_path / "data", encoding, takes, workers=1)
    assert "warning: codec 'averages' does not reconstruct" in caplog.text
    cache = ClipCache(tmp_path / "data" / "train")
    assert [clip["sound"] for clip in cache.clips] == ["anna", "ben"]
    assert cache.latents.shape[1:] == (64, codecs.load("averages").clip_frames)
    sizes = ModelConfig(widths=(16, 16, 16), hidden=16, codec=CodecConfig("averages"))
    few = {"steps": (1,), "batch_size": 2, "pretrain": 0, "validation_batches": 1, "trackers": ()}
    settings = TrainConfig(model=sizes, **few)
    with pytest.raises(UserError, match="limit 9 dB.*--set coarse_codec=true"):
        train_stage("msdae", 1, settings, tmp_path / "run", [tmp_path / "data"])
    caplog.set_level("INFO", "msdae")
    settings = replace(settings, coarse_codec=True)
    assert train_stage("msdae", 1, settings, tmp_path / "run", [tmp_path / "data"])
    assert "warning: above 9 dB" in caplog.text
    assert "which does not fit latents whose deviation is 0.03" in caplog.text
    assert "prepare them without --codec and --mel-of: --stage 3 --from embedded" in caplog.text
