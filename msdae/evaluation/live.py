"""How late a stream is, and whether its pieces can be told from each other."""

import numpy as np
import torch

FRAME, HOP = 1024, 64  # samples, of the spectra that onsets are seen in
RANGE = 100  # from the loudest bin to what is softer than any onset


def lag(source: torch.Tensor, output: torch.Tensor, most: int) -> int:
    """Samples by which `output` (samples,) is behind `source`, from -`most` to `most`, by onsets in both.

    0 where either has none. The cross-correlation of spectral flux: what begins is compared, not how it
    sounds.
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
    """How sudden changes are where pieces join, relative to elsewhere; 1 where none can be told.

    The largest second difference of the samples, relative to those around, of the `length` samples from each
    multiple of `stride` on and of all other pieces of that length; medians, so that no onset decides.
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
    """How much louder the bands become from frame to frame."""
    window = torch.hann_window(FRAME)
    spectrum = torch.stft(waveform, FRAME, HOP, window=window, pad_mode="constant", return_complex=True).abs()
    level = torch.log1p(RANGE * spectrum / spectrum.max().clamp_min(1e-9))
    return level.diff(dim=-1).clamp_min(0).sum(dim=0).numpy()
