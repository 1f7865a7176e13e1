"""A run is a folder with a subfolder for each stage; this decides what a stage starts from."""

import copy
import dataclasses
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msdae import codecs, data, files, launcher
from msdae.audio.mel import MelConfig
from msdae.codecs.check import LIMIT, check_decoding, require_reconstruction
from msdae.config import of_file
from msdae.data import Clips
from msdae.data.cache import fits_shipped
from msdae.data.draws import mix_seed
from msdae.diffusion.edm import EDM, RANGE
from msdae.errors import UserError
from msdae.locks import only_process
from msdae.models import codec_files, hub, student
from msdae.models.autoencoder import Autoencoder, build
from msdae.models.config import Bands, CodecConfig, ModelConfig
from msdae.models.registry import MODELS
from msdae.nn.layers import seeded
from msdae.progress import Progress, silent
from msdae.training import state
from msdae.training.autoencoder import AutoencoderTask, Listen, TrainConfig, require_contrast
from msdae.training.loop import Loop
from msdae.training.memory import WEIGHTS
from msdae.training.processes import process_state

# settings of a model that may change from stage to stage: how it is trained and sampled
FREE = ("dropout", "dropped", "noise", "P_mean", "P_std", "guidance", "most_tokens")
# and those of the denoiser, where it is a fresh one
DENOISER = ("widths", "at_input", "tokens", "token_frames", "token_hidden", "attend", "attention")
PATCH = ("hidden", "heads", "around")  # settings of a model that are of patch encoders alone
RANDOM = "random weights"
FEW = 200  # clips, ten minutes of sound
MEASURED = 512  # clips that the mel's bands are measured on
DECODED = 8  # clips by which it is seen whether the codec works
logger = logging.getLogger(__name__)


class Start(NamedTuple):
    """What a stage starts from: a model, None for random weights; whether its denoiser, too; its name."""

    model: Autoencoder | None
    with_denoiser: bool
    name: str


def train_stage(
    kind: str,
    stage: int,
    settings: TrainConfig,
    run: str | Path,
    datasets: Sequence[str | Path] = (),
    start: str | None = None,
    listen: Listen | None = None,
    progress: Progress = silent,
) -> bool:
    """Train `stage` of the model `kind` ("msdae", "hdae") in the folder `run`, or continue it.

    datasets: folders with train/ and valid/, caches or, of one folder, shards; none: rendered squares, made
        if missing. A model that reads no mel takes their mel settings for its own.
    start: a checkpoint to start from instead of the same run's stage before.
    listen: makes what the audio log plays from a model, its codec and a batch of validation clips.
    progress: of the making of data.

    Returns:
        True when the stage is complete, False when a signal stopped it (the state is saved).

    Raises:
        UserError: data made with another codec or mel, a codec that does not reconstruct, a stage before
            that is not complete, a checkpoint that does not fit, a setting without an effect, a loss that is
            not finite.
    """
    process_state()
    if not 1 <= stage <= (last := last_stage(kind, settings)):
        raise UserError(f"--stage {stage}: {kind} has stages from 1 to {last}")
    require_contrast(MODELS[settings.kind_of(kind)], settings)
    beginning = _start(kind, stage, Path(run), start)
    if beginning.model is None:  # the settings of a model that exists have to be its own
        _require_effect(settings.model)
    if settings.frozen:
        _require_encoders(stage, beginning)
    folder = stage_folder(run, stage)
    files.make_folder(folder)
    files.check_replaceable(folder / hub.WEIGHTS)
    name = settings.model.codec.name
    codec = codecs.load(name)
    codec_file = None if name in codecs.CODECS else Path(os.path.realpath(name))
    mel = settings.model.mel if MODELS[kind].needs_mel else MelConfig()  # of data that are made, then
    mel = mel.fitted(codec.sample_rate, codec.hop)
    settings = dataclasses.replace(settings, model=dataclasses.replace(settings.model, mel=mel))
    with only_process(folder):
        clips = _clips(datasets, settings.model, progress)
        settings = _fitted(settings, kind, codec, codec_file, clips, beginning.model)
        previous, with_denoiser, origin = beginning
        model = begin_stage(kind, settings.model, stage, settings.seed, previous, with_denoiser)
        _announce(kind, stage, *clips, origin)
        if note := noise_note(settings.model):
            _say(note)
        codec_files.copy(codec_file, folder)
        trainings = _Trainings(*clips, codec, listen, folder.parent.name, beginning)
        return _train(model, stage, settings, folder, trainings)


