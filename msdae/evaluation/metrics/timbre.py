"""Timbre similarity of two clips whatever they play: a triplet network on MFCC (after Cífka et al. 2021)."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
import torchaudio

from msdae import checkpoint
from msdae.evaluation.metrics.mel import BANDS, mel_db
from msdae.evaluation.metrics.settings import FIX
from msdae.models import weights

KIND = "timbre network"
COEFFICIENTS = 20
DIM = 64
WIDTH = 96


class Timbre(nn.Module):
    """Embeds clips so that the cosine of two embeddings is the similarity of their timbres.

    The MFCC go as time series through convolutions, whose mean and standard deviation over time are taken, so
    that the embedding hardly knows the order of the notes. MFCC also depend on pitch; therefore training
    pulls clips of one instrument, but of different pieces, together. It also pushes clips apart that an
    equaliser gave the same average spectrum, so that the network listens to how a sound begins, moves and
    ends.

    Source: Cífka et al. 2021, "Self-supervised VQ-VAE for one-shot music style transfer", section 4.3. Their
    network reads MFCC 2 to 13, and its negatives are clips of other instruments only.
    """

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = [nn.BatchNorm1d(COEFFICIENTS)]
        inputs = COEFFICIENTS
        for _ in range(3):
            layers += [nn.Conv1d(inputs, WIDTH, 5, stride=2, padding=2), nn.BatchNorm1d(WIDTH), nn.ReLU()]
            inputs = WIDTH
        self.convs = nn.Sequential(*layers)
        self.project = nn.Sequential(
            nn.Linear(2 * WIDTH, 2 * WIDTH), nn.BatchNorm1d(2 * WIDTH), nn.ReLU(), nn.Linear(2 * WIDTH, DIM)
        )

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """mel: (batch, BANDS, frames) from `mel_db` -> (batch, DIM), of length 1."""
        features = self.convs(mfcc(mel))
        pooled = torch.cat([features.mean(dim=-1), features.std(dim=-1, correction=0)], dim=1)
        return F.normalize(self.project(pooled))

    @torch.inference_mode()
    def embed(self, waveforms: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """waveforms: (batch, samples), mono, at `sample_rate` Hz -> (batch, DIM), float32, of length 1.

        The similarity of two clips is the dot product of their embeddings. It does not depend on gain.
        """
        return self(mel_db(waveforms.detach().cpu(), sample_rate))


def mfcc(mel: torch.Tensor) -> torch.Tensor:
    """mel: (batch, BANDS, frames) in dB -> the first MFCC divided by 100, (batch, COEFFICIENTS, frames).

    The first coefficient, the level, is relative to that of the loudest frame, so that gain has no effect.
    """
    level, others = (_cosines().to(mel) @ mel).split((1, COEFFICIENTS - 1), dim=1)
    return torch.cat([level - level.amax(dim=-1, keepdim=True), others], dim=1) / 100


@functools.cache
def _cosines() -> torch.Tensor:
    """The first rows of the orthonormal DCT-II: (COEFFICIENTS, BANDS)."""
    return torchaudio.functional.create_dct(COEFFICIENTS, BANDS, norm="ortho").T.contiguous()


def save(network: Timbre, path: str | Path, provenance: Mapping[str, Any]) -> None:
    """Write `network` to one safetensors file in half precision, atomically.

    provenance: what it was fitted on, which is written to the file's header.
    """
    weights.save(network, path, KIND, provenance)


def load(path: str | Path | None = None) -> Timbre:
    """The network in `path`, as written by experiments/train_metrics.py; by default the package's own.

    Raises:
        UserError: no such file, or not a timbre network.
    """
    return weights.load(path, "timbre", _read)


def _read(path: str | Path) -> Timbre:
    tensors, _ = checkpoint.load(path, KIND)
    return checkpoint.restore(Timbre(), tensors, path, FIX)
