"""What a codec is trained on: excerpts of recordings, drawn and mixed where the training runs."""

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
    """batch_size: excerpts. mixed, hissed: shares of them that are two at once, and that have noise."""

    batch_size: int
    mixed: float
    hissed: float


class Excerpts:
    """Random excerpts of recordings for training: which ones depends on seed and step alone.

    Args:
        paths: of the recordings, which are decoded to a file in `folder`.
        samples: of an excerpt. rate: in Hz.
        device: where the samples are kept if they fit; excerpts are cut and mixed there.

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
        s, size = self.settings, self.settings.batch_size
        rng, noise = np.random.default_rng(seed), torch.Generator(self.device).manual_seed(seed)
        which, starts = self._cuts(rng, size)
        others, from_ = self._cuts(rng, size)
        mixed, hissed = rng.random(size) < s.mixed, rng.random(size) < s.hissed
        level, hiss_level = rng.uniform(0.1, 1, size), 10 ** rng.uniform(-3, -1, size)
        gain = self._column(10 ** rng.uniform(-0.8, 0.0, size)[places])
        waveform = self._excerpts(which[places], starts[places])
        if len(rows := np.flatnonzero(mixed[places])):
            chosen = rows + places.start
            second = self._column(level[chosen]) * self._excerpts(others[chosen], from_[chosen])
            waveform.index_add_(0, self._there(rows), second)
        hiss = torch.randn(int(hissed.sum()), self.samples, generator=noise, device=self.device)
        if len(rows := np.flatnonzero(hissed[places])):
            chosen = rows + places.start
            own = hiss[self._there(np.cumsum(hissed)[chosen] - 1)]
            waveform.index_add_(0, self._there(rows), self._column(hiss_level[chosen]) * own)
        gain = gain / waveform.abs().amax(dim=1, keepdim=True).clamp_min(1e-3)
        return Waveforms(waveform * gain.clamp(max=4.0), [self.names[place] for place in which[places]])

    def _cuts(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Recordings and first samples of `size` excerpts."""
        which = rng.integers(len(self.names), size=size)
        room = np.maximum(1, self.decoded.lengths[which] - self.samples)
        return which, np.floor(rng.random(size) * room).astype(np.int64)

    def _excerpts(self, which: np.ndarray, starts: np.ndarray) -> torch.Tensor:
        """(excerpts, samples): silence after a recording's end."""
        offset = torch.arange(self.samples, device=self.device)
        first, left = self.decoded.starts[which] + starts, self.decoded.lengths[which] - starts
        first, left = self._there(first)[:, None], self._there(left)[:, None]
        index = (first + offset).clamp(max=len(self.decoded.samples) - 1)
        return self.decoded.samples[index].float().div(pcm.FULL_SCALE) * (offset < left)

    def _column(self, values: np.ndarray) -> torch.Tensor:
        return self._there(values).float()[:, None]

    def _there(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).to(self.device)
