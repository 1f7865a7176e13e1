"""Excerpts of recordings that a codec is trained on, which are drawn and mixed on the training's device."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from msdae import audio
from msdae.data import pcm
from msdae.data.draws import CPU, mix_seed
from msdae.progress import Progress, silent

OTHER_LEVEL = (0.1, 1.0)  # factor of the second of two mixed excerpts
HISS_LEVEL = (-3.0, -1.0)  # log10 of the deviation of the white noise
PEAK = (-0.8, 0.0)  # log10 of the peak that an excerpt is brought to
MOST_GAIN = 4.0  # so that silence stays soft


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


class Mixing(Protocol):
    """The settings that `RecordingExcerpts` reads; `CodecTrainConfig` says what they mean."""

    batch_size: int
    mixed: float
    hissed: float


class RecordingExcerpts:
    """Random excerpts of recordings for training; which ones depends on seed and step alone.

    Args:
        paths: the recordings. They are decoded into a file in `folder`.
        samples: samples of an excerpt. rate: sample rate in Hz.
        device: where the recordings' samples are kept, if they fit; excerpts are cut and mixed there.

    Attributes:
        key: a hash of the recordings' names and sizes.
        ready: whether excerpts are made on an accelerator, so that no process has to read ahead.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        settings: Mixing,
        samples: int,
        rate: int,
        folder: Path,
        device: torch.device = CPU,
        progress: Progress = silent,
    ):
        self.names = [str(path) for path in paths]
        self.settings, self.samples, self.key = settings, samples, pcm.key(paths)
        self.decoded = pcm.decoded(paths, rate, folder, progress).to(device)
        self.device = self.decoded.samples.device
        self.ready = self.device.type != "cpu"

    def batches(self, seed: int, start: int, rank: int = 0, world: int = 1) -> Iterator[Waveforms]:
        """Endless batches from step `start` on, this rank's share of each."""
        share = self.settings.batch_size // world
        for step in count(start):
            yield self._batch(mix_seed((seed, step)), slice(rank * share, (rank + 1) * share))

    def _batch(self, seed: int, places: slice) -> Waveforms:
        """The excerpts at `places` of a global batch; the draws are those of the whole batch."""
        s, size = self.settings, self.settings.batch_size
        rng, generator = np.random.default_rng(seed), torch.Generator(self.device).manual_seed(seed)
        recordings, starts = self._cuts(rng, size)
        others, other_starts = self._cuts(rng, size)
        is_mixed, is_hissed = rng.random(size) < s.mixed, rng.random(size) < s.hissed
        other_level, hiss_level = rng.uniform(*OTHER_LEVEL, size), 10 ** rng.uniform(*HISS_LEVEL, size)
        peak = self._column(10 ** rng.uniform(*PEAK, size)[places])
        waveform = self._excerpts(recordings[places], starts[places])
        if len(rows := np.flatnonzero(is_mixed[places])):
            mixed = rows + places.start
            other = self._column(other_level[mixed]) * self._excerpts(others[mixed], other_starts[mixed])
            waveform.index_add_(0, self._tensor(rows), other)
        hiss = torch.randn(int(is_hissed.sum()), self.samples, generator=generator, device=self.device)
        if len(rows := np.flatnonzero(is_hissed[places])):
            hissed = rows + places.start
            noise = hiss[self._tensor(np.cumsum(is_hissed)[hissed] - 1)]
            waveform.index_add_(0, self._tensor(rows), self._column(hiss_level[hissed]) * noise)
        gain = peak / waveform.abs().amax(dim=1, keepdim=True).clamp_min(1e-3)
        return Waveforms(waveform * gain.clamp(max=MOST_GAIN), [self.names[n] for n in recordings[places]])

    def _cuts(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Recordings and first samples of `size` excerpts."""
        which = rng.integers(len(self.names), size=size)
        room = np.maximum(1, self.decoded.lengths[which] - self.samples)
        return which, np.floor(rng.random(size) * room).astype(np.int64)

    def _excerpts(self, which: np.ndarray, starts: np.ndarray) -> torch.Tensor:
        """(excerpts, samples): silence after a recording's end."""
        offset = torch.arange(self.samples, device=self.device)
        first, left = self.decoded.starts[which] + starts, self.decoded.lengths[which] - starts
        first, left = self._tensor(first)[:, None], self._tensor(left)[:, None]
        index = (first + offset).clamp(max=len(self.decoded.samples) - 1)
        return self.decoded.samples[index].float().div(pcm.FULL_SCALE) * (offset < left)

    def _column(self, values: np.ndarray) -> torch.Tensor:
        return self._tensor(values).float()[:, None]

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).to(self.device)
