"""Harmonic sums: means of a spectrum over the harmonics of each pitch of a grid."""

import torch

from msdae.audio import temperament

PITCHES = (28, 96)  # lowest and highest MIDI pitch of the grid: E1 to C7
STEPS = 3  # steps of the grid per semitone
HARMONICS = 8
DECAY = 0.85  # ratio of a harmonic's weight to that of the one below


def harmonic_filters(hertz: torch.Tensor) -> torch.Tensor:
    """The matrix (bins, pitches) that turns log-magnitude spectra (..., bins) into harmonic sums.

    The sums peak at the pitches of notes. Each is a weighted mean over the harmonics of a pitch, interpolated
    between bins; harmonics and pitches above the last bin are left out.

    hertz: frequencies of the bins, rising, (bins,).
    """
    low, high = PITCHES
    pitches = torch.arange(low * STEPS, high * STEPS + 1, dtype=torch.float64) / STEPS
    pitches = pitches[temperament.hertz(pitches) <= hertz[-1]]
    number = torch.arange(1, HARMONICS + 1, dtype=torch.float64)
    partials = temperament.hertz(pitches[:, None]) * number  # (pitches, harmonics)
    bins = hertz.double()
    above = torch.searchsorted(bins, partials).clamp(1, len(bins) - 1)
    share = ((partials - bins[above - 1]) / (bins[above] - bins[above - 1])).clamp(0, 1)
    weight = DECAY ** (number - 1) * (partials <= bins[-1])
    weight = weight / weight.sum(dim=1, keepdim=True)
    filters = torch.zeros(len(pitches), len(bins), dtype=torch.float64)
    filters.scatter_add_(1, above - 1, weight * (1 - share))
    filters.scatter_add_(1, above, weight * share)
    return filters.T.float().contiguous()
