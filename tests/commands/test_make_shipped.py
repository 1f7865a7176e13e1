"""The script that makes the model that ships, at a thousandth of its size."""

import dataclasses
from functools import partial

import pytest
import torch

from msdae import config, folders
from msdae.data import open_clips
from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder, outlined
from msdae.training.autoencoder import TrainConfig
from msdae.training.recipe import NamedSquares, Recipe

TOY = [
    *("--set", "training.model.widths=[16,16,24]", "--set", "training.model.hidden=16"),
    *("--set", "training.batch_size=4", "--set", "training.pretrain_batch=4"),
    *("--set", "training.validation_batches=1", "--set", "training.trackers=[]"),
    *("--set", "training.mixed_precision=no"),
]


@pytest.fixture
def make(run, tmp_path, monkeypatch):
    """A function that runs the script in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return partial(run, "make_shipped", "--data", "data", "--run", "run", "--out", "model.safetensors")


def test_a_toy_of_the_shipped_recipe_is_prepared_trained_and_exported(make, tmp_path):
    toy = ("--scale", "0.0002", "--soundfont", "TimGM6mb.sf2", "--workers", "1", *TOY)
    make(*toy)
    model = Autoencoder.from_pretrained(str(tmp_path / "model.safetensors"))
    assert model.stage == 3
    clips = open_clips(*(tmp_path / "data" / name / "train" for name in ("many", "dry", "notes")))
    assert model.config.codec.std == pytest.approx(clips.manifest["latent"]["std"])
    make(*toy)  # nothing is left to do
    start = ("--config", folders.configs() / "continued.yaml", "--from", tmp_path / "model.safetensors")
    out = ("--run", tmp_path / "further", "--out", tmp_path / "further.safetensors")
    make(*toy, *start, *out)
    assert sorted(path.name for path in (tmp_path / "further").iterdir()) == ["stage3"]
    before, after = model.state_dict(), Autoencoder.load(tmp_path / "further.safetensors").state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("encoders.0."))
    assert not all(torch.equal(before[name], after[name]) for name in before if name.startswith("unet."))


def test_the_shipped_recipe_is_valid_and_names_its_sets():
    recipe = config.load(Recipe, folders.configs() / "shipped.yaml")
    assert [dataset.name for dataset in recipe.data] == ["many", "dry", "notes"]
    assert sum(dataset.squares.clips for dataset in recipe.data) == 46000
    assert recipe.training.steps == (1000, 400, 28000)
    tenth = recipe.scaled(0.1, ["a.sf2"])
    assert tenth.data[2].squares.clips == 1400 and tenth.training.steps == (100, 40, 2800)
    assert tenth.data[1].squares.soundfonts == ("a.sf2",) and tenth.data[1].squares.weights == ()
    assert not any(dataset.squares.samples or dataset.squares.unseen_samples for dataset in tenth.data)
    sampled = recipe.scaled(1, (), ["lib"], ["lib/bassoon"])
    assert all(dataset.squares.samples == ("lib",) for dataset in sampled.data)
    assert all(dataset.squares.unseen_samples == ("lib/bassoon",) for dataset in sampled.data)


@pytest.mark.parametrize(("name", "hop"), [("recordings", 4096), ("half-hop", 2048)])
def test_models_with_tokens_are_25_megabytes_in_half_precision_at_the_most(name, hop):
    recipe = config.load(Recipe, folders.configs() / f"{name}.yaml")
    trained = config.load(TrainConfig, folders.configs() / f"{name}.yaml", [], "training")
    assert trained == recipe.training and trained.model.tokens
    codec = dataclasses.replace(trained.model.codec, hop=hop, channels=96)
    model = outlined("msdae", dataclasses.replace(trained.model, codec=codec))
    assert sum(parameter.numel() for parameter in model.parameters()) < 12.3e6
    mel = torch.empty(2, 128, 512, device="meta")
    frames = [code.shape[-1] for code in model.encode(None, mel)]
    assert frames == [1, 8, 512 * 256 // hop] and model.encode_tokens(mel)[1].shape == (2, 32)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden"])
def test_sets_are_named_as_folders(name):
    with pytest.raises(UserError, match="names are those of folders"):
        Recipe((NamedSquares(name),))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--soundfont", "nowhere.sf2"), "nowhere.sf2: no such SoundFont"),
        (("--soundfont", "TimGM6mb.sf2", "--samples", "nowhere"), "nowhere: no such library"),
        (("--scale", "0"), "--scale: is 0, expected above 0"),
        (("--out", "nowhere/model.safetensors"), "nowhere does not exist"),
        (("--set", "training.step=3"), "did you mean 'steps'"),
    ],
)
def test_bad_input_ends_before_any_work(make, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        make(*arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
