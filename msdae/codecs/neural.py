"""The codec that ships: a small network to latents and back to a spectrogram, phases in one pass.

The encoder looks at the log-mels of one latent frame and at most of the next ones, so that latents are local
in time. The decoder first predicts the log-mels from the latents around, then the magnitudes of all bins;
single pass spectrogram inversion and a few rounds of Griffin-Lim give them phases (`msdae.audio.phase`).
Latents have unit variance in every channel and were trained to be decoded when noise is added to them, as a
denoiser's are.
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
    """Settings of the codec.

    floor: of magnitudes, where a full-scale sine has n_fft / 4: what is quieter is silence.
    encoder, context, frame: width and depth of the encoder, of the decoder at the rate of the latents and
        at that of the spectrogram. extra: features that the last gets beside the log-mels.
    neighbours: latent frames at either side that a layer of the encoder looks at.
    shortcuts: linear ways around the two parts of the decoder, as the encoder always has one.
    rounds: of Griffin-Lim when decoding.
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
    """ConvNeXt block (Liu et al. 2022) in one dimension; a kernel of 1 looks at single frames."""

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
    """Waveform <-> learnt latents of blocks of log-mel frames.

    The fingerprint is of what makes latents: models and caches stay valid when the decoder is trained on.
    """

    name, kind = "spectral-neural", "spectral-neural codec"
    kernels = 5, 7  # frames that a block of the decoder looks at, at the latents' rate and the spectrogram's

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
        """Of the settings and weights that latents depend on."""
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
        seen = self.config.encoder[1] * self.config.neighbours  # latent frames at either side
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
        """magnitude: (batch, bins, frames) -> (batch, frames, bands), standardised if `mean`, `std` are."""
        mel = (self.filters @ magnitude.square()).clamp_min(1e-10).sqrt()  # at 0 the root has no gradient
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

        Chunks see as much of their neighbours as they depend on, and phases go on from one to the next, so
        that the result is that of the whole but for rounding.
        """
        return self._stream(latents)

    def follow(
        self, latents: Iterable[torch.Tensor], melody: Iterable[torch.Tensor]
    ) -> Iterator[torch.Tensor]:
        """As `stream`; low partials have the phases that they have in `melody` (`Codec.follow`)."""
        by_frame = (rearrange(block, "b (n s) -> b s n", s=self.hop) for block in melody)
        pairs = zip(latents, by_frame, strict=True)
        return self._stream(torch.cat([z, sound.to(z.device)], dim=1) for z, sound in pairs)

    @torch.no_grad()
    def _stream(self, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """blocks: of z, below it the samples of each frame where a melody is followed."""
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
        """As `Codec.continued`: the state is the phases of the last frame that the next piece begins with.

        They are counted from those that a first piece begins with: zeros begin anew, as None does.
        """
        c, margin = self.config, self._margin
        magnitude = self.magnitude(z)
        known, after = min(before, margin), min(z.shape[-1] - before - own, margin)
        first, frames = (before - known) * c.block, (known + own + after) * c.block
        # A centred transform has one frame more than hops: the next frame, or at the end the last again.
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
        """(batch, hop * frames) -> (batch, bins, frames * block + 1), complex: of a centred transform."""
        c = self.config
        return torch.stft(
            waveform, c.n_fft, c.hop, window=self.window, pad_mode="constant", return_complex=True
        )

    @property
    def _reach(self) -> int:
        """Latent frames at either side that a magnitude depends on."""
        (_, slow), (_, fast) = self.config.context, self.config.frame
        fast_frames = fast * (self.kernels[1] // 2)  # of the spectrogram
        return slow * (self.kernels[0] // 2) + math.ceil(fast_frames / self.config.block)

    @property
    def _margin(self) -> int:
        """Latent frames at either end of a chunk that Griffin-Lim's rounds may spoil."""
        c = self.config
        spoilt = (c.rounds + 1) * math.ceil(c.n_fft / c.hop)  # frames of the spectrogram: a window each round
        return math.ceil(spoilt / c.block) + 1

    def magnitude(self, z: torch.Tensor) -> torch.Tensor:
        """z: (batch, channels, frames) -> magnitudes (batch, bins, frames * block)"""
        return (self.log_magnitude(self.features(z)).exp() - self.config.floor).clamp_min(0).transpose(1, 2)

    def features(self, z: torch.Tensor) -> torch.Tensor:
        """z: (batch, channels, frames) -> (batch, frames * block, bands + extra); the bands are log-mels"""
        z = z.transpose(1, 2)
        features = self.context(z) + self.context_shortcut(z) if self.config.shortcuts else self.context(z)
        return rearrange(features, "b n (t f) -> b (n t) f", t=self.config.block)

    def log_magnitude(self, features: torch.Tensor) -> torch.Tensor:
        """features: (batch, frames, bands + extra) -> log of magnitude + floor, (batch, frames, bins)"""
        log = self.frame(features)
        return log + self.frame_shortcut(features) if self.config.shortcuts else log

    # -- files

    def stored(self) -> dict[str, torch.Tensor]:
        """The tensors of a file: weights in half precision."""
        state = self.state_dict().items()
        return {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in state}

    @classmethod
    def from_file(cls, path: str | Path) -> "NeuralCodec":
        """As `Codec.from_file`."""
        header = checkpoint.read_header(path, cls.kind, {"config": dict})
        config = configs.of_file(NeuralConfig, header["config"], path)
        with torch.device("meta"):
            outline = cls(config).state_dict()
        checkpoint.require_tensors(path, outline, FIX)
        with checkpoint.Unset():
            codec = cls(config)
        return checkpoint.restore(codec, checkpoint.load(path, cls.kind)[0], path, FIX)
