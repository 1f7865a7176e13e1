"""The default codec: a small network to latents and back to a spectrogram, whose phases are reconstructed.

The encoder sees the log-mels of one latent frame and at most of a few neighbours, so that latents are local
in time. The decoder first predicts log-mels from a latent and its neighbours, then the magnitudes of all
bins; single pass spectrogram inversion and a few rounds of Griffin-Lim find their phases
(`msdae.audio.phase`). Latents have unit variance in every channel. The decoder was trained on noisy latents,
as a denoiser's are.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from msdae import checkpoint
from msdae import config as configs
from msdae.audio.magnitudes import Transform, mel_filters, pieces
from msdae.audio.phase import accumulated, followed, griffin_lim, scattered, with_doubles
from msdae.codecs.base import CODECS, FIX, Codec
from msdae.codecs.chunks import CHUNK, chunks
from msdae.limits import Range

Stack = tuple[
    Annotated[int, Range(1, 4096, reason="wider layers have hundreds of millions of weights")],
    Annotated[int, Range(0, 32, reason="deeper ones see no further than a recording")],
]


@dataclass(frozen=True)
class NeuralConfig(Transform):
    """Settings of the codec, in addition to those of `Transform`.

    floor: magnitude below which sound counts as silent; a full-scale sine has n_fft / 4.
    encoder, context, frame: (width, depth) of the encoder, of the decoder at the rate of the latents, and of
        the decoder at the rate of the spectrogram. extra: features that the latter receives beside log-mels.
    neighbours: latent frames on either side that each layer of the encoder sees.
    shortcuts: whether both parts of the decoder have a linear bypass, as the encoder always has.
    rounds: rounds of Griffin-Lim in decoding.
    """

    floor: Annotated[float, Range(0, 1e3, above=True)] = 0.02
    encoder: Stack = (320, 2)
    context: Stack = (320, 3)
    frame: Stack = (224, 3)
    extra: Annotated[int, Range(0, 4096)] = 32
    neighbours: Annotated[int, Range(0, 8, reason="latents are local in time")] = 0
    shortcuts: bool = False
    rounds: Annotated[int, Range(0, 1000, reason="more change nothing that can be heard")] = 4


class Block(nn.Module):
    """A one-dimensional ConvNeXt block (Liu et al. 2022); with a kernel of 1, it sees single frames."""

    def __init__(self, width: int, kernel: int):
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 3 * width)
        self.contract = nn.Linear(3 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (batch, frames, width) -> the same shape"""
        y = self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))
        return x + self.scale * self.contract(F.gelu(self.expand(y)))


def _stack(inputs: int, size: tuple[int, int], outputs: int, kernel: int) -> nn.Sequential:
    width, depth = size
    blocks = [Block(width, kernel) for _ in range(depth)]
    return nn.Sequential(nn.Linear(inputs, width), *blocks, nn.LayerNorm(width), nn.Linear(width, outputs))


