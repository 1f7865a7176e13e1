"""What a stage starts from, and runs of several stages."""

import dataclasses
import json
import re

import pytest
import torch
from tqdm import tqdm

from msdae import audio, codecs, config, data, folders
from msdae.audio.mel import MelConfig
from msdae.data import ClipCache
from msdae.data.encode import Encoding
from msdae.data.prepare import prepare, prepare_set
from msdae.data.rendering import RenderConfig
from msdae.data.sets import folder
from msdae.data.sources import ClipLength
from msdae.data.tally import Tally
from msdae.data.views import ViewConfig
from msdae.errors import UserError
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.msdae import MSDAE
from msdae.models.registry import MODELS
from msdae.training import stages
from msdae.training.autoencoder import TrainConfig
from msdae.training.stages import begin_stage, noise_note, stage_folder, train_stage

pytestmark = pytest.mark.usefixtures("decoded_once")
MODEL = ModelConfig(widths=(16, 16, 24), hidden=16)
SETTINGS = TrainConfig(
    model=MODEL,
    steps=(6, 6, 6),
    batch_size=4,
    warmup=2,
    log_every=1,
    validate_every=3,
    validation_batches=1,
    save_every=2,
    audio_every=100,
    trackers=(),
    pretrain=0,
)


@pytest.fixture(scope="module")
def whole(tiny, decoded_once, tmp_path_factory):
    """The folder of a run of all stages, to start from."""
    folder = tmp_path_factory.mktemp("whole")
    settings = dataclasses.replace(SETTINGS, steps=(2, 2, 2), refine=2)
    for stage in (1, 2, 3):
        assert train_stage("msdae", stage, settings, folder, [tiny])
    return folder


@pytest.mark.parametrize(("std", "fit", "asked"), [(0.1, -1.8, True), (30.0, 3.9, True), (0.5, 0.5, False)])
def test_noise_that_does_not_fit_the_latents_is_noted(std, fit, asked):
    """Regression: of latents whose deviation is 0.1, sampling kept three quarters of it, unsaid."""
    codec = CodecConfig(std=std)
    note = noise_note(ModelConfig(codec=codec))
    assert note.endswith(f"--set model.P_mean={fit}") if asked else not note
    assert not noise_note(ModelConfig(codec=codec, P_mean=fit))


@pytest.mark.parametrize("file", ["small", "recordings", "thesis", "thesis-small", "released", "hdae"])
def test_noise_fits_the_latents_of_all_configurations(file):
    settings = config.load(TrainConfig, folders.configs() / f"{file}.yaml", [], "training")
    assert not noise_note(settings.model)


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if "loss" in line]


def test_stages_of_a_run_follow_each_other(tiny, whole):
    last = Autoencoder.load(stage_folder(whole, 3) / "model.safetensors")
    assert last.stage == 3 and last.provenance["steps"] == [2, 2, 2]
    assert last.config.codec.std == ClipCache(tiny / "train").manifest["latent"]["std"]
    first = Autoencoder.load(stage_folder(whole, 1) / "model.safetensors").state_dict()
    frozen = [name for name in first if name.startswith("encoders.0.")]
    assert frozen and all(torch.equal(first[name], last.state_dict()[name]) for name in frozen)


