"""The mel spectrogram in dB that is the input of the learnt metrics."""

import functools

import torch
import torchaudio

SAMPLE_RATE = 16000
N_FFT, HOP, BANDS = 2048, 500, 128  # as in Cífka et al. 2021, otherwise librosa's defaults
RANGE_DB = 80.0  # dB from the loudest band of a clip to silence
_QUIETEST = 1e-10  # lowest power, as in librosa


def mel_db(waveforms: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """waveforms: (batch, samples) at `sample_rate` -> (batch, BANDS, samples at 16 kHz // HOP + 1), in dB.

    Equal to librosa's power_to_db(melspectrogram) at 16 kHz, whose range is cut at `RANGE_DB` below each
    clip's own loudest band.
    """
    waveforms = torchaudio.functional.resample(waveforms.float(), sample_rate, SAMPLE_RATE)
    window, filters = (part.to(waveforms.device) for part in _transform())
    spectrum = torch.stft(
        waveforms, N_FFT, HOP, window=window, center=True, pad_mode="constant", return_complex=True
    )
    decibel = 10 * (filters @ spectrum.abs().square()).clamp(min=_QUIETEST).log10()
    return within_range(decibel)


def within_range(mel: torch.Tensor) -> torch.Tensor:
    """mel: (batch, bands, frames) in dB -> the same, cut at `RANGE_DB` below each clip's loudest band."""
    return mel.maximum(mel.amax(dim=(1, 2), keepdim=True) - RANGE_DB)


@functools.cache
def _transform() -> tuple[torch.Tensor, torch.Tensor]:
    """The window (N_FFT,) and mel filters of equal area (BANDS, N_FFT // 2 + 1)."""
    filters = torchaudio.functional.melscale_fbanks(
        N_FFT // 2 + 1, 0.0, SAMPLE_RATE / 2, BANDS, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )
    return torch.hann_window(N_FFT), filters.T.contiguous()
