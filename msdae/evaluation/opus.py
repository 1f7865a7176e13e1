"""Opus, a codec that everybody knows, as a yardstick; written by libsndfile, where it was built with Opus."""

import io

import soundfile
import torch

from msdae.audio.resample import resampled

RATE = 48000  # Hz, the sample rate of Opus
_LOWEST, _HIGHEST = 6, 256  # kbit/s of one channel at libsndfile's compression levels 1 and 0


def is_here() -> bool:
    """Whether libsndfile can write Opus."""
    return "OPUS" in soundfile.available_subtypes("OGG")


def round_trip(waveforms: torch.Tensor, sample_rate: int, kilobits: int) -> torch.Tensor:
    """Encode `waveforms` (batch, samples), mono, with Opus at `kilobits` kbit/s; decoded, of equal shape."""
    return torch.stack([_one(waveform, sample_rate, kilobits) for waveform in waveforms])


def _one(waveform: torch.Tensor, sample_rate: int, kilobits: int) -> torch.Tensor:
    raw = resampled(waveform, sample_rate, RATE)
    file, level = io.BytesIO(), (_HIGHEST - kilobits) / (_HIGHEST - _LOWEST)
    soundfile.write(file, raw.numpy(), RATE, format="OGG", subtype="OPUS", compression_level=level)
    file.seek(0)
    decoded = torch.from_numpy(soundfile.read(file, dtype="float32")[0])
    decoded = resampled(decoded, RATE, sample_rate)[: len(waveform)]
    return torch.nn.functional.pad(decoded, (0, len(waveform) - len(decoded)))
