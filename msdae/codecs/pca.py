"""The codec "spectral": PCA of blocks of log-mel frames; back by non-negative least squares and Griffin-Lim.

In decoding, a block is predicted by linear least squares from its latent frame and the neighbouring ones:
together they tell when notes start, which 64 components alone blur. The codec has the latent format of
Music2Latent (64 channels, 4096 samples per frame), needs no download, and runs several times faster than real
time on one CPU core.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from einops import rearrange

from msdae import checkpoint, limits
from msdae import config as configs
from msdae.audio.magnitudes import Transform, mel_filters, pieces
from msdae.codecs.base import CODECS, FIX, Codec
from msdae.codecs.chunks import CHUNK, crossfaded
from msdae.errors import UserError
from msdae.limits import Range

CONTEXT = 2  # latent frames decoded beyond each end of a chunk, for the crossfade with its neighbour
NNLS_STEPS = 24  # of the non-negative least squares
PHASE_STEPS = 32  # of Griffin-Lim


@dataclass(frozen=True)
class SpectralConfig(Transform):
    """Settings of the codec; they are part of its fingerprint."""

    # of log1p(gain * mel), which is linear below 1 / gain and logarithmic above
    gain: Annotated[float, Range(0, 1e6, above=True)] = 1.0
    # Hz; bands above it weigh less in the PCA, as melody lies below
    tilt: Annotated[float, Range(0, 1e6, above=True)] = 1000.0
    # components are divided by their standard deviation to this power
    whitening: Annotated[float, Range(0, 2)] = 0.5
    # latent frames on each side from which a block is predicted, beside its own
    reach: Annotated[int, Range(0, 16, reason="the covariances would fill gigabytes")] = 1
    # standard deviation of the errors in z that the prediction is made robust to
    noise: Annotated[float, Range(0, 1e3)] = 0.03

    def __post_init__(self):
        super().__post_init__()
        if self.channels > self.block * self.bands:
            raise UserError(
                f"channels: is {self.channels}, a block has only {self.block * self.bands} values"
            )


@CODECS.register("spectral")
class SpectralCodec(Codec):
    """The codec whose latents are partly whitened principal components of blocks of log-mel frames.

    Args:
        config: the settings.
        mean: the mean block, (block * bands,).
        components: orthonormal rows, (channels, block * bands).
        weight: the factors by which components become latent channels, (channels,).
        prediction: the matrix from latent frames to a block minus the mean block,
            ((2 * reach + 1) * channels, block * bands).
    """

    name, kind = "spectral", "spectral codec"

    def __init__(
        self,
        config: SpectralConfig,
        mean: torch.Tensor,
        components: torch.Tensor,
        weight: torch.Tensor,
        prediction: torch.Tensor,
    ):
        super().__init__()
        self.config = config
        self.channels = config.channels
        self.hop = config.hop * config.block
        self.sample_rate = config.sample_rate
        self.register_buffer("mean", mean.float())
        # Rounded as in a file, so that a codec and its saved copy are identical.
        self.register_buffer("components", components.half().float())
        self.register_buffer("weight", weight.float())
        self.register_buffer("prediction", prediction.half().float())
        filters = mel_filters(config)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("filters_inverse", torch.linalg.pinv(filters), persistent=False)
        self.register_buffer("emphasis", _emphasis(config, filters), persistent=False)
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)
        self.fingerprint = checkpoint.fingerprint(self.stored(), configs.to_mapping(config))

    @torch.no_grad()
    def encode(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), mono, [-1, 1] -> z: (batch, channels, frames(samples)).

        Raises:
            UserError: the waveform has no samples.
        """
        return torch.cat([self.project(blocks) for blocks in self.blocks(waveform)], dim=-1)

    @torch.no_grad()
    def stream(self, latents: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Blocks of z (batch, channels, any) -> blocks of the waveform (batch, any)."""
        return crossfaded(lambda z, first: self.vocode(self.predict(z)), latents, self.hop, CHUNK, CONTEXT)

    def blocks(self, waveform: torch.Tensor) -> Iterator[torch.Tensor]:
        """waveform: (batch, samples) -> blocks in pieces (batch, frames, block * bands), in order of time.

        Together, the pieces are exactly the transform of the whole waveform, in bounded memory.
        """
        for magnitude in pieces(waveform, self.config, self.window, CHUNK):
            yield rearrange(self._compressed_mel(magnitude), "b f (n t) -> b n (t f)", t=self.config.block)

    def project(self, blocks: torch.Tensor) -> torch.Tensor:
        """blocks: (batch, frames, block * bands) -> z: (batch, channels, frames)."""
        z = (blocks - self.mean) @ self.components.T * self.weight
        return rearrange(z, "b n c -> b c n")

    def predict(self, z: torch.Tensor) -> torch.Tensor:
        """z: (batch, channels, frames) -> the blocks predicted from it, (batch, frames, block * bands)."""
        return _neighbourhoods(z, self.config.reach) @ self.prediction + self.mean

    def vocode(self, blocks: torch.Tensor) -> torch.Tensor:
        """blocks: (batch, frames, block * bands) -> waveform: (batch, frames * hop)."""
        from torchaudio.functional import griffinlim

        rows = rearrange(blocks, "b n (t f) -> b (n t) f", t=self.config.block) / self.emphasis
        # The loudest possible band is a limit, because expm1 of an extreme z from a denoiser is infinite.
        loudest = math.log1p(self.config.gain * self.config.n_fft / 2)
        mel = torch.expm1(rows.clamp(0, loudest)) / self.config.gain
        magnitude = rearrange(self._magnitude(mel), "b t f -> b f t")
        # A centred transform has one frame more than hops, which `blocks` drops; the last one is repeated.
        magnitude = torch.cat([magnitude, magnitude[..., -1:]], dim=-1)
        return griffinlim(
            magnitude,
            window=self.window,
            n_fft=self.config.n_fft,
            hop_length=self.config.hop,
            win_length=self.config.n_fft,
            power=1.0,
            n_iter=PHASE_STEPS,
            momentum=0.99,
            length=blocks.shape[1] * self.hop,
            rand_init=False,
        )

    def _compressed_mel(self, magnitude: torch.Tensor) -> torch.Tensor:
        """magnitude: (batch, bins, frames) -> compressed mel (batch, bands, frames)."""
        # Inverting the root of band energies keeps the level; with sums of magnitudes, some dB are lost.
        mel = (self.filters @ magnitude.square()).sqrt()
        return torch.log1p(self.config.gain * mel) * self.emphasis[:, None]

    def _magnitude(self, mel: torch.Tensor) -> torch.Tensor:
        """The magnitudes that best explain a mel: (..., bands) -> (..., n_fft // 2 + 1), >= 0.

        Band energies are fitted by non-negative least squares, with multiplicative updates (Lee and Seung
        2001) that begin at the clipped pseudo-inverse.
        """
        energy = mel.square()
        power = (energy @ self.filters_inverse.T).clamp_min(1e-10)
        target = energy @ self.filters
        for _ in range(NNLS_STEPS):
            power = power * target / (power @ self.filters.T @ self.filters + 1e-12)
        return power.sqrt()

    def stored(self) -> dict[str, torch.Tensor]:
        """The tensors as a file stores them: matrices in half precision."""
        return {
            "mean": self.mean,
            "components": self.components.half(),
            "weight": self.weight,
            "prediction": self.prediction.half(),
        }

    @classmethod
    def from_file(cls, path: str | Path) -> "SpectralCodec":
        """See `Codec.from_file`."""
        header = checkpoint.read_header(path, cls.kind, {"config": dict})
        config = configs.of_file(SpectralConfig, header["config"], path)
        checkpoint.require_tensors(path, _blank(config, "meta"), FIX)
        return cls(config, **checkpoint.load(path, cls.kind)[0])


def _blank(config: SpectralConfig, device: str = "cpu") -> dict[str, torch.Tensor]:
    """The tensors of a codec before it is fitted."""
    size, channels = config.block * config.bands, config.channels
    with torch.device(device):
        taps = (2 * config.reach + 1) * channels
        return {
            "mean": torch.zeros(size),
            "components": torch.zeros(channels, size),
            "weight": torch.ones(channels),
            "prediction": torch.zeros(taps, size),
        }


def fit(waveforms: Iterable[torch.Tensor], config: SpectralConfig = SpectralConfig()) -> SpectralCodec:
    """The codec whose components explain most of the variance of `waveforms`.

    Covariances are accumulated over all waveforms, in constant memory.

    waveforms: (batch, samples) each, mono, [-1, 1]; they are read twice, so a generator will not do.

    Raises:
        UserError: the waveforms have too few blocks for the channels, or the covariances exceed the memory.
    """
    size = config.block * config.bands
    limits.require_memory(32 * size**2, f"blocks of {size} values", "take fewer bands or a shorter block")
    blank = SpectralCodec(config, **_blank(config))
    mean, components, weight = _principal_components(waveforms, blank)
    half_fitted = SpectralCodec(config, mean, components, weight, blank.prediction)
    return SpectralCodec(config, mean, components, weight, _prediction(waveforms, half_fitted))


def _principal_components(
    waveforms: Iterable[torch.Tensor], codec: SpectralCodec
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The mean, components and weights of `SpectralCodec` for the blocks of `waveforms`."""
    size, channels = codec.mean.numel(), codec.channels
    count, total, products = 0, torch.zeros(size).double(), torch.zeros(size, size).double()
    for waveform in waveforms:
        for blocks in codec.blocks(waveform):
            rows = rearrange(blocks, "b n d -> (b n) d")
            count += len(rows)
            total += rows.double().sum(0)
            products += (rows.T @ rows).double()
    if count <= channels:
        seconds = channels * codec.hop / codec.sample_rate
        raise UserError(f"too little sound to fit a codec: more than {seconds:.0f} s of it is needed")
    mean = total / count
    variances, vectors = torch.linalg.eigh(products / count - torch.outer(mean, mean))
    kept = variances.flip(0)[:channels].clamp_min(1e-12)
    weight = kept ** (-codec.config.whitening / 2)
    weight = weight / (kept * weight**2).mean().sqrt()
    return mean, vectors.T.flip(0)[:channels], weight


def _prediction(waveforms: Iterable[torch.Tensor], codec: SpectralCodec) -> torch.Tensor:
    """The least-squares matrix from latent frames and their neighbours to blocks: (taps, block * bands)"""
    taps, size = codec.prediction.shape
    count, inner, outer = 0, torch.zeros(taps, taps).double(), torch.zeros(taps, size).double()
    for waveform in waveforms:
        for blocks in codec.blocks(waveform):
            z = _neighbourhoods(codec.project(blocks), codec.config.reach)
            inputs, targets = z.flatten(0, 1), (blocks - codec.mean).flatten(0, 1)
            count += len(inputs)
            inner += (inputs.T @ inputs).double()
            outer += (inputs.T @ targets).double()
    ridge = count * codec.config.noise**2 * torch.eye(taps).double()
    return torch.linalg.solve(inner + ridge, outer)


def _neighbourhoods(z: torch.Tensor, reach: int) -> torch.Tensor:
    """Each latent frame with its neighbours; the first and last frames are repeated beyond the ends.

    z: (batch, channels, frames) -> (batch, frames, (2 * reach + 1) * channels)
    """
    padded = F.pad(z, (reach, reach), mode="replicate")
    return rearrange(padded.unfold(-1, 2 * reach + 1, 1), "b c n w -> b n (w c)")


@torch.no_grad()
def explained_variance(codec: SpectralCodec, waveforms: Iterable[torch.Tensor]) -> float:
    """The share of the variance of blocks that survives projection and prediction; at most 1.

    waveforms: (batch, samples) each.
    """
    lost, whole = 0.0, 0.0
    for waveform in waveforms:
        for blocks in codec.blocks(waveform):
            whole += (blocks - codec.mean).square().sum().item()
            lost += (blocks - codec.predict(codec.project(blocks))).square().sum().item()
    return 1 - lost / whole


def _emphasis(config: SpectralConfig, filters: torch.Tensor) -> torch.Tensor:
    """The weights of the bands, 1 for low bands and falling by 6 dB an octave above `tilt`: (bands,)"""
    bins = torch.linspace(0, config.sample_rate / 2, filters.shape[1])
    centres = filters @ bins / filters.sum(1).clamp_min(1e-9)
    return (1 + (centres / config.tilt) ** 2).rsqrt()