def _clips(datasets: Sequence[str | Path], model: ModelConfig, progress: Progress) -> tuple[Clips, Clips]:
    """The clips to train on and those for validation; without `datasets` those of rendered squares."""
    if not datasets:
        datasets = [
            data.embedded(codec=model.codec.name, mel=model.mel, dataset="squares", progress=progress)
        ]
    train, valid = (data.open_clips(*(Path(d) / split for d in datasets)) for split in ("train", "valid"))
    return train, valid


def _fitted(
    settings: TrainConfig,
    kind: str,
    codec: codecs.Codec,
    codec_file: Path | None,
    clips: Sequence[Clips],
    previous: Autoencoder | None,
) -> TrainConfig:
    """The settings with what the codec and the training clips (the first of `clips`) say of the model.

    Raises:
        UserError: the clips were made with another codec or mel, or the codec does not reconstruct.
    """
    train, mel = clips[0], settings.model.mel
    if not MODELS[kind].needs_mel:
        mel = of_file(MelConfig, train.manifest["mel"], train.path)
    for split in clips:
        split.require(codec, mel)
    _require_working_codec(codec, train, mel, settings.coarse_codec)
    model = measured(dataclasses.replace(settings.model, mel=mel), codec, train, previous, codec_file)
    return dataclasses.replace(settings, model=model)


class _Trainings(NamedTuple):
    """What a stage's trainings, of an encoder alone and of the whole, have in common."""

    train: Clips
    valid: Clips
    codec: codecs.Codec
    listen: Listen | None
    run_name: str
    beginning: Start

    def run(
        self,
        model: Autoencoder,
        settings: TrainConfig,
        folder: Path,
        total: int,
        contrast_only: bool = False,
    ) -> bool:
        """Train a model for `total` steps in `folder`, or go on. Returns the same as `train_stage`."""
        previous, with_denoiser, origin = self.beginning
        before = previous.provenance.get("steps", []) if with_denoiser and previous is not None else []
        provenance: dict[str, Any] = {
            "run": self.run_name,
            "data": self.train.manifest["dataset"],
            "started from": origin,
            "steps": [*before, total],
        }
        start = None if previous is None else student.fingerprint(previous)
        clips = self.train, self.valid
        task = AutoencoderTask(
            model, settings, *clips, self.codec, self.listen, provenance, contrast_only, start
        )
        return Loop(task, settings, total, folder).run()


def _train(
    model: Autoencoder, stage: int, settings: TrainConfig, folder: Path, trainings: _Trainings
) -> bool:
    """Train a stage, if need be after an encoder alone. Returns the same as `train_stage`."""
    if not (folder / state.FILE).exists():
        first, steps = _first_encoder(model, stage, settings, trainings.beginning)
        if steps:
            alone = settings.for_encoder(steps)
            if not trainings.run(first, alone, folder / "encoder", steps, contrast_only=True):
                return False
            first = Autoencoder.load(folder / "encoder" / hub.WEIGHTS)
            model.encoders[first.stage - 1].load_state_dict(first.encoders[-1].state_dict())
    total = settings.steps[stage - 1]  # not of model.stage: a joint model has all levels in its only stage
    return trainings.run(model, settings, folder, total)


