"""The task of the transcriber: clips whose notes are known, alone and several at once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from msdae.data import order, pcm
from msdae.data.draws import Draws
from msdae.data.sources import ClipLength, SourceFile
from msdae.errors import UserError
from msdae.limits import FRACTION, Range
from msdae.models import transcriber
from msdae.models.transcriber import HOP, KEYS, KIND, SAMPLE_RATE, STEPS, Transcriber
from msdae.nn.layers import seeded
from msdae.progress import Progress, silent
from msdae.training.loop import Loop
from msdae.training.task import (
    Count,
    Losses,
    Rate,
    Schedule,
    Share,
    Steps,
    StepsOrNone,
    Task,
    Trackers,
    Weight,
    recorded,
)

PRODUCT = f"{KIND}.safetensors"
SAMPLES = ClipLength().samples
FRAMES = 1 + SAMPLES // HOP
ONSETS, SOUNDING = 20.0, 5.0  # weights of the losses; the gradient is clipped, so that their scale matters
RARE = 3.0  # weight of the frames in which a note begins, beside those in which none does
SPREAD = 0.7  # deviation of an onset's target, in frames
EARLY = 0.3  # frames by which a note may sound before its onset
LEVELS = (-10.0, 10.0)  # dB of another clip's peak over the first's
PEAK = (0.15, 0.9)  # of what is heard
HISSED, HISS = 0.4, (-80.0, -44.0)  # share of the clips with white noise, and its level in dB
GAIN = (-0.35, 0.15)  # what is added to all bins, in their own unit of 2.5 decades
TILT, WAVE, WAVES = 0.12, 0.08, 6.0  # deviations of a slope and a slow sine over the bins, and radians of it
TOGETHER = 2  # waveforms whose spectrograms are made at once: of more, they fit no processor's cache
STEADY = 0.01  # momentum of the statistics of batches, which go with averaged weights
SILENCE = 1e-3  # peak that a softer clip counts as having


@dataclass(frozen=True)
class TranscriberConfig(Schedule):
    """How the transcriber is trained.

    steps: how many. batch_size: clips of a step.
    two, three: shares of the examples that are so many clips at once.
    same_sound: share of the second clips that are another excerpt by the sound of the first.
    transposed: semitones by which an example is transposed, at most.
    """

    steps: Steps = 1600
    batch_size: Count = 24
    two: Share = 0.4
    three: Share = 0.07
    same_sound: Share = 0.65
    transposed: Annotated[int, Range(0, 11, reason="notes would leave the keys")] = 4
    learning_rate: Rate = 3e-3
    warmup: StepsOrNone = 100
    decay: Share = 0.9
    weight_decay: Weight = 0.01
    ema: Annotated[float, FRACTION] = 0.998
    log_every: Steps = 100
    save_every: Steps = 500
    audio_every: Steps = 10**9
    trackers: Trackers = ("tensorboard",)

    def __post_init__(self):
        super().__post_init__()
        if self.two + self.three > 1:
            raise UserError(f"two and three: together {self.two + self.three:g}, expected 1 at most")


@dataclass(frozen=True)
class Examples:
    """A batch of clips with notes.

    waveform: (batch, samples). shift: (batch,), semitones by which `targets` are higher than the waveforms.
    colour: (batch, bins), what is added to the spectrograms. targets: (batch, 2, frames, keys), whether notes
    begin and whether they sound. names: of the first clips.
    """

    waveform: torch.Tensor
    shift: torch.Tensor
    colour: torch.Tensor
    targets: torch.Tensor
    names: list[str]


def train(
    settings: TranscriberConfig,
    files: Mapping[str, Sequence[SourceFile]],
    folder: Path,
    provenance: Mapping[str, Any],
    progress: Progress = silent,
) -> bool:
    """Train a transcriber in `folder`, continuing what is there; False when a signal stopped it.

    files: clips of the splits "train" and "valid". provenance: what the file's header should say of them.

    Raises:
        UserError: clips without notes; a recording cannot be read; as `Loop.run`.
    """
    train, valid = (
        Mixtures(files.get(split, ()), settings, folder, progress) for split in ("train", "valid")
    )
    task = TranscriberTask(settings, train, valid, provenance)
    return Loop(task, settings, settings.steps, folder, progress).run()


class Mixtures:
    """Clips that are drawn alone or several at once, with the notes of all.

    Args:
        files: recordings of one clip each. Those with the label `notes` are decoded into a file in `folder`.

    Attributes:
        key: a hash of the recordings.

    Raises:
        UserError: no clip has notes, or one cannot be read.
    """

    def __init__(
        self,
        files: Sequence[SourceFile],
        settings: TranscriberConfig,
        folder: Path,
        progress: Progress = silent,
    ):
        self.settings, self.files = settings, [file for file in files if file.labels.get("notes")]
        if not self.files:
            raise UserError("no clips with notes to learn from; render more with --clips")
        paths = [file.path for file in self.files]
        self.decoded, self.key = pcm.decoded(paths, SAMPLE_RATE, folder, progress), pcm.key(paths)
        self.by_sound: dict[str, list[int]] = defaultdict(list)
        for number, file in enumerate(self.files):
            self.by_sound[file.labels.get("sound", "")].append(number)

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str]:
        """A waveform (samples,), its notes (notes, 4) as labels have them, and the name of the first clip."""
        s = self.settings
        first, kind = int(rng.integers(len(self.files))), rng.random()
        others = [self._partner(first, rng)] if kind < s.two + s.three else []
        if kind < s.three:
            others.append(int(rng.integers(len(self.files))))
        waveform = self._clip(first)
        peak = _peak(waveform)
        for other in others:
            clip = self._clip(other)
            waveform = waveform + clip * (peak / _peak(clip) * _amplitude(rng.uniform(*LEVELS)))
        waveform = waveform * np.float32(rng.uniform(*PEAK) / _peak(waveform))
        if rng.random() < HISSED:
            noise = rng.standard_normal(len(waveform), dtype=np.float32)
            waveform = waveform + noise * _amplitude(rng.uniform(*HISS))
        notes = [note for number in (first, *others) for note in self.files[number].labels["notes"]]
        return waveform, np.array(notes, dtype=float), self.files[first].name

    def _partner(self, first: int, rng: np.random.Generator) -> int:
        """Another excerpt by the same sound, or any clip."""
        labels = self.files[first].labels
        alike = [
            number
            for number in self.by_sound[labels.get("sound", "")]
            if self.files[number].labels.get("score") != labels.get("score")
        ]
        if rng.random() < self.settings.same_sound and alike:
            return alike[int(rng.integers(len(alike)))]
        return int(rng.integers(len(self.files)))

    def _clip(self, number: int) -> np.ndarray:
        start, length = self.decoded.starts[number], min(SAMPLES, self.decoded.lengths[number])
        clip = self.decoded.samples[start : start + length].numpy().astype(np.float32) / pcm.FULL_SCALE
        return np.pad(clip, (0, SAMPLES - length))


class TranscriberTask(Task):
    """Trains a transcriber on mixtures of clips, which it hears transposed and through an equaliser."""

    name, stage = KIND, 0

    def __init__(
        self,
        settings: TranscriberConfig,
        train: Mixtures,
        valid: Mixtures,
        provenance: Mapping[str, Any] = {},
    ):
        self.settings, self.train, self.valid, self.provenance = settings, train, valid, provenance
        with seeded(settings.seed):
            self.network = Transcriber().to(memory_format=torch.channels_last)
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = STEADY
        self.networks: dict[str, nn.Module] = {KIND: self.network}

    def batches(self, seed: int, start: int, rank: int, world: int) -> Iterator[Examples]:
        for step in count(start):
            rngs = order.generators(seed, step, self.settings.batch_size, rank, world)
            yield self._examples(self.train, rngs, True)

    def example(self, clips: int) -> Examples:
        return self._examples(self.train, order.generators(0, 0, clips), True)

    def validation(self, rank: int, world: int) -> Iterable[Examples]:
        """The same examples every time, as they are."""
        for number in range(self.settings.validation_batches):
            rngs = order.generators(0, number, self.settings.batch_size, rank, world)
            yield self._examples(self.valid, rngs, False)

    def losses(self, batch: Examples, draws: Draws) -> Losses:
        bins = torch.cat([self.network.bins(part) for part in batch.waveform.split(TOGETHER)])
        logits = self.networks[KIND](coloured(bins, batch.shift, batch.colour))
        weight = torch.tensor([RARE, 1.0], device=logits.device).reshape(2, 1, 1)
        each = F.binary_cross_entropy_with_logits(logits, batch.targets, reduction="none", pos_weight=weight)
        onsets, sounding = each.mean(dim=(2, 3)).unbind(dim=1)
        return {"onsets": ONSETS * onsets, "sounding": SOUNDING * sounding}

    def same(self) -> dict[str, Any]:
        s = self.settings
        kept = {name: getattr(s, name) for name in ("two", "three", "same_sound", "transposed")}
        return {**kept, "data": self.train.key}

    def finish(self, folder: Path) -> None:
        made = {"step": self.settings.steps, **self.provenance, "training": recorded(self.settings)}
        transcriber.save(self.networks[KIND], folder / PRODUCT, made)

    def _examples(self, mixtures: Mixtures, rngs: Sequence[np.random.Generator], changed: bool) -> Examples:
        most = self.settings.transposed if changed else 0
        waveforms, targets, names, shifts, colours = [], [], [], [], []
        for rng in rngs:
            waveform, notes, name = mixtures.draw(rng)
            shifts.append(int(rng.integers(-most, most + 1)))
            colours.append(_colour(rng) if changed else np.zeros(_bins(), np.float32))
            targets.append(targets_of(notes + [0, 0, shifts[-1], 0]))
            waveforms.append(waveform)
            names.append(name)
        stacked = (torch.from_numpy(np.stack(values)) for values in (waveforms, shifts, colours, targets))
        return Examples(*stacked, names)


def targets_of(notes: np.ndarray) -> np.ndarray:
    """Notes (notes, 4), in seconds -> (2, `FRAMES`, keys), from 0 to 1: whether notes begin, and sound.

    An onset is a bell about its time, which need not be a frame's.
    """
    onsets, offsets = (notes[:, place, None] * SAMPLE_RATE / HOP for place in (0, 1))
    keys, frames = notes[:, 2].round().astype(int) - KEYS.start, np.arange(FRAMES)
    known = (keys >= 0) & (keys < len(KEYS))
    bells = np.exp(-0.5 * ((frames - onsets) / SPREAD) ** 2)
    sounding = (frames >= onsets - EARLY) & (frames < offsets)
    targets = np.zeros((2, len(KEYS), FRAMES), np.float32)
    for target, values in zip(targets, (bells, sounding), strict=True):
        np.maximum.at(target, keys[known], values[known].astype(np.float32))
    return targets.swapaxes(1, 2)


def coloured(bins: torch.Tensor, shift: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
    """Spectrograms (batch, 2, frames, bins), transposed by `shift` semitones and with `colour` added."""
    count = bins.shape[-1]
    places = torch.arange(count, device=bins.device) - STEPS * shift[:, None]
    places = places.clamp(0, count - 1)[:, None, None].expand_as(bins)
    return (bins.gather(3, places) + colour[:, None, None]).clamp(min=transcriber.EMPTY)


def _colour(rng: np.random.Generator) -> np.ndarray:
    """The curve of an equaliser over the bins, (bins,)."""
    place = np.linspace(-1, 1, _bins())
    tilt, wave = rng.normal(0, TILT), rng.normal(0, WAVE)
    curve = rng.uniform(*GAIN) + tilt * place + wave * np.sin(WAVES * place + rng.uniform(0, 2 * np.pi))
    return curve.astype(np.float32)


def _bins() -> int:
    return STEPS * (transcriber.HIGHEST - KEYS.start)


def _peak(waveform: np.ndarray) -> float:
    return max(SILENCE, float(np.abs(waveform).max()))


def _amplitude(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))
