"""Metrics of generated sound: melody, timbre, spectral distance, and distances between sets of sounds."""

from typing import TYPE_CHECKING

from msdae.lazy import getter

if TYPE_CHECKING:
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

__getattr__ = getter(
    __name__,
    {
        "log_mel_distance": "msdae.evaluation.metrics.distance:log_mel_distance",
        "mel_mse": "msdae.evaluation.metrics.distance:mel_mse",
        "mel_ssim": "msdae.evaluation.metrics.distance:mel_ssim",
        "si_sdr": "msdae.evaluation.metrics.distance:si_sdr",
        "fad": "msdae.evaluation.metrics.frechet:fad",
        "fad_infinity": "msdae.evaluation.metrics.frechet:fad_infinity",
        "kad": "msdae.evaluation.metrics.kernel:kad",
        "note_f1": "msdae.evaluation.metrics.melody:note_f1",
        "pitch_accuracy": "msdae.evaluation.metrics.melody:pitch_accuracy",
        "transcribe": "msdae.evaluation.metrics.melody:transcribe",
    },
)