def _first_encoder(
    model: Autoencoder, stage: int, settings: TrainConfig, beginning: Start
) -> tuple[Autoencoder, int]:
    """The model whose last encoder is trained alone, before the rest of the stage, and for how many steps.

    That is the stage's own encoder or, where the stage goes on from a model that has been through it, the
    encoder of level 1. 0 steps: no encoder is trained alone.
    """
    first, steps = copy.deepcopy(model), settings.pretrain  # a loop takes its networks along
    previous = beginning.model
    if beginning.with_denoiser and previous is not None and previous.stage >= stage:
        first, steps = begin_stage(model.kind, settings.model, 1, settings.seed, previous), settings.refine
    contrast = settings.contrast and not settings.frozen and model.needs_mel
    return first, steps if contrast and first.pooled[-1] else 0


def last_stage(kind: str, settings: TrainConfig) -> int:
    """The last stage of a training of the model `kind`."""
    return 1 if MODELS[kind].joint else min(len(settings.steps), len(settings.model.inject))


def _require_effect(model: ModelConfig) -> None:
    """Raise a UserError if a setting of patch encoders is given for other ones."""
    for name in PATCH if model.encoder != "patch" else ():
        if getattr(model, name) != getattr(ModelConfig, name):
            raise UserError(
                f"model.{name}: of patch encoders alone, these are {model.encoder}; leave it out, or give "
                "model.encoder=patch"
            )


def _require_encoders(stage: int, beginning: Start) -> None:
    if beginning.model is None or not beginning.with_denoiser or beginning.model.stage < stage:
        raise UserError(
            f"frozen: starting from {beginning.name}, stage {stage} would have an encoder that nothing has "
            "trained; give --from a model that has been through it, e.g. --from embedded"
        )


def _announce(kind: str, stage: int, train: Clips, valid: Clips, origin: str) -> None:
    _say(
        f"stage {stage}: {_length(train)} to train on, {_length(valid)} for validation; starts from {origin}"
    )
    if len(train) < FEW and origin == RANDOM and kind == "msdae":
        prepare = "" if fits_shipped(train.manifest) else "prepare them without --codec and --mel-of: "
        _say(
            f"note: {len(train)} clips are few for random weights, which then learn little but these; "
            f"{prepare}--stage 3 --from embedded, which adapts the model that ships, is the line to try "
            "first"
        )


def noise_note(model: ModelConfig) -> str:
    """What to say where the noise of training does not fit the deviation of the latents; else nothing.

    Noise that is never much softer than the latents leaves sampling without its end; noise that never drowns
    them, without its beginning.
    """
    std, softest = model.codec.std, EDM(model.codec.std, model.P_mean, model.P_std).sigma_min
    loudest = math.exp(model.P_mean + RANGE * model.P_std)
    if softest < std / 4 and loudest > 3 * std:
        return ""
    return (
        f"note: the noise of training goes from {softest:.2g} to {loudest:.2g}, which does not fit latents "
        f"whose deviation is {std:.2g}; for these --set model.P_mean={ModelConfig.P_mean + math.log(std):.1f}"
    )


def _length(clips: Clips) -> str:
    """How much there is: "24 clips (1.2 min)"."""
    return f"{len(clips)} clips ({len(clips) * clips.clip_seconds / 60:.1f} min)"


def stage_folder(run: str | Path, stage: int) -> Path:
    """The folder of a stage in that of its run."""
    return Path(run) / f"stage{stage}"


def begin_stage(
    kind: str,
    config: ModelConfig,
    stage: int,
    seed: int,
    previous: Autoencoder | None = None,
    with_denoiser: bool = True,
) -> Autoencoder:
    """The model with which `stage` starts: fresh weights, and those of `previous` where it has them.

    with_denoiser: take the U-Net too (of the stage before), not only the encoders below `stage`.

    Raises:
        UserError: `previous` is of another kind or size, or lacks an encoder that the stage builds on.
    """
    with seeded(mix_seed((seed, stage))):
        model = build(kind, config, stage, copies=WEIGHTS)
    if previous is None:
        return model
    if previous.kind != kind:
        raise UserError(
            f"stage {stage} of {kind} cannot start from a {previous.kind}; give another with --from"
        )
    if previous.stage < stage - 1:
        raise UserError(f"stage {stage} needs a model with {stage - 1} levels; this one has {previous.stage}")
    free = FREE if with_denoiser else (*FREE, *DENOISER)
    for key in (field.name for field in dataclasses.fields(config) if field.name not in free):
        if getattr(previous.config, key) != getattr(config, key):
            reason = f"stage {stage} cannot start from a model with another '{key}'"
            raise UserError(f"{reason}; set model.{key} to its, or give another with --from")
    names = model.state_dict().keys()
    if not with_denoiser:
        names = [name for name in names if name.startswith(tuple(f"encoders.{k}." for k in range(stage - 1)))]
    weights = {name: tensor for name, tensor in previous.state_dict().items() if name in names}
    model.load_state_dict(weights, strict=False)
    return model


