"""Formants, as the smooth spectral envelope of a sound, which stays the same at other pitches."""

import numpy as np
import torch
import torch.nn.functional as F

FFT, SMOOTH = 2048, 41  # samples; bins over which an envelope is smoothed
MOST = 2.5  # largest change of a bin in nepers, up or down


def envelope(waveform: torch.Tensor) -> torch.Tensor:
    """The spectral envelope of a waveform (samples,), averaged over time, in nepers: (FFT / 2 + 1,)."""
    return _envelope(_spectrum(waveform))


def scaled(envelope: torch.Tensor, ratio: float) -> torch.Tensor:
    """The envelope with its frequencies multiplied by `ratio`, as resampling does: (bins,) both."""
    bins = np.arange(len(envelope))
    return torch.from_numpy(np.interp(bins / ratio, bins, envelope.numpy())).float()


def factors(wanted: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """The factors by which the bins of a spectrum change its envelope from `own` to `wanted`: (bins,)"""
    return (wanted - own).clamp(-MOST, MOST).exp()


def kept(waveform: torch.Tensor, ratio: float) -> torch.Tensor:
    """A waveform (samples,) with its original envelope, after resampling has multiplied it by `ratio`."""
    spectrum = _spectrum(waveform)
    own = _envelope(spectrum)
    changed = spectrum * factors(scaled(own, 1 / ratio), own)[:, None]
    return torch.istft(changed, FFT, window=torch.hann_window(FFT), length=len(waveform))


def _spectrum(waveform: torch.Tensor) -> torch.Tensor:
    return torch.stft(waveform, FFT, window=torch.hann_window(FFT), return_complex=True)


def _envelope(spectrum: torch.Tensor) -> torch.Tensor:
    level = spectrum.abs().square().mean(dim=1).add(1e-10).log() / 2
    return F.avg_pool1d(F.pad(level[None], (SMOOTH // 2, SMOOTH // 2), mode="replicate"), SMOOTH, 1)[0]
