"""The tasks of the neural codec: its latents first, then, with these frozen, its decoder, at last against
discriminators of spectrograms. Each stage has a folder and leaves a codec there for the next one.
"""

import copy
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn as nn

from msdae import audio
from msdae.codecs.neural import NeuralCodec
from msdae.data.draws import Draws, mix_seed
from msdae.errors import UserError
from msdae.limits import Range, Size
from msdae.nn.discriminators import MultiBandDiscriminator, decoder_losses, discriminator_loss
from msdae.training.loop import Loop
from msdae.training.processes import process_state
from msdae.training.task import (
    Betas,
    Count,
    Losses,
    Precision,
    Rate,
    Schedule,
    Share,
    Steps,
    StepsOrNone,
    Task,
    Trackers,
    Weight,
)

STAGES = ("latents", "decoder", "adversarial")
PRODUCT = "codec.safetensors"  # of a stage, in its folder
_SURVEYED = 64  # batches over which bands and latents are standardised
_VALIDATED = 32  # recordings whose beginnings losses are reported on
_LISTENED = 2  # of them


@dataclass(frozen=True)
class CodecTrainConfig(Schedule):
    """How the neural codec is trained.

    steps: of each of `STAGES`; the last ones may be left out. batch_size: excerpts of `frames` latent frames.
    noise: highest standard deviation of the noise on latents; an excerpt's is uniform below it.
    mixed, hissed: shares of the excerpts that are two at once, and that have white noise under them.
    adversarial, matching: weights of the discriminators' scores and of the distance of their features.
    opposed_rate: the learning rate then. crop: spectrogram frames of an excerpt that they see.
    """

    steps: Annotated[tuple[Steps, ...], Size(1, len(STAGES))] = (8000, 7000, 700)
    batch_size: Count = 16
    frames: Annotated[int, Range(1, 1024, reason="a minute and a half")] = 24
    noise: Weight = 0.4
    mixed: Share = 0.3
    hissed: Share = 0.1
    adversarial: Weight = 0.05
    matching: Weight = 0.1
    opposed_rate: Rate = 3e-4
    crop: Count = 96
    warmup: StepsOrNone = 100
    decay: Share = 0.4
    betas: Betas = (0.9, 0.99)
    weight_decay: Weight = 1e-3
    mixed_precision: Precision = "no"
    log_every: Steps = 100
    validate_every: Steps = 500
    save_every: Steps = 500
    audio_every: Steps = 2000
    trackers: Trackers = ("tensorboard",)