def _start(kind: str, stage: int, run: Path, start: str | None) -> Start:
    """start: a checkpoint to start from instead of the run's stage before."""
    if start is not None:
        return Start(Autoencoder.from_pretrained(start), True, start)
    if stage == 1:
        return Start(None, True, RANDOM)
    before = stage_folder(run, stage - 1)
    if (before / hub.WEIGHTS).exists():
        return Start(Autoencoder.load(before / hub.WEIGHTS), True, f"{run.name}/stage{stage - 1}")
    if (before / state.FILE).exists():
        raise UserError(
            f"{before}: stage {stage - 1} is not complete; continue it first with --stage {stage - 1}"
        )
    if kind != "msdae":
        raise UserError(f"{before}: no stage {stage - 1} to start from; train --stage {stage - 1} first")
    _say(
        f"{run} has no stage {stage - 1}. Stage {stage} starts from the model that ships: its "
        f"encoders below {stage} are taken and frozen, the rest is fresh (--from chooses another)."
    )
    return Start(Autoencoder.from_pretrained("embedded"), False, "embedded")


def _require_working_codec(codec: codecs.Codec, clips: Clips, mel: MelConfig, coarse: bool) -> None:
    """Decode real clips first: training on the latents of a broken codec would be for nothing.

    coarse: go on where the codec is only far from the clips.
    """
    batch = next(clips.batches(DECODED))
    distance = check_decoding(codec, batch.z, batch.mel, mel)
    if not coarse or distance == math.inf:
        require_reconstruction(codec, distance)
    _say(f"codec {codec.name}: decodes {DECODED} clips to within {distance:.1f} dB")
    if distance > LIMIT:
        _say(f"warning: above {LIMIT:.0f} dB; nothing that this model renders will be nearer to recordings")


def measure_bands(clips: Clips) -> Bands:
    """Mean and standard deviation of each mel band over some training clips."""
    mel = next(clips.batches(MEASURED)).mel.float()
    mean, std = mel.mean(dim=(0, 2)), mel.std(dim=(0, 2)).clamp_min(0.05)
    return Bands(*(tuple(round(x, 4) for x in values.tolist()) for values in (mean, std)))


def measured(
    model: ModelConfig,
    codec: codecs.Codec,
    clips: Clips,
    previous: Autoencoder | None = None,
    codec_file: Path | None = None,
) -> ModelConfig:
    """`model` with the codec in use, and what the clips say of its latents and, for patches, of mel bands.

    What was measured for `previous` goes on to hold, whatever data it is trained on now.
    """
    if previous is not None and previous.config.codec.fingerprint == codec.fingerprint:
        return dataclasses.replace(model, codec=previous.config.codec, bands=previous.config.bands)
    latent = clips.manifest["latent"]
    codec_config = CodecConfig(
        name=codec.name,
        path=str(codec_file or ""),
        fingerprint=codec.fingerprint,
        hop=codec.hop,
        channels=codec.channels,
        mean=tuple(latent["mean"]),
        std=latent["std"],
    )
    bands = measure_bands(clips) if model.encoder == "patch" else Bands()
    return dataclasses.replace(model, codec=codec_config, bands=bands)


def _say(text: str) -> None:
    if launcher.rank() == 0:
        logger.info(text)
