"""Formants: the spectral envelope of a sound, which stays in place when an instrument plays another pitch."""

import numpy as np
import torch
import torch.nn.functional as F

FFT, SMOOTH = 2048, 41  # samples; bins over which an envelope is smooth
MOST = 2.5  # nepers that a bin is raised or lowered by


def envelope(waveform: torch.Tensor) -> torch.Tensor:
    """The spectral envelope of a waveform (samples,), averaged over time, in nepers: (FFT / 2 + 1,)."""
    return _envelope(_spectrum(waveform))


def scaled(envelope: torch.Tensor, ratio: float) -> torch.Tensor:
    """The envelope with its frequencies multiplied by `ratio`, as those of a waveform that is resampled."""
    bins = np.arange(len(envelope))
    return torch.from_numpy(np.interp(bins / ratio, bins, envelope.numpy())).float()


def factors(wanted: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """What each bin of a spectrum is multiplied by to change its envelope `own` to `wanted`."""
    return (wanted - own).clamp(-MOST, MOST).exp()


def kept(waveform: torch.Tensor, ratio: float) -> torch.Tensor:
    """A waveform (samples,) whose pitches were raised by `ratio`, with the envelope that it had before."""
    spectrum = _spectrum(waveform)
    own = _envelope(spectrum)
    changed = spectrum * factors(scaled(own, 1 / ratio), own)[:, None]
    return torch.istft(changed, FFT, window=torch.hann_window(FFT), length=len(waveform))


def _spectrum(waveform: torch.Tensor) -> torch.Tensor:
    return torch.stft(waveform, FFT, window=torch.hann_window(FFT), return_complex=True)


def _envelope(spectrum: torch.Tensor) -> torch.Tensor:
    level = spectrum.abs().square().mean(dim=1).add(1e-10).log() / 2
    return F.avg_pool1d(F.pad(level[None], (SMOOTH // 2, SMOOTH // 2), mode="replicate"), SMOOTH, 1)[0]
