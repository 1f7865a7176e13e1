"""Music2Latent (Pasini et al. 2024): a consistency autoencoder, 64 channels at 10.77 Hz.

The network is the package's own. What surrounds it (padding, batches, chunks, noise) is written here, because
the package takes one recording at a time, drops its end, and unpickles its weights. The weights' licence is
CC BY-NC 4.0.
"""

import os
import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file

from msdae import checkpoint
from msdae.codecs.base import CODECS, Codec
from msdae.codecs.chunks import CHUNK, crossfaded
from msdae.errors import UserError, first_line, required

REPOSITORY, FILE = "SonyCSLParis/music2latent", "music2latent.pt"
VARIABLE = "MSDAE_MUSIC2LATENT"
CONTEXT = 4  # latent frames seen beyond each end of a chunk
SEED = 0  # seed of the noise from which decoding starts

_HOP = 512  # samples between the network's STFT frames
_WINDOW = 4 * _HOP
_STRIDE = 8  # STFT frames per latent frame
_MARGIN = (_WINDOW - _HOP) // 2  # padding at each end, so that n * 4096 samples give exactly n latent frames


@CODECS.register("music2latent")
class Music2Latent(Codec):
    """The codec of `network`, the package's UNet with its weights loaded."""

    name = "music2latent"
    channels = 64
    hop = _HOP * _STRIDE
    sample_rate = 44100

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network.float().eval().requires_grad_(False)
        self.fingerprint = checkpoint.fingerprint(network.state_dict(), {"codec": self.name})

    @classmethod
    def pretrained(cls) -> "Music2Latent":
        """The codec with the published weights on this machine; raises as `load`."""
        return load()

    @torch.no_grad()
    def encode(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), mono, [-1, 1] -> z: (batch, channels, frames(samples)).

        Raises:
            UserError: the waveform has no samples.
        """
        samples = waveform.shape[-1]
        if samples == 0:
            raise UserError("a waveform without samples cannot be encoded; give at least one sample")
        padding = self.frames(samples) * self.hop - samples
        padded = F.pad(waveform, (_MARGIN, padding + _MARGIN))
        together = max(1, CHUNK // self.frames(samples))
        return torch.cat([self._encode_group(group) for group in padded.split(together)])

    @torch.no_grad()
    def stream(self, latents: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Blocks of z (batch, channels, any) -> blocks of the waveform (batch, any).

        Equal z give equal waveforms in any batch, as the noise of a frame depends only on its index in time.
        """
        return crossfaded(self._decode_chunk, latents, self.hop, CHUNK, CONTEXT)

    def _encode_group(self, padded: torch.Tensor) -> torch.Tensor:
        """padded: (batch, frames * hop + 2 * _MARGIN) -> (batch, channels, frames)."""
        from music2latent.audio import to_representation_encoder
        from music2latent.hparams_inference import sigma_rescale

        frames = (padded.shape[-1] - 2 * _MARGIN) // self.hop
        chunks = []
        for start in range(0, frames, CHUNK):
            first, stop = max(0, start - CONTEXT), min(frames, start + CHUNK + CONTEXT)
            part = padded[:, first * self.hop : stop * self.hop + 2 * _MARGIN]
            # This stays in full precision, as the package warns of NaN in half precision.
            z = self.network.encoder(to_representation_encoder(part)) / sigma_rescale
            chunks.append(z[..., start - first :][..., :CHUNK])
        return torch.cat(chunks, dim=-1)

    def _decode_chunk(self, z: torch.Tensor, first: int) -> torch.Tensor:
        """z: (batch, channels, frames), from frame `first` of the recording on -> (batch, frames * hop)."""
        from music2latent.audio import to_waveform
        from music2latent.hparams import sigma_max
        from music2latent.hparams_inference import sigma_rescale

        noise = _noise(first, z.shape[-1]).to(z.device).expand(z.shape[0], -1, -1, -1)
        with torch.autocast(z.device.type, torch.float16, enabled=z.device.type == "cuda"):
            representation = self.network(z * sigma_rescale, sigma_max * noise, sigma_max)
        waveform = to_waveform(representation.float())
        inside = slice(_MARGIN, waveform.shape[-1] - _MARGIN)
        return (waveform / _coverage(representation.shape[-1]).to(z.device))[:, inside]


def load(weights: str | Path | None = None) -> Music2Latent:
    """The codec with its published weights.

    weights: a .pt or .safetensors file; otherwise the environment variable MSDAE_MUSIC2LATENT, the package's
        own folder and the Hugging Face cache are searched, in this order.

    Raises:
        UserError: the package or the weights are missing, or the weights are damaged or of another network.
    """
    unet = _network_class()
    path = Path(weights or os.environ.get(VARIABLE) or _stored_weights() or "")
    if path == Path():
        raise UserError(
            "music2latent: its weights are not on this machine; get them with\n"
            f"  hf download {REPOSITORY} {FILE}\n"
            f"or name the file in {VARIABLE}, or use the codec that ships, 'spectral-neural'"
        )
    with torch.device("meta"):
        network = unet()
    state = _read_weights(path)
    missing = set(network.state_dict()) - set(state)
    if missing:
        raise UserError(f"{path}: lacks {len(missing)} tensors of music2latent, such as '{min(missing)}'")
    try:
        network.load_state_dict(state, strict=False, assign=True)
    except RuntimeError as error:
        raise UserError(f"{path}: its tensors have other shapes than music2latent's ({error})") from error
    return Music2Latent(network)


def _network_class() -> type[nn.Module]:
    fix = "pip install 'msdae[music2latent]', or use the codec that ships, 'spectral-neural'"
    return required("music2latent.models", f"music2latent: the package is not installed; {fix}").UNet


def _stored_weights() -> str | Path | None:
    import music2latent
    from huggingface_hub import try_to_load_from_cache

    beside = Path(music2latent.__file__).parent / "models" / FILE
    if beside.is_file():
        return beside
    cached = try_to_load_from_cache(REPOSITORY, FILE)
    return cached if isinstance(cached, str) else None


def _read_weights(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path}: no such weights file; check the path and {VARIABLE}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = first_line(error)
        raise UserError(f"{path}: truncated, or more than tensors ({reason}); get it again") from error
    if not isinstance(state, dict) or not isinstance(state.get("gen_state_dict"), dict):
        raise UserError(f"{path}: holds no 'gen_state_dict'; expected {FILE} of {REPOSITORY}")
    return state["gen_state_dict"]


def _noise(first: int, frames: int) -> torch.Tensor:
    """Standard normal noise, seeded for each latent frame by its index: (1, 2, bins, frames * _STRIDE)"""
    columns = []
    for frame in range(first, first + frames):
        generator = torch.Generator().manual_seed(SEED + frame)
        columns.append(torch.randn(1, 2, _WINDOW // 2, _STRIDE, generator=generator))
    return torch.cat(columns, dim=-1)


def _coverage(frames: int) -> torch.Tensor:
    """The share of the full window overlap that each sample has: ((frames - 1) * _HOP + _WINDOW,)

    It is below 1 near the ends, where the package's inverse STFT fades; dividing by it undoes the fade.
    """
    squared = torch.hann_window(_WINDOW).square()
    columns = squared[None, :, None].expand(1, _WINDOW, frames)
    length = (frames - 1) * _HOP + _WINDOW
    overlap = F.fold(columns, (1, length), kernel_size=(1, _WINDOW), stride=(1, _HOP)).flatten()
    return (overlap / 1.5).clamp_min(1e-3)  # four squared Hann windows add up to 1.5
