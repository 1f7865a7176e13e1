"""The losses of a round trip through the neural codec."""

from typing import Protocol

import torch
import torch.nn as nn

from msdae.audio.harmonics import harmonic_filters
from msdae.audio.magnitudes import mel_centres
from msdae.codecs.neural import NeuralCodec
from msdae.data.draws import Draws
from msdae.training.task import Losses


class Weights(Protocol):
    """The settings that `Reconstruction` reads; `CodecTrainConfig` says what they mean."""

    noise: float
    joint: bool
    peaks: float
    onsets: float
    harmonics: float


class Reconstruction(nn.Module):
    """A codec whose `forward` is its reconstruction loss; in training, its latents get noise.

    The losses are means of absolute differences: of log-mels and of compressed mels, in which loud parts
    weigh more; and, for the decoder, of log-magnitudes, of magnitudes relative to the clip's mean, and of the
    mels that they make. The difference of the last log-spectrogram also counts from bin to bin (peaks), from
    frame to frame (onsets), and summed over the harmonics of pitches (harmonics).

    Args:
        latents: whether to train the latents, and the log-mels that are predicted from them; else the decoder
            is trained, on frozen latents.
        settings: weights of the losses, the noise, and whether latents are trained with the whole decoder.
    """

    def __init__(self, codec: NeuralCodec, latents: bool, settings: Weights):
        super().__init__()
        self.codec, self.latents, self.settings = codec, latents, settings
        self.decoded = settings.joint or not latents  # to magnitudes, not to log-mels alone
        names = ["context", "context_shortcut"]
        names += ["encoder", "shortcut"] if latents else []
        names += ["frame", "frame_shortcut"] if self.decoded else []
        codec.requires_grad_(False)
        for name in names:
            getattr(codec, name, nn.Identity()).requires_grad_(True)
        bins, c = torch.arange(codec.config.n_fft // 2 + 1), codec.config
        hertz = bins * c.sample_rate / c.n_fft if self.decoded else mel_centres(c)
        self.register_buffer("harmonics", harmonic_filters(hertz), persistent=False)

    def train(self, mode: bool = True) -> "Reconstruction":
        """As of any module; latents that are frozen keep the statistics that standardise them."""
        super().train(mode)
        self.codec.train(mode and self.latents)
        return self

    def forward(self, waveform: torch.Tensor, draws: Draws) -> tuple[Losses, torch.Tensor, torch.Tensor]:
        """waveform: (batch, samples) -> the terms of the loss, (batch,) each, and the log-spectrograms that
        they compare, recorded and predicted, (batch, frames, any) each"""
        codec = self.codec
        with torch.autocast(waveform.device.type, enabled=False), torch.no_grad():
            magnitude = codec.spectrogram(waveform)
            mel = codec.log_mel(magnitude)
        z = codec.project(mel)
        if self.training:
            z = z + self.settings.noise * draws.uniform(1, 1) * draws.normal(*z.shape[1:])
        features = codec.features(z)
        predicted_mel = features[..., : codec.config.bands].float()
        log = codec.log_magnitude(features).float() if self.decoded else None
        with torch.autocast(waveform.device.type, enabled=False):
            terms = self._mel_losses(predicted_mel, mel)
            if log is None:
                return terms | self._shapes((predicted_mel - mel) * codec.std), mel, predicted_mel
            terms = {f"inner {name}": term for name, term in terms.items()}
            log_target = (magnitude.transpose(1, 2) + codec.config.floor).log()
            terms |= self._magnitude_losses(log, log_target, magnitude.transpose(1, 2), mel)
            return terms | self._shapes(log - log_target), log_target, log

    def _magnitude_losses(
        self, log: torch.Tensor, log_target: torch.Tensor, target: torch.Tensor, mel: torch.Tensor
    ) -> Losses:
        codec, floor = self.codec, self.codec.config.floor
        predicted = (log.clamp(max=8).exp() - floor).clamp_min(0)
        scale = target.mean(dim=(1, 2), keepdim=True).clamp_min(floor)
        return {
            "log-magnitude": 0.5 * _mean_absolute(log - log_target),
            "magnitude": 0.5 * _mean_absolute(predicted / scale - target / scale),
            **self._mel_losses(codec.log_mel(predicted.transpose(1, 2)), mel),
        }

    def _shapes(self, difference: torch.Tensor) -> Losses:
        """difference: (batch, frames, bins or bands), of log-spectrograms"""
        s = self.settings
        features = {
            "peaks": (s.peaks, lambda x: x.diff(dim=2)),
            "onsets": (s.onsets, lambda x: x.diff(dim=1)),
            "harmonics": (s.harmonics, lambda x: x @ self.harmonics),
        }
        return {
            name: weight * _mean_absolute(of(difference)) for name, (weight, of) in features.items() if weight
        }

    def _mel_losses(self, predicted: torch.Tensor, mel: torch.Tensor) -> Losses:
        codec = self.codec
        raw = [(x * codec.std + codec.mean).clamp(max=8).exp() for x in (predicted, mel)]
        return {
            "log-mel": _mean_absolute(predicted * codec.std - mel * codec.std),
            "mel": _mean_absolute(torch.log1p(raw[0]) - torch.log1p(raw[1])),
        }


def _mean_absolute(difference: torch.Tensor) -> torch.Tensor:
    """Mean absolute value of each clip: (batch, ...) -> (batch,)"""
    return difference.abs().flatten(1).mean(dim=1)