def train(
    settings: CodecTrainConfig,
    recordings: Mapping[str, Sequence[Path]],
    folder: Path,
    device: torch.device,
    base: NeuralCodec | None = None,
) -> NeuralCodec | None:
    """A codec trained from the states in `folder` on; None when a signal stopped the training.

    recordings: of "train" and, where there are any, "valid". device: to train on.
    base: a codec whose latents are kept.

    Raises:
        UserError: an unreadable recording; states of other settings, recordings or latents; as `Loop.run`.
    """
    for old in STAGES:
        if (folder / f"{old}-state.safetensors").exists():
            raise UserError(
                f"{folder}: has the state of an older msdae, whose unfinished runs cannot be continued; "
                "delete it or choose another folder with --run"
            )
    process_state(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        codec = base or NeuralCodec()
    excerpts = Excerpts(recordings["train"], settings, settings.frames * codec.hop, codec.sample_rate)
    paths = list(recordings.get("valid", recordings["train"]))
    valid = Waveforms.beginnings(paths[:: -(-len(paths) // _VALIDATED)], excerpts.samples, codec.sample_rate)
    first = 0 if base is None else 1
    for number, name in list(enumerate(STAGES[: len(settings.steps)]))[first:]:
        schedule, kind = settings, ReconstructionTask
        if name == "adversarial":
            schedule, kind = replace(settings, learning_rate=settings.opposed_rate), AdversarialTask
        task = kind(settings, number, codec, excerpts, valid)
        if not Loop(task, schedule, settings.steps[number], folder / name).run():
            return None
        codec = NeuralCodec.from_file(folder / name / PRODUCT)
    return codec


@dataclass(frozen=True)
class Waveforms:
    """A batch of excerpts of recordings: waveform (batch, samples), mono, in [-1, 1]; names of the files."""

    waveform: torch.Tensor
    names: list[str]

    @staticmethod
    def beginnings(paths: Sequence[Path], samples: int, rate: int) -> "Waveforms":
        """The first `samples` samples of each recording, at `rate` Hz."""
        waveforms = [audio.open_recording(path, rate).part(0, samples) for path in paths]
        return Waveforms(torch.stack(waveforms), [str(path) for path in paths])


class Excerpts:
    """Random excerpts of recordings for training: which ones depends on seed, step and place in the batch.

    Attributes:
        key: a hash of the recordings' names and lengths.
    """

    def __init__(self, paths: Sequence[Path], settings: CodecTrainConfig, samples: int, rate: int):
        self.recordings = [audio.open_recording(path, rate) for path in paths]
        self.settings, self.samples = settings, samples
        lengths = [[recording.path.name, recording.samples] for recording in self.recordings]
        self.key = hashlib.sha256(json.dumps(lengths).encode()).hexdigest()[:16]

    def batches(self, seed: int, start: int, rank: int = 0, world: int = 1) -> Iterator[Waveforms]:
        """Endless batches from step `start` on, this rank's share of each."""
        share = self.settings.batch_size // world
        for step in count(start):
            places = range(rank * share, (rank + 1) * share)
            excerpts = [self._excerpt(np.random.default_rng([seed, step, place])) for place in places]
            waveforms, names = zip(*excerpts, strict=True)
            yield Waveforms(torch.from_numpy(np.stack(waveforms)), list(names))

    def _excerpt(self, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        excerpt, name = self._cut(rng)
        if rng.random() < self.settings.mixed:
            excerpt = excerpt + np.float32(rng.uniform(0.1, 1)) * self._cut(rng)[0]
        if rng.random() < self.settings.hissed:
            hiss = rng.standard_normal(self.samples, dtype=np.float32)
            excerpt = excerpt + np.float32(10 ** rng.uniform(-3, -1)) * hiss
        gain = 10 ** rng.uniform(-0.8, 0.0) / max(1e-3, np.abs(excerpt).max())
        return excerpt * np.float32(min(4.0, gain)), name

    def _cut(self, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        recording = self.recordings[rng.integers(len(self.recordings))]
        start = rng.integers(max(1, recording.samples - self.samples))
        return recording.part(start, self.samples).numpy(), str(recording.path)


class Reconstruction(nn.Module):
    """A codec with the loss of what it reconstructs; in training its latents get noise.

    Means of absolute differences: of log-mels, of compressed mels, whose loud parts weigh more, and, of the
    decoder, of log-magnitudes, of magnitudes against the clip's mean and of the mels they make.

    Args:
        latents: train the latents and the log-mels predicted from them; else the decoder, latents frozen.
        noise: highest standard deviation of the noise.
    """

    def __init__(self, codec: NeuralCodec, latents: bool, noise: float):
        super().__init__()
        self.codec, self.latents, self.noise = codec, latents, noise
        codec.requires_grad_(False)
        ends = (codec.encoder, codec.shortcut) if latents else (codec.frame,)
        for part in (*ends, codec.context):
            part.requires_grad_(True)

    def train(self, mode: bool = True) -> "Reconstruction":
        """As of any module; latents that are frozen keep the statistics that standardise them."""
        super().train(mode)
        self.codec.train(mode and self.latents)
        return self

    def forward(self, waveform: torch.Tensor, draws: Draws) -> tuple[Losses, torch.Tensor, torch.Tensor]:
        """waveform: (batch, samples) -> terms (batch,), and the spectrograms that they compare, recorded and
        predicted, (batch, frames, any)"""
        codec = self.codec
        magnitude = codec.spectrogram(waveform)
        mel = codec.log_mel(magnitude)
        z = codec.project(mel)
        if self.training:
            z = z + self.noise * draws.uniform(1, 1) * draws.normal(*z.shape[1:])
        features = codec.features(z)
        predicted_mel = features[..., : codec.config.bands].float()
        terms = self._mel_losses(predicted_mel, mel)
        if self.latents:
            return terms, mel, predicted_mel
        floor = codec.config.floor
        log, target = codec.log_magnitude(features).float(), magnitude.transpose(1, 2)
        log_target = (target + floor).log()
        predicted = (log.clamp(max=8).exp() - floor).clamp_min(0)
        terms = {f"inner {name}": term for name, term in terms.items()}
        terms["log-magnitude"] = 0.5 * _distance(log, log_target)
        scale = target.mean(dim=(1, 2), keepdim=True).clamp_min(floor)
        terms["magnitude"] = 0.5 * _distance(predicted / scale, target / scale)
        terms |= self._mel_losses(codec.log_mel(predicted.transpose(1, 2)), mel)
        return terms, log_target, log

    def _mel_losses(self, predicted: torch.Tensor, mel: torch.Tensor) -> Losses:
        codec = self.codec
        raw = [(x * codec.std + codec.mean).clamp(max=8).exp() for x in (predicted, mel)]
        return {
            "log-mel": _distance(predicted * codec.std, mel * codec.std),
            "mel": _distance(torch.log1p(raw[0]), torch.log1p(raw[1])),
        }


def _distance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of each clip: (batch, ...) -> (batch,)"""
    return (x - y).abs().flatten(1).mean(dim=1)


class ReconstructionTask(Task):
    """The codec's latents (stage 0) or its decoder (later stages) by what is lost on the way.

    valid: excerpts that losses are reported on and that the audio log plays.
    """

    def __init__(
        self,
        settings: CodecTrainConfig,
        stage: int,
        codec: NeuralCodec,
        excerpts: Excerpts,
        valid: Waveforms,
    ):
        self.settings, self.stage, self.name = settings, stage, STAGES[stage]
        self.excerpts, self.valid, self.sample_rate = excerpts, valid, codec.sample_rate
        self.first = sum(settings.steps[:stage])  # every stage hears other excerpts
        self.fingerprint = codec.fingerprint if stage > 0 else ""  # of the latents that are decoded
        self.networks: dict[str, nn.Module] = {"codec": Reconstruction(codec, stage == 0, settings.noise)}
        self.codec = codec

    def modules(self) -> dict[str, nn.Module]:
        return self.networks

    def batches(self, seed: int, start: int, rank: int, world: int) -> Iterator[Waveforms]:
        return self.excerpts.batches(seed, self.first + start, rank, world)

    def example(self, clips: int) -> Waveforms:
        return next(self.excerpts.batches(0, 0, world=max(1, self.settings.batch_size // clips)))

    def validation(self, rank: int, world: int) -> Iterable[Waveforms]:
        # each process has all of them: one that had fewer batches would leave the others waiting
        size, names = self.settings.batch_size // world, self.valid.names
        for index, waveform in enumerate(self.valid.waveform.split(size)):
            yield Waveforms(waveform, names[index * size :][: len(waveform)])

    def losses(self, batch: Waveforms, draws: Draws) -> Losses:
        return self.networks["codec"](batch.waveform, draws)[0]

    def sounds(self) -> dict[str, torch.Tensor]:
        """Round trips of two validation excerpts."""
        if self.stage == 0:
            return {}
        codec = self.networks["codec"].codec
        waveform = self.valid.waveform[:_LISTENED].to(codec.mean.device)
        return {f"round trip/{i}": x.cpu() for i, x in enumerate(codec.decode(codec.encode(waveform)))}

    def same(self) -> dict[str, Any]:
        s = self.settings
        kept = {key: getattr(s, key) for key in ("frames", "noise", "mixed", "hissed")}
        return {**kept, "latents": self.fingerprint, "data": self.excerpts.key}

    @torch.no_grad()
    def begin(self) -> None:
        """Measure mean and standard deviation of each band of the log-mel, over the first batches."""
        if self.stage == 0:
            codec = self.codec
            mel = torch.cat([codec.log_mel(codec.spectrogram(x)).flatten(0, 1) for x in self._surveyed()])
            codec.mean.copy_(mel.mean(0))
            codec.std.copy_(mel.std(0))

    @torch.no_grad()
    def finish(self, folder: Path) -> None:
        """Write the codec; of the first stage with the statistics of its latents, which later stages keep."""
        codec = copy.deepcopy(self.networks["codec"].codec)
        codec.load_state_dict(codec.stored())
        if self.stage == 0:
            norm = codec.eval().standardise
            norm.reset_running_stats()
            norm.momentum = None  # cumulative
            norm.train()
            for waveform in self._surveyed():
                codec.project(codec.log_mel(codec.spectrogram(waveform)))
        codec.save(folder / PRODUCT)

    def _surveyed(self) -> Iterator[torch.Tensor]:
        batches = self.excerpts.batches(self.settings.seed, 0)
        return (next(batches).waveform.to(self.codec.mean.device) for _ in range(_SURVEYED))


class AdversarialTask(ReconstructionTask):
    """The decoder against discriminators, which take their turn first; both see a part of the excerpts."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix_seed((self.settings.seed, self.stage)))
            self.discriminator = MultiBandDiscriminator()
        self.networks = {"discriminator": self.discriminator, **self.networks}

    def turns(self) -> dict[str, Callable[[Any, Draws], Losses]]:
        return {"discriminator": self.opposing, "codec": self.losses}

    def opposing(self, batch: Waveforms, draws: Draws) -> Losses:
        """How far the discriminators are from telling recorded excerpts from decoded ones."""
        self.discriminator.requires_grad_(True)
        with torch.no_grad():
            _, real, fake = self.networks["codec"](batch.waveform, draws)
        real, fake = self._cropped(real, fake, draws)
        judge = self.networks["discriminator"]
        return {"discriminator": discriminator_loss(judge(real), judge(fake))}

    def losses(self, batch: Waveforms, draws: Draws) -> Losses:
        s = self.settings
        terms, real, fake = self.networks["codec"](batch.waveform, draws)
        if not torch.is_grad_enabled():  # validation has no opponent
            return terms
        self.discriminator.requires_grad_(False)
        real, fake = self._cropped(real, fake, draws)
        judge = self.discriminator  # as it is: only its turn is shared among processes
        scores, distance = decoder_losses(judge(real), judge(fake))
        return terms | {"adversarial": s.adversarial * scores, "matching": s.matching * distance}

    def _cropped(self, real: torch.Tensor, fake: torch.Tensor, draws: Draws) -> tuple[torch.Tensor, ...]:
        start = draws.integer(max(1, real.shape[1] - self.settings.crop + 1))
        return tuple(x[:, start : start + self.settings.crop] for x in (real, fake))
