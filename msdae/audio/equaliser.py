"""The baseline swap by an equaliser: gives the melody source the timbre source's spectral envelope."""

import functools

import numpy as np
import torch

from msdae.audio.files import SAMPLE_RATE
from msdae.audio.levels import MODEL_PEAK
from msdae.audio.mel import LogMel, MelConfig

ROW = "equaliser"
LOUD, FLOOR = 0.1, 1e-4  # share of the loudest frame's level above which frames count; magnitude of silence
WAVES = 12  # coefficients of the cosine transform that describe an envelope
FFT = 2048  # samples of the equaliser's frames
MOST = 24.0  # largest change of a band in dB, up or down


def envelopes(log_mels: torch.Tensor, gain: float) -> list[torch.Tensor]:
    """The spectral envelope of each sound, in dB about its mean: (sounds, bands, frames) -> (bands,) each.

    Only frames that are loud, compared with the first sound's loudest frame, count. gain: that of the
    log-mels.
    """
    magnitude = log_mels.expm1() / gain
    level = magnitude.sum(dim=1)
    loud = level > LOUD * level[0].max()
    return list(smooth(20 * magnitude.clamp(min=FLOOR).log10(), loud))


def smooth(decibels: torch.Tensor, loud: torch.Tensor) -> torch.Tensor:
    """The spectral envelopes of mels in dB, about their means: (sounds, bands, frames) -> (sounds, bands).

    loud: the frames that count, bool, (sounds, frames); if a sound has none, all of its frames count.
    """
    weights = (loud | ~loud.any(dim=1, keepdim=True)).to(decibels)
    means = (decibels @ weights[..., None]).squeeze(-1) / weights.sum(dim=1, keepdim=True)
    waves = _waves(decibels.shape[1]).to(decibels)
    return means @ waves @ waves.T


def swap(timbre: torch.Tensor, melody: torch.Tensor) -> torch.Tensor:
    """The melody source, equalised to the timbre source's envelope: (samples,)

    timbre, melody: (samples,) of any lengths, at 44.1 kHz.
    """
    wanted, own = (_envelope(sound) for sound in (timbre, melody))
    bins = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT
    decibels = np.interp(bins, _centres(), (wanted - own).clamp(-MOST, MOST).numpy())
    window = torch.hann_window(FFT)
    padded = torch.nn.functional.pad(melody, (0, max(0, FFT // 2 + 1 - len(melody))))
    spectrum = torch.stft(padded, FFT, FFT // 4, window=window, return_complex=True)
    gains = torch.from_numpy(10 ** (decibels / 20)).float()[:, None]
    return torch.istft(spectrum * gains, FFT, FFT // 4, window=window, length=len(melody))


def _envelope(sound: torch.Tensor) -> torch.Tensor:
    log_mel = _log_mel()
    sound = torch.nn.functional.pad(sound, (0, max(0, log_mel.config.n_fft - len(sound))))
    sound = MODEL_PEAK / sound.abs().max().clamp(min=1e-6) * sound
    return envelopes(log_mel(sound[None]), log_mel.config.gain)[0]


@functools.cache
def _waves(bands: int) -> torch.Tensor:
    """The first `WAVES` functions of the orthonormal cosine transform after the constant: (bands, WAVES)"""
    angle = torch.pi / bands * (torch.arange(bands) + 0.5)[:, None] * torch.arange(1, WAVES + 1)
    return (2 / bands) ** 0.5 * angle.cos()


@functools.cache
def _log_mel() -> LogMel:
    return LogMel(MelConfig())


@functools.cache
def _centres() -> np.ndarray:
    """The centre frequencies of the mel bands in Hz: (bands,)"""
    filters = _log_mel().filters
    places = (filters * torch.arange(filters.shape[1])).sum(dim=1) / filters.sum(dim=1).clamp(min=1e-9)
    return (places * SAMPLE_RATE / _log_mel().config.n_fft).numpy()
