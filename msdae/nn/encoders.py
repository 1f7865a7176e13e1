"""Encoders: log-mels to codes (MSDAE), latents to codes (HDAE)."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from msdae.nn.layers import group_norm, zero_init


class MelEncoder(nn.Module):
    """E_k of eq. 40: 2D convs over one scale of the mel pyramid, each of which halves time.

    Frequency is halved with time until `min_bands` are left. The bands are then folded into the channels, so
    that the code tells where in the spectrum energy lies. Nothing depends on the length.

    Args:
        bands: bands of this level's log-mel.
        widths: channels after each stage; where there are more stages, the first number is repeated for them.
        stages: how often time is halved.
        code_channels: channels of the code.
        pooled: whether the code is a single frame, from the statistics of the features over time.
    """

    min_bands = 4

    def __init__(
        self,
        bands: int,
        widths: tuple[int, ...],
        stages: int,
        code_channels: int,
        pooled: bool = False,
    ):
        super().__init__()
        self.pooled = pooled
        widths = (*widths[:1] * stages, *widths)[-stages:]
        layers: list[nn.Module] = []
        inputs = 1
        for index, outputs in enumerate(widths):
            stride = 2 if bands > self.min_bands else 1
            bands = -(-bands // stride)
            layers.append(_Halving(inputs, outputs, 3, stride=(stride, 2), padding=1))
            if index > 0:  # the first stage stays unnormalised: loudness is information
                layers.append(group_norm(outputs))
            layers.append(nn.SiLU())
            inputs = outputs
        # this layout is 1.4 times as fast on a CPU as the default one
        self.convs = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.project = (
            nn.Conv1d(2 * inputs * bands, code_channels, 1)
            if pooled
            else nn.Conv1d(inputs * bands, code_channels, 3, padding=1)
        )

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """mel: (batch, bands, mel frames) -> (batch, code_channels, mel frames / 2 ** stages), (-1, 1);
        one frame if pooled"""
        features = self.convs(rearrange(mel, "b f t -> b 1 f t"))
        features = rearrange(features, "b c f t -> b (c f) t")
        return torch.tanh(self.project(statistics(features) if self.pooled else features))


class _Halving(nn.Conv2d):
    """A conv that halves time. If a single frame is left, it computes in single precision: in bfloat16, on
    CPUs with AMX, torch 2.11 adds to its sums whatever freed memory holds."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type != "cpu" or x.shape[-1] > 2:
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.to(self.weight.dtype))


class PatchTrunk(nn.Module):
    """Log-mels to features: one 2D conv over all bands of a few frames, then 1D convs.

    It learns to tell pitches many times as fast as strided convs that end in tanh, because no band is
    averaged away before the first weights, and the mel is standardised.

    Args:
        mean, std: mean and deviation of each band of the log-mel, (bands,) each.
        hidden: number of features.
        patch: mel frames of a feature frame.
        around: number of further layers, which see 2, 4, 8 ... more feature frames to either side.
    """

    slices = 4  # a patch consists of so many averages over time

    def __init__(self, mean: torch.Tensor, std: torch.Tensor, hidden: int, patch: int, around: int = 0):
        super().__init__()
        self.slice, bands = patch // self.slices, len(mean)
        self.register_buffer("mean", mean[:, None], persistent=False)
        self.register_buffer("std", std[:, None], persistent=False)
        self.patch = nn.Conv2d(1, hidden, (bands, 3 * self.slices), (1, self.slices), (0, self.slices))
        self.mix = nn.Conv1d(hidden, hidden, 3, padding=1)
        self.around = nn.ModuleList(_around(hidden, 2**layer) for layer in range(around))

    @property
    def frames(self) -> int:
        """Mel frames of a feature frame."""
        return self.slices * self.slice

    def padded(self, mel: torch.Tensor) -> torch.Tensor:
        """The mel, filled up to whole patches by repeating its last frame."""
        missing = -mel.shape[-1] % self.frames
        return F.pad(mel, (0, missing), mode="replicate") if missing else mel

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """mel: (batch, bands, mel frames) -> (batch, hidden, mel frames / patch)"""
        x = (F.avg_pool1d(self.padded(mel), self.slice) - self.mean) / self.std
        channels = x.device.type != "cpu" or torch.is_autocast_enabled("cpu")
        x = F.silu(self._patched(x, bands_as_channels=channels))
        x = x + F.silu(self.mix(x))
        for layer in self.around:
            x = x + layer(x)
        return x

    def _patched(self, x: torch.Tensor, bands_as_channels: bool) -> torch.Tensor:
        """The conv over all bands, done over an image or over bands as channels. The latter is what
        accelerators and bfloat16 are fast at: on CPUs with AMX it takes a hundredth of the time."""
        if not bands_as_channels:
            return self.patch(x[:, None])[:, :, 0]
        return F.conv1d(x, self.patch.weight[:, 0], self.patch.bias, self.slices, self.slices)


