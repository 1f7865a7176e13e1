"""LAION's CLAP as an embedding for FAD and KAD: the audio branch of its music checkpoint, in transformers."""

import functools
import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchaudio

from msdae import checkpoint
from msdae.errors import UserError, first_line, required

REPOSITORY, FILE = "lukewys/laion_clap", "music_audioset_epoch_15_esc_90.14.pt"
VARIABLE = "MSDAE_CLAP"
SAMPLE_RATE = 48000
SAMPLES = 10 * SAMPLE_RATE  # length of the network's input
N_FFT, HOP, BANDS, LOW, HIGH = 1024, 480, 64, 50.0, 14000.0  # of its log-mel; LOW and HIGH in Hz
QUIETEST = 1e-10  # lowest power of a mel band
# The sizes of HTSAT-base, the checkpoint's network; transformers' defaults are those of HTSAT-tiny.
BASE = {"patch_embeds_hidden_size": 128, "depths": [2, 2, 12, 2], "hidden_size": 1024, "projection_dim": 512}

# (pattern in laion-clap's names, transformers' name), applied in this order. `attn.qkv` holds three layers.
_NAMES = (
    (r"^audio_projection\.0\.", "audio_projection.linear1."),
    (r"^audio_projection\.2\.", "audio_projection.linear2."),
    (r"^audio_branch\.bn0\.", "audio_branch.batch_norm."),
    (r"^audio_branch\.", "audio_model.audio_encoder."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.", ".attention.self."),
)
_QKV = re.compile(r"\.qkv\.")


class Clap:
    """Embeds clips in CLAP's joint space of audio and text, by the same steps as laion-clap.

    The steps: resampling to 48 kHz; 16-bit quantisation; short clips are repeated and padded with silence to
    ten seconds; log-mel; transformers' HTSAT. With the same random weights the output equals that of
    laion-clap's own network (tested).

    Source: Wu et al. 2023, "Large-Scale Contrastive Language-Audio Pretraining"; the checkpoint is the one
    that Gui et al. 2024 recommend for FAD on music.

    Args:
        network: `audio_network()` with its weights loaded.
    """

    name = "clap"

    def __init__(self, network: nn.Module):
        self.network = network.eval().requires_grad_(False)
        self.fingerprint = checkpoint.fingerprint(network.state_dict(), {"embedding": self.name})

    @torch.inference_mode()
    def embed(self, waveforms: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """waveforms: (batch, samples), mono, [-1, 1] -> (batch, 512), float32, of length 1.

        Only the first ten seconds count.
        """
        audio = torchaudio.functional.resample(waveforms.detach().cpu().float(), sample_rate, SAMPLE_RATE)
        audio = _filled((audio.clamp(-1, 1) * 32767).to(torch.int16) / 32767)
        return F.normalize(self.network(log_mel(audio)[:, None]).audio_embeds)


@functools.cache
def load(weights: str | Path | None = None) -> Clap:
    """CLAP with the weights of the checkpoint `FILE`, loaded once per path.

    weights: a .pt file of laion-clap, or a folder that transformers saved with safetensors; by default the
        path in the environment variable MSDAE_CLAP, or else the file in the Hugging Face cache.

    Raises:
        UserError: transformers or the weights are missing, or the weights are damaged or of another network.
    """
    path = Path(weights or os.environ.get(VARIABLE) or _cached() or "")
    if path == Path():
        raise UserError(
            "clap: its weights are not on this machine; get them with\n"
            f"  hf download {REPOSITORY} {FILE}\n"
            f"or name the file in {VARIABLE}, or use --embedding embedded, which needs none"
        )
    if path.is_dir():
        return Clap(_from_folder(path))
    network = audio_network()
    state = converted(_read(path))
    wanted = {name: tensor for name, tensor in state.items() if name in network.state_dict()}
    try:
        network.load_state_dict(wanted)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise UserError(f"{path}: not the network of {FILE} ({reason}); get this file") from error
    return Clap(network)


def audio_network(**sizes: Any) -> nn.Module:
    """transformers' audio branch and projection with initial weights; it maps log-mels to `audio_embeds`.

    sizes: arguments of ClapAudioConfig that replace those of HTSAT-base.

    Raises:
        UserError: transformers is not installed.
    """
    transformers = _transformers()
    return transformers.ClapAudioModelWithProjection(transformers.ClapAudioConfig(**{**BASE, **sizes}))


def converted(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """laion-clap's state dict with the names that transformers gives to the audio branch and projection.

    Tensors that transformers does not have (the log-mel's filters, heads of other tasks) stay in it, under
    names that transformers does not know.
    """
    renamed: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        for pattern, replacement in _NAMES:
            name = re.sub(pattern, replacement, name)
        if _QKV.search(name):
            for part, share in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                renamed[_QKV.sub(f".{part}.", name)] = share
        else:
            renamed[name] = tensor
    return renamed


def log_mel(audio: torch.Tensor) -> torch.Tensor:
    """audio: (batch, samples) at 48 kHz -> (batch, frames, BANDS), in dB, as torchlibrosa in laion-clap."""
    window, filters = _transform()
    spectrum = torch.stft(audio, N_FFT, HOP, window=window, pad_mode="reflect", return_complex=True)
    power = filters @ spectrum.abs().square()
    return 10 * power.clamp(min=QUIETEST).log10().transpose(1, 2)


@functools.cache
def _transform() -> tuple[torch.Tensor, torch.Tensor]:
    """The window (N_FFT,) and mel filters of equal area (BANDS, N_FFT // 2 + 1)."""
    filters = torchaudio.functional.melscale_fbanks(
        N_FFT // 2 + 1, LOW, HIGH, BANDS, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )
    return torch.hann_window(N_FFT), filters.T.contiguous()


def _filled(audio: torch.Tensor) -> torch.Tensor:
    """audio: (batch, samples) -> (batch, SAMPLES): repeated as often as it fits as a whole, then silence."""
    audio = audio[:, :SAMPLES]
    audio = audio.repeat(1, SAMPLES // audio.shape[1])
    return F.pad(audio, (0, SAMPLES - audio.shape[1]))


def _transformers():
    fix = "pip install 'msdae[clap]', or use --embedding embedded"
    return required("transformers", f"clap: transformers cannot be used; {fix}")


def _from_folder(path: Path) -> nn.Module:
    """The network in a folder with config.json and model.safetensors; nothing is unpickled or downloaded."""
    transformers = _transformers()
    try:
        network, report = transformers.ClapAudioModelWithProjection.from_pretrained(
            path, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        reason = first_line(error)
        raise UserError(f"{path}: not a folder of CLAP's ({reason}); save one with transformers") from error
    if report["missing_keys"] or network.config.enable_fusion:
        raise UserError(f"{path}: not CLAP's audio branch without fusion; use laion/larger_clap_music")
    return network.float()


def _cached() -> str | None:
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(REPOSITORY, FILE)
    return cached if isinstance(cached, str) else None


def _read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a laion-clap checkpoint; data-parallel training's prefix "module." is removed."""
    if not path.is_file():
        raise UserError(f"{path}: no such weights file; check the path and {VARIABLE}")
    # The checkpoint also holds scores as NumPy numbers, whose constructor has two names in NumPy's versions.
    scalar = np.float64(0).__reduce__()[0]
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    allowed = [*names, np.dtype, np.dtypes.Float64DType]
    try:
        with torch.serialization.safe_globals(allowed):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = first_line(error)
        raise UserError(f"{path}: truncated, or more than tensors ({reason}); get it again") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    return {name.removeprefix("module."): value for name, value in state.items()}
