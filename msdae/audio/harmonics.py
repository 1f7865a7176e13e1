"""What a note's partials have in common: means of a spectrum over the harmonics of a grid of pitches."""

import torch

from msdae.audio import temperament

PITCHES = (28, 96)  # MIDI, of the grid: E1 to C7
STEPS = 3  # of the grid in a semitone
HARMONICS = 8
DECAY = 0.85  # of a harmonic's weight, to the one below


def harmonic_filters(hertz: torch.Tensor) -> torch.Tensor:
    """(bins, pitches): a log-magnitude spectrum (..., bins) times it has a peak at the pitch of each note.

    hertz: (bins,), rising, of the bins. Each pitch is a weighted mean over its harmonics, read between the
    two nearest bins; harmonics and pitches above the last bin are left out.
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
