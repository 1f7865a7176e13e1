"""How well a round trip preserves notes, without a transcriber: pitches, onsets and levels of spectra."""

import torch

from msdae.audio.harmonics import harmonic_filters
from msdae.evaluation.metrics.distance import log_mel_distance

N_FFT, HOP = 4096, 1024
FLOOR = 1e-3  # amplitude, in shares of a full-scale sine, below which nothing is heard
WIDE = 7  # grid pitches of which only the highest peak counts: a semitone to either side
MOST = 6  # pitches of a frame


def measures(recorded: torch.Tensor, decoded: torch.Tensor, sample_rate: int) -> dict[str, float]:
    """Means over recordings of "log-mel dB", "pitch F1" and "onset correlation".

    The pitches of a frame are the highest peaks of its harmonic sum, at most `MOST`; the F1 counts those that
    both frames have. Onsets are the rises of the log spectrum from frame to frame, which are correlated.

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
    """(samples,) -> (frames, bins): log(magnitude + `FLOOR`), with magnitude 1 for a full-scale sine."""
    window = torch.hann_window(N_FFT, device=waveform.device)
    spectrum = torch.stft(waveform, N_FFT, HOP, window=window, pad_mode="constant", return_complex=True)
    return (spectrum.abs().T * (4 / N_FFT) + FLOOR).log()


def _pitches(salience: torch.Tensor) -> torch.Tensor:
    """The harmonic sums (frames, grid pitches) -> bool of equal shape: which pitches sound."""
    highest = salience.amax(dim=1, keepdim=True)
    around = torch.nn.functional.max_pool1d(salience[None], WIDE, 1, WIDE // 2)[0]
    floor = salience.median(dim=1, keepdim=True).values
    peaks = (salience == around) & (salience > floor + 0.5 * (highest - floor)) & (highest > floor + 0.5)
    least = salience.masked_fill(~peaks, -torch.inf).topk(MOST, dim=1).values[:, -1:]
    return peaks & (salience >= least)


def _shared(one: torch.Tensor, other: torch.Tensor) -> float:
    """F1 of two sets of pitches, bool (frames, grid pitches); NaN if both are empty.

    Pitches match if they are at most one step of the grid apart.
    """
    wide = [torch.nn.functional.max_pool1d(x[None].float(), 3, 1, 1)[0] > 0 for x in (one, other)]
    found = ((one & wide[1]).sum() + (other & wide[0]).sum()).float()
    return float(found / (one.sum() + other.sum()))


def _rises(spectrum: torch.Tensor) -> torch.Tensor:
    return spectrum.diff(dim=0).clamp_min(0).mean(dim=1)


def _correlation(x: torch.Tensor, y: torch.Tensor) -> float:
    """Pearson correlation of two curves (frames,); NaN if one is constant."""
    return float(torch.corrcoef(torch.stack([x, y]))[0, 1])