@CODECS.register("spectral-neural")
class NeuralCodec(Codec):
    """The codec whose latents are learnt from blocks of log-mel frames.

    Its fingerprint covers only the encoder, so that models and caches stay valid if the decoder is trained
    further.
    """

    name, kind = "spectral-neural", "spectral-neural codec"
    kernels = 5, 7  # of the decoder's blocks, in frames: at the rate of the latents and of the spectrogram

    def __init__(self, config: NeuralConfig = NeuralConfig()):
        super().__init__()
        self.config = config
        self.channels, self.sample_rate = config.channels, config.sample_rate
        self.hop = config.hop * config.block
        size = config.block * config.bands
        self.encoder = _stack(size, config.encoder, config.channels, kernel=2 * config.neighbours + 1)
        self.shortcut = nn.Linear(size, config.channels, bias=False)
        self.standardise = nn.BatchNorm1d(config.channels, affine=False, momentum=0.01)
        inner = config.bands + config.extra
        self.context = _stack(config.channels, config.context, config.block * inner, self.kernels[0])
        self.frame = _stack(inner, config.frame, config.n_fft // 2 + 1, self.kernels[1])
        if config.shortcuts:
            self.context_shortcut = nn.Linear(config.channels, config.block * inner, bias=False)
            self.frame_shortcut = nn.Linear(inner, config.n_fft // 2 + 1, bias=False)
        self.register_buffer("mean", torch.zeros(config.bands))
        self.register_buffer("std", torch.ones(config.bands))
        self.register_buffer("filters", mel_filters(config), persistent=False)
        self.register_buffer("window", torch.hann_window(config.n_fft, device="cpu"), persistent=False)

    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        """A hash of the settings and weights that latents depend on."""
        kept = ("sample_rate", "n_fft", "hop", "bands", "f_max", "floor", "block", "channels", "encoder")
        settings = configs.to_mapping(self.config)
        state = {k: v for k, v in self.state_dict().items() if not k.startswith(("context", "frame"))}
        return checkpoint.fingerprint(state, {key: settings[key] for key in kept})

    # -- sound to latents

    @torch.no_grad()
    def encode(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), mono, [-1, 1] -> z: (batch, channels, frames(samples)).

        Raises:
            UserError: the waveform has no samples.
        """
        magnitudes = pieces(waveform, self.config, self.window, CHUNK)
        blocks = (self._blocks(self.log_mel(magnitude)).transpose(1, 2) for magnitude in magnitudes)
        seen = self.config.encoder[1] * self.config.neighbours  # latent frames on either side
        latents = []
        for chunk in chunks(blocks, max(1, seen, CHUNK // len(waveform)), seen):
            z = self._latents(chunk.z.transpose(1, 2))
            latents.append(z[..., chunk.before : chunk.before + chunk.own])
        return torch.cat(latents, dim=-1)

    def spectrogram(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, frames * hop) -> magnitudes (batch, bins, frames * block)"""
        (magnitude,) = pieces(waveform, self.config, self.window, chunk=waveform.numel() // self.hop)
        return magnitude

    def log_mel(self, magnitude: torch.Tensor) -> torch.Tensor:
        """magnitude: (batch, bins, frames) -> log-mel (batch, frames, bands).

        It is standardised by `mean` and `std`, which are 0 and 1 until they are measured.
        """
        mel = (self.filters @ magnitude.square()).clamp_min(1e-10).sqrt()  # the gradient is infinite at 0
        return ((mel + self.config.floor).log().transpose(1, 2) - self.mean) / self.std

    def project(self, mel: torch.Tensor) -> torch.Tensor:
        """mel: (batch, frames * block, bands) -> z: (batch, channels, frames)"""
        return self._latents(self._blocks(mel))

    def _blocks(self, mel: torch.Tensor) -> torch.Tensor:
        return rearrange(mel, "b (n t) f -> b n (t f)", t=self.config.block)

    def _latents(self, blocks: torch.Tensor) -> torch.Tensor:
        z = self.encoder(blocks) + self.shortcut(blocks)
        return self.standardise(rearrange(z, "b n c -> b c n").float())

    # -- latents to sound

    def stream(self, latents: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Blocks of z (batch, channels, any) -> blocks of the waveform (batch, any).

        Each chunk sees all of its neighbours that it depends on, and phases continue from chunk to chunk, so
        that the result is that of decoding the whole at once, except for rounding.
        """
        return self._stream(latents)

    def follow(
        self, latents: Iterable[torch.Tensor], melody: Iterable[torch.Tensor]
    ) -> Iterator[torch.Tensor]:
        """Like `stream`, but low partials take their phases from `melody` (see `Codec.follow`)."""
        by_frame = (rearrange(block, "b (n s) -> b s n", s=self.hop) for block in melody)
        pairs = zip(latents, by_frame, strict=True)
        return self._stream(torch.cat([z, sound.to(z.device)], dim=1) for z, sound in pairs)

    @torch.no_grad()
    def _stream(self, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """blocks: z, followed along the channels by the samples of each frame if there is a melody."""
        phase, margin = None, self._margin
        for chunk in chunks(blocks, max(CHUNK, self._reach + margin), self._reach + margin):
            z, sound = chunk.z.tensor_split([self.channels], dim=1)
            melody = rearrange(sound, "b s n -> b (n s)") if sound.shape[1] else None
            waveform, phase = self.continued(z, chunk.before, chunk.own, phase, melody)
            yield waveform[:, : chunk.own * self.hop]

    @torch.no_grad()
    def continued(
        self,
        z: torch.Tensor,
        before: int,
        own: int,
        state: torch.Tensor | None = None,
        melody: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Codec.continued`. The state is phases in radians: (batch, bins).

        They are those of the frame before the one with which the phases of the next piece begin, relative to
        the phases with which a first piece begins, so that zeros mean the same as None.
        """
        c, margin = self.config, self._margin
        magnitude = self.magnitude(z)
        known, after = min(before, margin), min(z.shape[-1] - before - own, margin)
        first, frames = (before - known) * c.block, (known + own + after) * c.block
        # A centred transform has one frame more than hops: the next frame or, at the end, the last one again.
        part = slice(first, first + frames + 1)
        inside, low = with_doubles(F.pad(magnitude, (0, 1), mode="replicate")[..., part]), None
        if melody is not None:
            low = followed(inside, with_doubles(self._spectrum(melody)[..., part]), c.sample_rate)
        start = scattered(inside.shape[1], inside.device)
        phases = accumulated(inside, c.hop, None if state is None else start + state.to(inside.device), low)
        window = self.window.to(inside.device)
        waveform = griffin_lim(inside, phases, window, c.hop, c.rounds, low and low.kept)
        last = max((known + own - margin) * c.block, 1) - 1
        state = (phases[..., last] - start).to(phases.dtype)
        return waveform[:, known * self.hop :].to(z.device), state.to(z.device)

    def _spectrum(self, waveform: torch.Tensor) -> torch.Tensor:
        """The centred STFT: (batch, hop * frames) -> complex, (batch, bins, frames * block + 1)"""
        c = self.config
        return torch.stft(
            waveform, c.n_fft, c.hop, window=self.window, pad_mode="constant", return_complex=True
        )

    @property
    def _reach(self) -> int:
        """The number of latent frames on either side that a magnitude depends on."""
        (_, slow), (_, fast) = self.config.context, self.config.frame
        fast_frames = fast * (self.kernels[1] // 2)  # frames of the spectrogram
        return slow * (self.kernels[0] // 2) + math.ceil(fast_frames / self.config.block)

    @property
    def _margin(self) -> int:
        """The number of latent frames at either end of a chunk that Griffin-Lim may spoil."""
        c = self.config
        spoilt = (c.rounds + 1) * math.ceil(c.n_fft / c.hop)  # frames of the spectrogram; a window per round
        return math.ceil(spoilt / c.block) + 1

    def magnitude(self, z: torch.Tensor) -> torch.Tensor:
        """z: (batch, channels, frames) -> magnitudes (batch, bins, frames * block)"""
        return (self.log_magnitude(self.features(z)).exp() - self.config.floor).clamp_min(0).transpose(1, 2)

    def features(self, z: torch.Tensor) -> torch.Tensor:
        """z: (batch, channels, frames) -> log-mels and extras, (batch, frames * block, bands + extra)"""
        z = z.transpose(1, 2)
        features = self.context(z) + self.context_shortcut(z) if self.config.shortcuts else self.context(z)
        return rearrange(features, "b n (t f) -> b (n t) f", t=self.config.block)

    def log_magnitude(self, features: torch.Tensor) -> torch.Tensor:
        """features: (batch, frames, bands + extra) -> log(magnitude + floor), (batch, frames, bins)"""
        log = self.frame(features)
        return log + self.frame_shortcut(features) if self.config.shortcuts else log

    # -- files

    def stored(self) -> dict[str, torch.Tensor]:
        """The tensors as a file stores them: those of more than one dimension in half precision."""
        state = self.state_dict().items()
        return {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in state}

    @classmethod
    def from_file(cls, path: str | Path) -> "NeuralCodec":
        """See `Codec.from_file`."""
        header = checkpoint.read_header(path, cls.kind, {"config": dict})
        config = configs.of_file(NeuralConfig, header["config"], path)
        with torch.device("meta"):
            outline = cls(config).state_dict()
        checkpoint.require_tensors(path, outline, FIX)
        with checkpoint.Unset():
            codec = cls(config)
        return checkpoint.restore(codec, checkpoint.load(path, cls.kind)[0], path, FIX)
