"""Live conversion measured: how far the output lags, and whether the joins of its pieces can be heard."""

import numpy as np
import torch

FRAME, HOP = 1024, 64  # window and hop of the spectra that onsets are found in, in samples
RANGE = 100  # amplitude ratio of the loudest bin to what is too soft to be an onset


def lag(source: torch.Tensor, output: torch.Tensor, most: int) -> int:
    """Samples by which `output` is later than `source`, -`most` to `most`; a multiple of `HOP`.

    The lag is the peak of the cross-correlation of both spectral fluxes, so onsets are compared, not timbre.
    It is 0 if either has no onsets.

    source, output: (samples,).
    """
    flux = [_flux(waveform) for waveform in (source, output)]
    if not all(values.any() for values in flux):
        return 0
    size = 1 << (sum(map(len, flux)) + 2 * most // HOP).bit_length()
    spectra = [np.fft.rfft(values - values.mean(), size) for values in flux]
    correlation = np.fft.irfft(spectra[0].conj() * spectra[1], size)
    places = np.arange(-(most // HOP), most // HOP + 1)
    return HOP * int(places[correlation[places].argmax()])


def roughness(output: torch.Tensor, stride: int, length: int) -> float:
    """How abrupt the waveform is where pieces join, relative to elsewhere; 1 if the joins do not stand out.

    The waveform (samples,) is cut into blocks of `length` samples. The abruptness of a block is its largest
    second difference over the mean one around it. Blocks that begin less than `length` samples after a
    multiple of `stride` are joins; the result is their median abruptness over that of all other blocks. A
    median does not depend on single onsets. Silence is left out; the result is 1 if nothing can be compared.
    """
    if len(output) < 2 * stride or not output.any():
        return 1.0
    bend = np.abs(np.diff(output.double().numpy(), 2, prepend=0, append=0))
    sharp = bend[: len(bend) // length * length].reshape(-1, length)
    level = np.convolve(sharp.mean(axis=1), np.ones(5) / 5, mode="same")
    first = np.arange(len(sharp)) * length
    heard = level > 0.05 * level.max()  # silence has no joins to hear
    joins = (first % stride < length) & (first >= stride)
    if not (joins & heard).any() or not (heard & ~joins).any():
        return 1.0
    ratio = sharp.max(axis=1) / np.maximum(level, 1e-12)
    return float(np.median(ratio[joins & heard]) / np.median(ratio[~joins & heard]))


def _flux(waveform: torch.Tensor) -> np.ndarray:
    """Spectral flux, (frames - 1,): by how much the bins of (samples,) become louder, summed over bins."""
    window = torch.hann_window(FRAME)
    spectrum = torch.stft(waveform, FRAME, HOP, window=window, pad_mode="constant", return_complex=True).abs()
    level = torch.log1p(RANGE * spectrum / spectrum.max().clamp_min(1e-9))
    return level.diff(dim=-1).clamp_min(0).sum(dim=0).numpy()
