"""Which instrument plays: a small CNN on log-mels, whose last hidden layer is the embedding "embedded"."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from msdae import checkpoint
from msdae.evaluation.metrics.mel import BANDS, RANGE_DB, mel_db
from msdae.evaluation.metrics.settings import FIX
from msdae.models import weights
from msdae.symbolic.instruments import PROGRAMS

KIND = "instrument classifier"
DIM = 128
WIDTHS = (16, 32, 64, 128)


class Classifier(nn.Module):
    """Recognises the General MIDI program that plays a clip, and embeds clips for FAD and KAD.

    The embedding is this project's own and knows only the instruments that it was trained on: its distances
    are not comparable with those of CLAP or VGGish, nor with other papers' figures.

    Args:
        programs: the classes: General MIDI programs and, from `PROGRAMS` on, the numbers of the recorded
            instruments that it was fitted to. These improve training, but are never given as an answer.
    """

    name = "embedded"

    def __init__(self, programs: Sequence[int]):
        super().__init__()
        self.programs = tuple(programs)
        layers: list[nn.Module] = []
        inputs = 1
        for outputs in WIDTHS:
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
        self.convs = nn.Sequential(*layers)
        rows = BANDS // 2 // 2 ** len(WIDTHS)
        self.hidden = nn.Sequential(nn.Linear(inputs * rows, DIM), nn.ReLU())
        self.answer = nn.Linear(DIM, len(self.programs))

    @property
    def fingerprint(self) -> str:
        """A hash of the weights and classes."""
        return checkpoint.fingerprint(self.state_dict(), {"programs": list(self.programs)})

    def features(self, mel: torch.Tensor) -> torch.Tensor:
        """mel: (batch, bands, frames) from `mel_db` -> (batch, DIM), >= 0."""
        loudest = mel.amax(dim=(1, 2), keepdim=True)
        image = 1 + (mel - loudest) / RANGE_DB
        halved = F.avg_pool2d(image[:, None], (2, 1))
        maps = rearrange(self.convs(halved), "b c f t -> b (c f) t")
        return self.hidden(maps.mean(dim=-1))

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """mel: (batch, bands, frames) from `mel_db` -> (batch, programs), logits."""
        return self.answer(self.features(mel))

    def answers(self, mel: torch.Tensor) -> list[int]:
        """mel: (batch, bands, frames) from `mel_db` -> the most likely General MIDI program of each."""
        places = [place for place, program in enumerate(self.programs) if program < PROGRAMS]
        return [self.programs[places[answer]] for answer in self(mel)[:, places].argmax(dim=1).tolist()]

    @torch.inference_mode()
    def embed(self, waveforms: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """waveforms: (batch, samples), mono, at `sample_rate` Hz -> (batch, DIM), float32, >= 0."""
        return self.features(mel_db(waveforms.detach().cpu(), sample_rate))

    @torch.inference_mode()
    def program(self, waveforms: torch.Tensor, sample_rate: int) -> list[int]:
        """waveforms: (batch, samples), mono, at `sample_rate` Hz -> the most likely program of each."""
        return self.answers(mel_db(waveforms.detach().cpu(), sample_rate))


def save(network: Classifier, path: str | Path, provenance: Mapping[str, Any]) -> None:
    """Write `network` to one safetensors file in half precision, atomically.

    provenance: what it was fitted on, which is written to the file's header.
    """
    weights.save(network, path, KIND, {"programs": list(network.programs), **provenance})


def load(path: str | Path | None = None) -> Classifier:
    """The classifier in `path`, as written by experiments/train_metrics.py; by default the package's own.

    Raises:
        UserError: no such file, or not an instrument classifier.
    """
    return weights.load(path, "classifier", _read)


def _read(path: str | Path) -> Classifier:
    tensors, header = checkpoint.load(path, KIND)
    return checkpoint.restore(Classifier(header["programs"]), tensors, path, FIX)
