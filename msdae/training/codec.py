"""The three stages of training the neural codec; each writes a codec to its folder for the next one.

"latents" trains the encoder, with the first part of the decoder or all of it; "decoder" the decoder on frozen
latents; "adversarial" the decoder on, against discriminators of spectrograms.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn as nn

from msdae import config as configs
from msdae.codecs.neural import NeuralCodec, NeuralConfig
from msdae.data.draws import Draws, mix_seed
from msdae.errors import UserError
from msdae.limits import Range, Size
from msdae.nn.discriminators import MultiBandDiscriminator, decoder_losses, discriminator_loss
from msdae.nn.layers import seeded
from msdae.progress import Progress, silent
from msdae.training import steps
from msdae.training.loop import Loop
from msdae.training.processes import process_state
from msdae.training.reconstruction import Reconstruction
from msdae.training.recordings import RecordingExcerpts, Waveforms
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
PRODUCT = "codec.safetensors"  # what a stage writes to its folder
_SURVEYED = 1024  # about how many excerpts the statistics of bands and latents are measured on
_LEAST_STD = 0.1  # least deviation of a band; bands so narrow that they lie between two bins have none
_VALIDATED = 32  # recordings whose beginnings are validated on
_LISTENED = 2  # of these, how many the audio log plays


@dataclass(frozen=True)
class CodecTrainConfig(Schedule):
    """How the neural codec is trained.

    codec: settings of the codec that is trained.
    joint: whether the stage "latents" trains the whole decoder too, not its first part alone.
    steps: steps of each of `STAGES`; 0 leaves a later stage out.
    batch_size: excerpts of a step, of `frames` latent frames each.
    noise: highest deviation of the noise that is added to latents; each excerpt's is uniform below it.
    mixed, hissed: shares of the excerpts that are two mixed together, and that have white noise under them.
    adversarial, matching: weights of the discriminators' scores and of the distance of their features.
    opposed_rate: learning rate of the stage "adversarial". crop: spectrogram frames of an excerpt that the
        discriminators see. judges: width of the discriminators.
    peaks, onsets, harmonics: weights of further losses (see `Reconstruction`).
    compile: whether to compile the networks, which takes a minute and pays off on a GPU.
    """

    codec: NeuralConfig = field(default_factory=NeuralConfig)
    joint: bool = False
    steps: Annotated[tuple[StepsOrNone, ...], Size(1, len(STAGES))] = (8000, 7000, 700)
    batch_size: Count = 16
    frames: Annotated[int, Range(1, 1024, reason="a minute and a half")] = 24
    noise: Weight = 0.4
    mixed: Share = 0.3
    hissed: Share = 0.1
    adversarial: Weight = 0.05
    matching: Weight = 0.1
    opposed_rate: Rate = 3e-4
    crop: Count = 96
    judges: Annotated[int, Range(1, 1024, reason="wider than the codec")] = 16
    peaks: Weight = 0.0
    onsets: Weight = 0.0
    harmonics: Weight = 0.0
    compile: bool = False
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

    def __post_init__(self):
        super().__post_init__()
        if not self.steps[0]:
            raise UserError("steps: the first is 0, expected 1 or more")


def train(
    settings: CodecTrainConfig,
    recordings: Mapping[str, Sequence[Path]],
    folder: Path,
    device: torch.device,
    base: NeuralCodec | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> NeuralCodec | None:
    """Train a codec in `folder`, or go on from the states there; returns None if a signal stopped it.

    recordings: the files of the splits "train" and, if there is one, "valid". device: what to train on.
    base: a codec whose latents and sizes are kept, so that only the decoder is trained.
    cache: folder for the decoded recordings, by default `folder`. progress: shows how decoding goes on.

    Raises:
        UserError: an unreadable recording; settings of another codec than `base`; states of other settings,
            recordings or latents; as `Loop.run`.
    """
    if base is not None and settings.codec not in (NeuralConfig(), base.config):
        reason = "has other settings than the codec whose latents are kept (--latents)"
        raise UserError(f"codec: {reason}; leave them out, or give that codec's own")
    place = process_state(device).device
    if place.type == "cuda":
        torch.set_float32_matmul_precision("high")
    with seeded(settings.seed):
        codec = base or NeuralCodec(settings.codec)
    samples, rate = settings.frames * codec.hop, codec.sample_rate
    excerpts = RecordingExcerpts(
        recordings["train"], settings, samples, rate, cache or folder, place, progress
    )
    if excerpts.ready:
        settings = replace(settings, workers=0)
    paths = list(recordings.get("valid", recordings["train"]))
    valid = Waveforms.beginnings(paths[:: -(-len(paths) // _VALIDATED)], samples, rate)
    for number, name in enumerate(STAGES[: len(settings.steps)]):
        if settings.steps[number] == 0 or (number == 0 and base is not None):
            continue
        schedule, kind = settings, ReconstructionTask
        if name == "adversarial":
            schedule, kind = replace(settings, learning_rate=settings.opposed_rate), AdversarialTask
        task = kind(settings, number, codec, excerpts, valid)
        if not Loop(task, schedule, settings.steps[number], folder / name).run():
            return None
        codec = NeuralCodec.from_file(folder / name / PRODUCT)
    return codec


class ReconstructionTask(Task):
    """Trains the codec's latents (stage 0) or its decoder (later stages) by their reconstruction loss.

    valid: the excerpts on which losses are reported, and of which the audio log plays some.
    """

    def __init__(
        self,
        settings: CodecTrainConfig,
        stage: int,
        codec: NeuralCodec,
        excerpts: RecordingExcerpts,
        valid: Waveforms,
    ):
        self.settings, self.stage, self.name = settings, stage, STAGES[stage]
        self.excerpts, self.valid, self.sample_rate = excerpts, valid, codec.sample_rate
        self.first = sum(settings.steps[:stage])  # every stage hears other excerpts
        self.fingerprint = codec.fingerprint if stage > 0 else ""  # of the frozen latents
        self.networks: dict[str, nn.Module] = {"codec": Reconstruction(codec, stage == 0, settings)}
        if settings.compile:
            for part in (codec.encoder, codec.context, codec.frame):
                part.compile()
        self.codec = codec

    def batches(self, seed: int, start: int, rank: int, world: int) -> Iterator[Waveforms]:
        return self.excerpts.batches(seed, self.first + start, rank, world)

    def example(self, clips: int) -> Waveforms:
        batches = self.excerpts.batches(0, 0, world=max(1, self.settings.batch_size // clips))
        return steps.to(next(batches), torch.device("cpu"))

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
        kept = {key: getattr(s, key) for key in ("frames", "noise", "mixed", "hissed", "joint")}
        return {
            **kept,
            "codec": configs.to_mapping(self.codec.config),
            "latents": self.fingerprint,
            "data": self.excerpts.key,
        }

    @torch.no_grad()
    def begin(self) -> None:
        """Measure mean and standard deviation of each band of the log-mel, over the first batches."""
        if self.stage == 0:
            codec = self.codec
            mel = torch.cat([codec.log_mel(codec.spectrogram(x)).flatten(0, 1) for x in self._surveyed()])
            codec.mean.copy_(mel.mean(0))
            codec.std.copy_(mel.std(0).clamp_min(_LEAST_STD))

    @torch.no_grad()
    def finish(self, folder: Path) -> None:
        """Write the codec. Its first stage measures the statistics of its latents; later ones keep them."""
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
        number = max(1, _SURVEYED // self.settings.batch_size)
        return (next(batches).waveform.to(self.codec.mean.device) for _ in range(number))


class AdversarialTask(ReconstructionTask):
    """Trains the decoder against discriminators, whose turn comes first; both see a part of each excerpt."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        with seeded(mix_seed((self.settings.seed, self.stage))):
            self.discriminator = MultiBandDiscriminator(self.settings.judges)
        self.networks = {"discriminator": self.discriminator, **self.networks}

    def turns(self) -> dict[str, Callable[[Any, Draws], Losses]]:
        return {"discriminator": self.opposing, "codec": self.losses}

    def opposing(self, batch: Waveforms, draws: Draws) -> Losses:
        """The discriminators' loss: how badly they tell recorded excerpts from decoded ones."""
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