class PatchEncoder(PatchTrunk):
    """E_k of eq. 40, made to learn fast: a `PatchTrunk`, and a code that no tanh bounds.

    Args:
        mean, std, hidden, around: as in `PatchTrunk`.
        patch: mel frames of a code frame or, for a pooled code, of each frame that is pooled.
        code_channels: channels of the code.
        pooled: whether the code is a single frame.
        heads: attention heads by which frames are pooled; 0: all frames count the same (see `statistics`).
    """

    def __init__(
        self,
        mean: torch.Tensor,
        std: torch.Tensor,
        hidden: int,
        patch: int,
        code_channels: int,
        pooled: bool = False,
        heads: int = 0,
        around: int = 0,
    ):
        super().__init__(mean, std, hidden, patch, around)
        self.pooled = pooled
        self.attention = AttentivePooling(hidden, heads) if pooled and heads else None
        self.project = nn.Conv1d(2 * hidden if pooled else hidden, code_channels, 1)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """mel: (batch, bands, mel frames) -> (batch, code_channels, mel frames / patch); one if pooled"""
        x = super().forward(mel)
        if self.attention is not None:
            x = self.attention(x)
        elif self.pooled:
            x = statistics(x)
        return self.project(x)


class AttentivePooling(nn.Module):
    """Mean and deviation over time, with frames weighted by attention (Okabe et al. 2018).

    Args:
        channels: channels of the frames, which the heads share out equally among them.
        heads: number of attention heads; each gives every frame a weight of its own.
        hidden: features from which the weights are computed.
    """

    def __init__(self, channels: int, heads: int, hidden: int = 64):
        super().__init__()
        self.heads = heads
        self.scores = nn.Sequential(
            nn.Conv1d(channels, hidden, 1), nn.Tanh(), zero_init(nn.Conv1d(hidden, heads, 1))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (batch, channels, frames) -> (batch, 2 * channels, 1)"""
        weights = self.scores(x).float().softmax(dim=-1)
        weights = weights.repeat_interleave(x.shape[1] // self.heads, dim=1)
        mean = (weights * x).sum(dim=-1, keepdim=True)
        deviation = (weights * (x - mean).square()).sum(dim=-1, keepdim=True).add(1e-6).sqrt()
        return torch.cat([mean, deviation], dim=1)


class LatentEncoder(nn.Module):
    """The semantic encoder of HDAE (Lu et al. 2023) for audio: 1D convs over the latent.

    One code is taken at each depth, through a bottleneck of its own width.

    Args:
        channels: of the latent.
        widths: features of each depth, shallow to deep; time is halved at each.
        code_channels: of each code, coarse (deepest) to fine.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], code_channels: tuple[int, ...]):
        super().__init__()
        inputs = (channels, *widths[:-1])
        self.depths = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(i, w, 3, stride=2, padding=1),
                group_norm(w),
                nn.SiLU(),
                nn.Conv1d(w, w, 3, padding=1),
                group_norm(w),
                nn.SiLU(),
            )
            for i, w in zip(inputs, widths, strict=True)
        )
        self.projects = nn.ModuleList(
            nn.Conv1d(w, c, 1) for w, c in zip(widths, reversed(code_channels), strict=True)
        )

    def forward(self, z: torch.Tensor) -> list[torch.Tensor]:
        """z: (batch, channels, frames) -> [h_1, ...], each (batch, code channels, frames / 2 ** depth)"""
        codes = []
        for depth, project in zip(self.depths, self.projects, strict=True):
            z = depth(z)
            codes.insert(0, torch.tanh(project(z)))
        return codes


def statistics(x: torch.Tensor) -> torch.Tensor:
    """Statistics pooling (Snyder et al. 2018): (batch, channels, frames) -> the mean and the deviation of
    each channel over time, (batch, 2 * channels, 1)"""
    mean = x.mean(dim=-1, keepdim=True)
    deviation = (x - mean).square().mean(dim=-1, keepdim=True).add(1e-6).sqrt()
    return torch.cat([mean, deviation], dim=1)


def _around(hidden: int, dilation: int) -> nn.Sequential:
    """A depthwise conv over five frames, `dilation` apart, and a pointwise one, which starts at zero."""
    return nn.Sequential(
        group_norm(hidden),
        nn.Conv1d(hidden, hidden, 5, padding=2 * dilation, dilation=dilation, groups=hidden),
        nn.SiLU(),
        zero_init(nn.Conv1d(hidden, hidden, 1)),
    )
