"""Measures of what comes out: melody, timbre, spectral distance, distances of sets."""

from msdae.evaluation.metrics.distance import log_mel_distance, mel_mse, mel_ssim, si_sdr
from msdae.evaluation.metrics.frechet import fad, fad_infinity
from msdae.evaluation.metrics.kernel import kad
from msdae.evaluation.metrics.melody import note_f1, pitch_accuracy, transcribe

__all__ = [
    "fad",
    "fad_infinity",
    "kad",
    "log_mel_distance",
    "mel_mse",
    "mel_ssim",
    "note_f1",
    "pitch_accuracy",
    "si_sdr",
    "transcribe",
]
