"""A model over a codec file: trained, loaded, swapped with, scored, exported."""

import dataclasses
import shutil

import pytest
import soundfile
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from msdae import codecs
from msdae.codecs import pca
from msdae.codecs.pca import SpectralCodec
from msdae.commands import export, prepare_data
from msdae.data.views import ViewConfig
from msdae.errors import UserError
from msdae.evaluation.swapbench.selection import quick
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.models import codec_files
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import CodecConfig, ModelConfig
from msdae.training.autoencoder import TrainConfig
from msdae.training.stages import train_stage

pytestmark = pytest.mark.usefixtures("few_references")
FAST = Sampling(steps=2)


@pytest.fixture(scope="module", autouse=True)
def few_phase_steps():
    """The PCA codec finds phases in four steps, not in 32: nothing here is about how it sounds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pca, "PHASE_STEPS", 4)
        yield


@pytest.fixture(scope="module")
def codec_file(tmp_path_factory):
    """The shipped PCA codec with other weights: latents twice as large."""
    shipped = codecs.load("spectral")
    path = tmp_path_factory.mktemp("codec") / "mine.safetensors"
    weights = shipped.mean, shipped.components, 2 * shipped.weight, shipped.prediction / 2
    SpectralCodec(shipped.config, *weights).save(path)
    return path


@pytest.fixture(scope="module")
def run(codec_file, melody, tmp_path_factory):
    """The folder of a run of two steps a stage over the codec file."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "music").mkdir()
    for number in range(4):
        soundfile.write(folder / f"music/{number}.wav", melody(9, number)[0].numpy(), 44100)
    options = ["--dataset", "folder", "--source", folder / "music", "--out", folder / "data", "--workers", 1]
    prepare_data.main([str(word) for word in [*options, "--codec", codec_file, "--device", "cpu"]])
    model = ModelConfig(widths=(16, 16, 24), hidden=16, codec=CodecConfig(str(codec_file)))
    settings = TrainConfig(
        model=model,
        steps=(2, 2, 2),
        batch_size=2,
        validation_batches=1,
        pretrain=0,
        trackers=(),
        views=ViewConfig(recolour=1.0),
    )
    for stage in (1, 2):
        assert train_stage("msdae", stage, settings, folder / "run", [folder / "data"])
    return folder / "run"


def test_a_saved_folder_does_not_tell_where_the_codec_lay(run, codec_file, tmp_path):
    """Regression: what was pushed to the hub had a path of the user's own machine in it."""
    model = Autoencoder.from_pretrained(run / "stage2")
    assert model.config.codec.path == str(codec_file)
    model.save_pretrained(tmp_path / "saved")
    saved = (tmp_path / "saved" / "model.safetensors").read_bytes()
    assert str(codec_file.parent).encode() not in saved
    pipeline = Pipeline.from_pretrained(tmp_path / "saved", "cpu")
    assert pipeline.codec.fingerprint == model.config.codec.fingerprint
    (tmp_path / "saved" / codec_files.CODEC).unlink()
    with pytest.raises(UserError, match="beside the checkpoint"):
        Pipeline.from_pretrained(tmp_path / "saved", "cpu")


def test_a_model_over_a_codec_file_swaps_and_is_scored(run, codec_file, melody):
    """Regression, defect 1: it was refused, because the header kept the name of the codec's class alone."""
    pipeline = Pipeline.from_pretrained(run / "stage2", "cpu", FAST)
    assert pipeline.codec.fingerprint == codecs.load(codec_file).fingerprint
    assert pipeline.codec.fingerprint != codecs.load("spectral").fingerprint
    swapped = pipeline.swap(melody(4, 1), melody(4, 2))
    assert swapped.shape == (4 * 44100,) and swapped.isfinite().all() and swapped.abs().max() > 0.01
    assert 0 <= quick(pipeline, counts={"monophonic": 2}).melody_f1 <= 1


def test_the_codec_is_looked_for_beside_the_checkpoint_and_where_it_was(run, codec_file, tmp_path):
    config = Autoencoder.from_pretrained(run / "stage2").config.codec
    assert (config.name, config.path) == ("spectral", str(codec_file))
    assert codec_files.find(config, run / "stage2") == run / "stage2/codec.safetensors"
    assert codec_files.find(config, tmp_path) == codec_file
    moved = dataclasses.replace(config, path="nowhere.safetensors")
    for look in (codec_files.find, codec_files.load):
        with pytest.raises(UserError, match="neither codec.safetensors beside .* nor nowhere.* with --codec"):
            look(moved, tmp_path)
    assert codec_files.load(moved, tmp_path, codec_file).fingerprint == config.fingerprint
    with pytest.raises(UserError, match="not the one that the model was trained on"):
        codec_files.load(moved, tmp_path, "spectral-neural")


