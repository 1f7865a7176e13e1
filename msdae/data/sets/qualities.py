"""NSynth's ten sound qualities, measured where a rendered note shows them (Engel et al. 2017, table 3)."""

import torch

QUALITIES = (
    "bright",
    "dark",
    "distortion",
    "fast_decay",
    "long_release",
    "multiphonic",
    "nonlinear_env",
    "percussive",
    "reverb",
    "tempo-synced",
)
DISTORTED = ("Overdriven Guitar", "Distortion Guitar")


def qualities(waveform: torch.Tensor, sample_rate: int, pitch: int, held: float, name: str) -> list[int]:
    """0 or 1 for each of `QUALITIES`; those that no rendering here has are 0.

    waveform: (samples,); held: seconds until the note is released; name: the General MIDI instrument.
    """
    start, end, tail = (
        _rms(waveform[round(a * sample_rate) : round(b * sample_rate)])
        for a, b in ((0.0, 0.3), (held - 0.3, held), (held + 0.5, held + 0.8))
    )
    harmonic = _centroid(waveform[: round(held * sample_rate)], sample_rate) / _frequency(pitch)
    present = {
        "bright": harmonic > 6,
        "dark": harmonic < 1.5,
        "distortion": name in DISTORTED,
        "fast_decay": end < 0.1 * start,
        "long_release": tail > 0.1 * start,
        "percussive": end < 0.01 * start,
    }
    return [int(present.get(quality, False)) for quality in QUALITIES]


def _rms(waveform: torch.Tensor) -> float:
    return float(waveform.square().mean().sqrt())


def _frequency(pitch: int) -> float:
    return 440.0 * 2 ** ((pitch - 69) / 12)


def _centroid(waveform: torch.Tensor, sample_rate: int) -> float:
    """The mean frequency in Hz, weighted by magnitude."""
    magnitude = torch.fft.rfft(waveform).abs()
    frequency = torch.linspace(0, sample_rate / 2, len(magnitude))
    return float((magnitude * frequency).sum() / magnitude.sum())