def test_the_encoder_of_a_pooled_level_is_trained_alone_first(tiny, tmp_path):
    settings = dataclasses.replace(SETTINGS, pretrain=3, pretrain_batch=8)
    for stage in (1, 2):
        assert train_stage("msdae", stage, settings, tmp_path, [tiny])
    first = Autoencoder.load(tmp_path / "stage1/model.safetensors")
    fresh = begin_stage("msdae", first.config, 1, 0).state_dict()
    alone = Autoencoder.load(tmp_path / "stage1/encoder/model.safetensors").state_dict()
    assert {name.split(".")[0] for name in fresh if not fresh[name].equal(alone[name])} == {"encoders"}
    lines = [json.loads(line) for line in (tmp_path / "stage1/encoder/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "lr" in line] == [1, 2, 3]
    assert not (tmp_path / "stage2/encoder").exists()  # level 2 is not pooled
    assert Autoencoder.load(tmp_path / "stage2/model.safetensors").provenance["steps"] == [6, 6]


def test_the_encoder_that_is_trained_first_is_one_of_a_copy(tiny, tmp_path, monkeypatch):
    """Regression: on an accelerator the encoder's loop took the stage's own model there, where the memory of
    the stage cannot be measured."""

    class Elsewhere(stages.Loop):
        def run(self):
            done = super().run()
            self.task.modules()["model"].to("meta")
            return done

    monkeypatch.setattr(stages, "Loop", Elsewhere)
    settings = dataclasses.replace(SETTINGS, pretrain=2, pretrain_batch=4, steps=(2, 2, 2))
    assert train_stage("msdae", 1, settings, tmp_path, [tiny])


def test_the_first_encoder_of_a_model_that_is_trained_on_is_refined(tiny, whole, tmp_path):
    assert not list(whole.glob("stage*/encoder"))  # nothing there was trained before
    settings = dataclasses.replace(SETTINGS, refine=2, pretrain_batch=8)
    assert train_stage("msdae", 3, settings, tmp_path, [tiny], str(whole / "stage3"))
    before, after = (Autoencoder.load(run / "stage3/model.safetensors") for run in (whole, tmp_path))
    alone = Autoencoder.load(tmp_path / "stage3/encoder/model.safetensors")
    assert alone.stage == 1
    changed = [
        not all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
        for one, other in zip(before.encoders, after.encoders, strict=True)
    ]
    assert changed == [True, False, True]
    for name, weight in alone.encoders[0].state_dict().items():
        assert weight.equal(after.encoders[0].state_dict()[name]), name


def test_a_trained_encoder_is_not_pretrained_again(tiny, tmp_path):
    """Regression: stage 1 from a model that has been through it ran `pretrain`, though `refine` is 0."""
    settings = dataclasses.replace(SETTINGS, pretrain=2, pretrain_batch=8, steps=(1, 1, 1))
    assert train_stage("msdae", 1, settings, tmp_path / "a", [tiny])
    assert (tmp_path / "a/stage1/encoder").exists()
    assert train_stage("msdae", 1, settings, tmp_path / "b", [tiny], str(tmp_path / "a/stage1"))
    assert not (tmp_path / "b/stage1/encoder").exists()
    refined = dataclasses.replace(settings, refine=2)
    assert train_stage("msdae", 1, refined, tmp_path / "c", [tiny], str(tmp_path / "a/stage1"))
    assert (tmp_path / "c/stage1/encoder").exists()


def test_encoders_may_stay_as_they_are(tiny, whole, tmp_path):
    frozen = dataclasses.replace(SETTINGS, frozen=True, refine=2)
    assert train_stage("msdae", 3, frozen, tmp_path / "b", [tiny], str(whole / "stage3"))
    before, after = (Autoencoder.load(run / "stage3/model.safetensors") for run in (whole, tmp_path / "b"))
    after = after.state_dict()
    changed = {
        name.split(".")[0] for name, weight in before.state_dict().items() if not weight.equal(after[name])
    }
    assert changed == {"unet", "null_codes"}
    lines = [json.loads(line) for line in (tmp_path / "b/stage3/log.jsonl").read_text().splitlines()]
    assert not any("contrast" in line for line in lines)
    with pytest.raises(UserError, match="saved with another 'frozen'"):
        train_stage("msdae", 3, SETTINGS, tmp_path / "b", [tiny], str(whole / "stage3"))
    for start in (None, str(whole / "stage2")):
        with pytest.raises(UserError, match="an encoder that nothing has trained"):
            train_stage("msdae", 3, frozen, tmp_path / "c", [tiny], start)


def test_contrast_alone_finds_the_sound_of_other_excerpts_again(tiny, tmp_path):
    settings = dataclasses.replace(SETTINGS, pretrain=60, pretrain_batch=16, steps=(1, 1, 1))
    assert train_stage("msdae", 1, settings, tmp_path, [tiny])
    lines = [json.loads(line) for line in (tmp_path / "stage1/encoder/log.jsonl").read_text().splitlines()]
    found = [line["contrast"] for line in lines if "lr" in line]
    assert sum(found[-10:]) < 0.7 * sum(found[:10])


def test_the_batch_of_an_encoder_alone_is_named_by_its_own_setting(tiny, tmp_path):
    settings = dataclasses.replace(SETTINGS, batch_size=6, accumulation=3, pretrain=2, pretrain_batch=4)
    with pytest.raises(UserError, match="pretrain_batch 4 is not divisible into 3 equal parts"):
        train_stage("msdae", 1, settings, tmp_path, [tiny])


def test_what_it_says(tiny, tmp_path, caplog):
    caplog.set_level("INFO")
    settings = dataclasses.replace(SETTINGS, pretrain=2, pretrain_batch=4, steps=(2, 2, 2))
    assert train_stage("msdae", 1, settings, tmp_path, [tiny])
    said = "\n".join(caplog.messages)
    assert "clips (" in said and "for validation; starts from random weights" in said
    assert "are few for random weights" in said and "--stage 3 --from embedded" in said
    assert " GB of memory" in said and "encoder 1 alone: step 2/2  loss " in said
    assert re.search(
        "stage 1: complete after .*, valid/loss .*, valid/denoising .*, valid/contrast .*: ", said
    )
    assert "encoder 1 alone: complete" in said and "loss 0\n" not in said and "loss 0  " not in said


def test_what_cannot_be_written_or_started_from_is_said_before_data_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "embedded", lambda **options: pytest.fail("data were made"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/run/stage1: not a directory"):
        train_stage("msdae", 1, SETTINGS, tmp_path / "file/run")
    with pytest.raises(UserError, match="nowhere: no such file"):
        train_stage("msdae", 1, SETTINGS, tmp_path / "run", start="nowhere")
    (tmp_path / "run/stage1/model.safetensors").mkdir(parents=True)
    with pytest.raises(UserError, match="is a folder"):
        train_stage("msdae", 1, SETTINGS, tmp_path / "run")


def test_another_model_to_start_from_is_another_run(tiny, tmp_path, monkeypatch):
    """Regression: the run went on from the first one, and its model said that it came from the second."""
    settings = dataclasses.replace(SETTINGS, steps=(1, 1, 1))
    starts = []
    for seed in (0, 1):
        seeded = dataclasses.replace(settings, seed=seed)
        assert train_stage("msdae", 1, seeded, tmp_path / f"{seed}", [tiny])
        starts.append(str(tmp_path / f"{seed}/stage1"))
    assert train_stage("msdae", 2, settings, tmp_path / "a", [tiny], starts[0])
    assert train_stage("msdae", 2, settings, tmp_path / "a", [tiny], starts[0])
    with pytest.raises(UserError, match="saved with another 'from'"):
        train_stage("msdae", 2, settings, tmp_path / "a", [tiny], starts[1])
    with pytest.raises(UserError, match="saved with another 'from'"):
        train_stage("msdae", 1, settings, tmp_path / "0", [tiny], starts[1])
    same = stages.AutoencoderTask.same
    with monkeypatch.context() as patch:
        silent = lambda task: {key: value for key, value in same(task).items() if key != "from"}  # noqa: E731
        patch.setattr(stages.AutoencoderTask, "same", silent)
        assert train_stage("msdae", 2, settings, tmp_path / "b", [tiny], starts[0])
    assert train_stage("msdae", 2, settings, tmp_path / "b", [tiny], starts[1])  # its state does not know


def test_a_model_of_another_kind_does_not_continue_a_run(tiny, tmp_path, monkeypatch):
    """Regression: a class whose weights have the same sizes went on from the other's, or called its run its
    own."""

    class Apart(MSDAE):
        kind, residual = "apart", False

    monkeypatch.setitem(MODELS._entries, "apart", Apart)
    settings = dataclasses.replace(SETTINGS, steps=(1, 1, 1))
    assert train_stage("msdae", 1, settings, tmp_path, [tiny])
    with pytest.raises(UserError, match="saved with another 'kind'"):
        train_stage("apart", 1, settings, tmp_path, [tiny])
    same = stages.AutoencoderTask.same
    silent = lambda task: {key: value for key, value in same(task).items() if key != "kind"}  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(stages.AutoencoderTask, "same", silent)
        assert train_stage("msdae", 1, settings, tmp_path / "b", [tiny])
    assert train_stage("msdae", 1, settings, tmp_path / "b", [tiny])  # its state does not say


def test_a_run_goes_on_where_its_codec_was_moved(tiny, tmp_path):
    """Regression: a run whose folder, or whose codec, was moved was called one of another model."""
    name = "a.safetensors"
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        codecs.load(codecs.DEFAULT).save(tmp_path / place / name)
        codec = dataclasses.replace(MODEL.codec, name=str(tmp_path / place / name))
        model = dataclasses.replace(MODEL, codec=codec)
        settings = dataclasses.replace(SETTINGS, model=model, steps=(1, 1, 1))
        assert train_stage("msdae", 1, settings, tmp_path / "run", [tiny])


def test_an_incomplete_stage_before_is_named(tiny, tmp_path):
    assert train_stage("msdae", 1, SETTINGS, tmp_path, [tiny])
    (tmp_path / "stage1/model.safetensors").unlink()
    with pytest.raises(UserError, match="stage 1 is not complete"):
        train_stage("msdae", 2, SETTINGS, tmp_path, [tiny])


def test_hdae_with_contrast_is_refused_before_any_work(tmp_path):
    """Defect 20."""
    with pytest.raises(UserError, match=r"contrast: hdae reads latents.*contrast=0.*configs/hdae.yaml"):
        train_stage("hdae", 1, SETTINGS, tmp_path, [tmp_path / "nowhere"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "value"), [("hidden", 16), ("heads", 4), ("around", 1)])
def test_settings_of_patch_encoders_are_refused_for_others(tmp_path, name, value):
    """Regression: they were taken without a word, and changed nothing."""
    model = ModelConfig(widths=(16, 16, 24), encoder="conv", **{name: value})
    with pytest.raises(UserError, match=f"model.{name}: of patch encoders alone, these are conv; leave it"):
        train_stage("msdae", 1, dataclasses.replace(SETTINGS, model=model), tmp_path / "run", ["nowhere"])
    assert not (tmp_path / "run").exists()


def test_hdae_has_one_stage_and_its_steps(tiny, tmp_path, caplog):
    """All of its levels exist from the start: the steps are those of stage 1, not of the last level."""
    model = dataclasses.replace(MODEL, inject=(2, 1), code_channels=(8, 8), encoder_widths=(8, 8), pooled=())
    plain = ViewConfig("same", "same", 0, 0)
    settings = dataclasses.replace(SETTINGS, model=model, views=plain, contrast=0.0, steps=(2,))
    caplog.set_level("INFO")
    assert train_stage("hdae", 1, settings, tmp_path, [tiny])
    assert Autoencoder.load(tmp_path / "stage1/model.safetensors").provenance["steps"] == [2]
    assert "stage 1: complete" in caplog.text and "stage 2" not in caplog.text
    with pytest.raises(UserError, match="--stage 2: hdae has stages from 1 to 1"):
        train_stage("hdae", 2, dataclasses.replace(settings, steps=(2, 2)), tmp_path, [tiny])
    # it reads no mel: other settings of it fit any data
    settings = dataclasses.replace(settings, model=dataclasses.replace(model, mel=MelConfig(n_fft=1024)))
    assert train_stage("hdae", 1, settings, tmp_path, [tiny])


def test_a_start_that_does_not_fit_is_refused():
    first = MSDAE(MODEL, 1)
    with pytest.raises(UserError, match="needs a model with 2 levels"):
        begin_stage("msdae", MODEL, 3, 0, first)
    with pytest.raises(UserError, match="another 'inject'"):
        begin_stage("msdae", dataclasses.replace(MODEL, inject=(1, 1, 0)), 2, 0, first)


def test_freezing_leaves_only_the_stage_trainable():
    model = MSDAE(MODEL, 2)
    model.freeze()
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"encoders", "unet", "null_codes"}
    assert not any(p.requires_grad for p in model.encoders[0].parameters())


def test_shards_train_like_a_cache(tiny, tmp_path):
    rendered = {"source": tiny / "source", "config": RenderConfig(clips=24, seed=7)}
    prepare_set("synth", tmp_path / "shards", Encoding(codecs.DEFAULT), **rendered, workers=1, shard_clips=10)
    plain = ViewConfig("same", "same", 0, 0)
    settings = dataclasses.replace(SETTINGS, steps=(2, 2, 2), views=plain, contrast=0.0)
    assert train_stage("msdae", 1, settings, tmp_path, [tmp_path / "shards"])
    assert len(losses(tmp_path / "stage1")) == 2


def test_a_folder_of_recordings_without_labels_trains_and_swaps(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    seconds = torch.arange(2 * ClipLength().samples) / 44100
    for number in range(4):
        tune = torch.sin(2 * torch.pi * 220 * (1 + number / 7) * seconds) * (1 + torch.sin(9 * seconds)) / 4
        audio.write(music / f"{number}.wav", tune)
    tally = Tally()
    files = folder.scan(music, tally)
    prepare(files, tmp_path / "data", music, "folder", Encoding(codecs.DEFAULT), tally, workers=1)
    settings = dataclasses.replace(SETTINGS, steps=(2, 2, 2), batch_size=2, views=ViewConfig(recolour=1.0))
    for stage in (1, 2, 3):
        assert train_stage("msdae", stage, settings, tmp_path / "run", [tmp_path / "data"])
    pipeline = Pipeline.from_pretrained(tmp_path / "run/stage3", "cpu", Sampling(steps=2))
    one, other = (audio.read(music / f"{number}.wav") for number in (0, 1))
    swapped = pipeline.swap(timbre=one, melody=other)
    assert swapped.shape == other.shape and swapped.isfinite().all() and swapped.abs().max() > 0.01


def test_stage_2_starts_from_the_model_that_ships_whatever_the_data(tiny, tmp_path):
    few = {"steps": (2, 2, 2), "batch_size": 2, "validation_batches": 1, "pretrain": 0}
    settings = TrainConfig(trackers=(), **few)
    assert train_stage("msdae", 2, settings, tmp_path, [tiny])
    shipped, trained = (Autoencoder.from_pretrained(name) for name in ("embedded", str(tmp_path / "stage2")))
    assert trained.config.codec == shipped.config.codec and trained.config.bands == shipped.config.bands


def test_data_made_at_first_use_show_their_progress(tiny, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(data, "embedded", lambda **options: calls.append(options) or tiny)
    assert train_stage("msdae", 1, SETTINGS, tmp_path, progress=tqdm)
    [options] = calls
    assert options["progress"] is tqdm and options["dataset"] == "squares"