def test_a_stray_codec_beside_a_checkpoint_does_not_matter(run, tmp_path):
    shutil.copy(run / "stage2/codec.safetensors", tmp_path / "codec.safetensors")
    Autoencoder.from_pretrained("embedded").save(tmp_path / "model.safetensors", torch.float16)
    assert Pipeline.from_pretrained(tmp_path, "cpu").codec.name == "spectral-neural"


def test_exports_take_the_codec_along(run, codec_file, tmp_path):
    (tmp_path / "file").mkdir()
    target = tmp_path / "file/mine.safetensors"
    export.main([str(run / "stage2"), "--out", str(target)])
    Autoencoder.from_pretrained(run / "stage2").save_pretrained(tmp_path / "hub")
    for path in (target, tmp_path / "hub"):
        assert Pipeline.from_pretrained(path, "cpu").codec.fingerprint == codecs.load(codec_file).fingerprint
    for folder in ("file", "hub"):
        copy = tmp_path / folder / "codec.safetensors"
        assert copy.read_bytes() == codec_file.read_bytes()
    shipped = codecs.load("spectral")
    shipped.save(tmp_path / "file/codec.safetensors")
    with pytest.raises(UserError, match="is another codec than the model's"):
        export.main([str(run / "stage2"), "--out", str(target)])


def test_another_decoder_of_the_same_latents_is_not_replaced(tmp_path):
    """Regression: the models of a folder sounded otherwise after an export beside them."""
    codec = codecs.load("spectral-neural")
    for name, factor in (("one", 1.0), ("same", 1.0), ("other", 0.5)):
        (tmp_path / name).mkdir()
        next(codec.frame.parameters()).data *= factor
        codec.save(tmp_path / name / "codec.safetensors")
    one, same, other = (tmp_path / name / "codec.safetensors" for name in ("one", "same", "other"))
    assert codecs.load(other).fingerprint == codecs.load(one).fingerprint
    codec_files.copy(same, one.parent)
    before = one.read_bytes()
    with pytest.raises(UserError, match="one/codec.safetensors: decodes otherwise than the model's; choose"):
        codec_files.copy(other, one.parent)
    assert one.read_bytes() == before


def test_a_model_whose_codec_is_lost_is_not_exported_without_it(run, tmp_path):
    model = Autoencoder.from_pretrained(run / "stage2")
    model.save(tmp_path / "model.safetensors")
    lost = dataclasses.replace(model.config.codec, path="nowhere.safetensors")
    model.config, model.folder = dataclasses.replace(model.config, codec=lost), tmp_path
    with pytest.raises(UserError, match="neither codec.safetensors beside .* nor nowhere"):
        model.save_pretrained(tmp_path / "hub")


def test_the_model_that_ships_needs_no_copy(tmp_path):
    model = Autoencoder.from_pretrained("embedded")
    model.save_pretrained(tmp_path)
    assert not (tmp_path / "codec.safetensors").exists()


def test_a_hub_repository_gives_its_codec_too(run, codec_file, tmp_path, monkeypatch):
    def download(repository, name, **options):
        path = tmp_path / "repositories" / repository / name
        if not path.exists():
            raise LocalEntryNotFoundError(f"no {name} in {repository}")
        return str(path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    Autoencoder.from_pretrained(run / "stage2").save_pretrained(tmp_path / "repositories/me/mine")
    Autoencoder.from_pretrained("embedded").save_pretrained(tmp_path / "repositories/me/shipped")
    fingerprint = Pipeline.from_pretrained("me/mine", "cpu").codec.fingerprint
    assert fingerprint == codecs.load(codec_file).fingerprint
    assert Pipeline.from_pretrained("me/shipped", "cpu").codec.name == "spectral-neural"
    with pytest.raises(UserError, match="me/nothing"):
        Autoencoder.from_pretrained("me/nothing")


def test_the_error_names_the_codec_that_ships():
    """Regression: it sent to an older commit for the codec that it had."""
    shipped, other = (codecs.load(name) for name in ("spectral-neural", "spectral"))
    with pytest.raises(UserError, match="give --codec spectral-neural, or take"):
        codec_files.require(CodecConfig("spectral-neural", fingerprint=shipped.fingerprint), other)
    with pytest.raises(UserError, match="give that codec's file with --codec, or take"):
        codec_files.require(CodecConfig("spectral-neural", fingerprint="unknown"), other)
