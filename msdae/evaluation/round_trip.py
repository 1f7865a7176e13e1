"""What a round trip leaves of notes, without a transcriber: pitches, onsets and levels of spectra."""

import torch

from msdae.audio.harmonics import harmonic_filters
from msdae.evaluation.metrics.distance import log_mel_distance

N_FFT, HOP = 4096, 1024
FLOOR = 1e-3  # of a full-scale sine, below which nothing is heard
WIDE = 7  # pitches of the grid that a sound's own is told from: about an octave's half
MOST = 6  # pitches at once


def measures(recorded: torch.Tensor, decoded: torch.Tensor, sample_rate: int) -> dict[str, float]:
    """Means over recordings: "log-mel dB", "pitch F1" and "onset correlation".

    Pitches are the highest peaks of the harmonic sums of each frame, at most `MOST`; those that are in both
    frames count. Onsets are the rises of the spectrum from frame to frame.

    recorded, decoded: (batch, samples), mono.
    """
    pairs = list(zip(recorded, decoded, strict=True))
    heard = [(_log_spectrum(before), _log_spectrum(after)) for before, after in pairs]
    filters = harmonic_filters(torch.arange(N_FFT // 2 + 1) * sample_rate / N_FFT).to(recorded.device)
    values = {
        "log-mel dB": [log_mel_distance(before, after, sample_rate) for before, after in pairs],
        "pitch F1": [_shared(_pitches(x @ filters), _pitches(y @ filters)) for x, y in heard],
        "onset correlation": [_correlation(_rises(x), _rises(y)) for x, y in heard],
    }
    return {name: float(torch.tensor(some).nanmean()) for name, some in values.items()}


def _log_spectrum(waveform: torch.Tensor) -> torch.Tensor:
    """(samples,) -> (frames, bins), log of magnitude + `FLOOR`"""
    window = torch.hann_window(N_FFT, device=waveform.device)
    spectrum = torch.stft(waveform, N_FFT, HOP, window=window, pad_mode="constant", return_complex=True)
    return (spectrum.abs().T * (4 / N_FFT) + FLOOR).log()


def _pitches(salience: torch.Tensor) -> torch.Tensor:
    """(frames, pitches of the grid) -> which of them sound, bool"""
    highest = salience.amax(dim=1, keepdim=True)
    around = torch.nn.functional.max_pool1d(salience[None], WIDE, 1, WIDE // 2)[0]
    floor = salience.median(dim=1, keepdim=True).values
    peaks = (salience == around) & (salience > floor + 0.5 * (highest - floor)) & (highest > floor + 0.5)
    least = salience.masked_fill(~peaks, -torch.inf).topk(MOST, dim=1).values[:, -1:]
    return peaks & (salience >= least)


def _shared(one: torch.Tensor, other: torch.Tensor) -> float:
    """F1 of two sets of pitches, a step of the grid apart at the most; NaN without any."""
    wide = [torch.nn.functional.max_pool1d(x[None].float(), 3, 1, 1)[0] > 0 for x in (one, other)]
    found = ((one & wide[1]).sum() + (other & wide[0]).sum()).float()
    return float(found / (one.sum() + other.sum()))


def _rises(spectrum: torch.Tensor) -> torch.Tensor:
    return spectrum.diff(dim=0).clamp_min(0).mean(dim=1)


def _correlation(x: torch.Tensor, y: torch.Tensor) -> float:
    """Of two (frames,); NaN where one does not change."""
    return float(torch.corrcoef(torch.stack([x, y]))[0, 1])
