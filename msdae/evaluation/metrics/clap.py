"""LAION's CLAP as an embedding for FAD and KAD: the audio branch of laion-clap's music checkpoint."""

import functools
import importlib.util
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchaudio

from msdae import checkpoint
from msdae.errors import UserError

REPOSITORY, FILE = "lukewys/laion_clap", "music_audioset_epoch_15_esc_90.14.pt"
VARIABLE = "MSDAE_CLAP"
SAMPLE_RATE = 48000
SAMPLES = 10 * SAMPLE_RATE  # that the network hears
DIM, WIDTH = 512, 1024  # of the embedding and of HTSAT-base


class Clap:
    """Clips to CLAP's joint space, in the package's own steps.

    Its network, 48 kHz, 16-bit quantisation; short clips are repeated to ten seconds and filled up with
    silence. The text branch is left out, which saves the download of RoBERTa.

    Source: Wu et al. 2023, "Large-Scale Contrastive Language-Audio Pretraining"; the checkpoint is the one
    that Gui et al. 2024 recommend for FAD on music.

    Args:
        network: `audio_network()` with its weights loaded.
    """

    name = "clap"

    def __init__(self, network: nn.ModuleDict):
        self.network = network.eval().requires_grad_(False)
        self.fingerprint = checkpoint.fingerprint(network.state_dict(), {"embedding": self.name})

    @torch.inference_mode()
    def embed(self, waveforms: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """waveforms: (batch, samples), mono, [-1, 1] -> (batch, 512), float32, of length 1.

        Only the first ten seconds are heard.
        """
        audio = torchaudio.functional.resample(waveforms.detach().cpu().float(), sample_rate, SAMPLE_RATE)
        audio = _filled((audio.clamp(-1, 1) * 32767).to(torch.int16) / 32767)
        features = self.network["audio_branch"]({"waveform": audio}, device="cpu")["embedding"]
        return F.normalize(self.network["audio_projection"](features))


@functools.cache
def load(weights: str | Path | None = None) -> Clap:
    """CLAP with the weights of the checkpoint `FILE`.

    weights: a .pt file; otherwise the environment variable MSDAE_CLAP and the Hugging Face cache are
        searched.

    Raises:
        UserError: the package or the weights are missing, or the file is damaged or of another network.
    """
    network = audio_network()
    path = Path(weights or os.environ.get(VARIABLE) or _cached() or "")
    if path == Path():
        raise UserError(
            "clap: its weights are not on this machine; get them with\n"
            f"  hf download {REPOSITORY} {FILE}\n"
            f"or name the file in {VARIABLE}, or use --embedding embedded, which needs none"
        )
    state = _read(path)
    wanted = {name: state[name] for name in network.state_dict() if name in state}
    try:
        network.load_state_dict(wanted)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise UserError(f"{path}: not the network of {FILE} ({reason}); get this file") from error
    return Clap(network)


def audio_network() -> nn.ModuleDict:
    """The audio branch and its projection with initial weights, under the checkpoint's names.

    Raises:
        UserError: laion-clap is not installed.
    """
    try:
        _find_package()
        from clap_module.htsat import create_htsat_model
        from clap_module.model import CLAPAudioCfp
    except ImportError as error:
        fix = "pip install 'msdae[clap]' (in an environment of its own: it wants numpy 1)"
        raise UserError(
            f"clap: laion-clap cannot be used ({error}); {fix}, or use --embedding embedded"
        ) from error
    settings = CLAPAudioCfp(model_type="HTSAT", model_name="base", hop_size=480)
    projection = nn.Sequential(nn.Linear(WIDTH, DIM), nn.ReLU(), nn.Linear(DIM, DIM))
    return nn.ModuleDict({"audio_branch": create_htsat_model(settings), "audio_projection": projection})


def _find_package() -> None:
    """Make `clap_module` importable as the package does, but for its start, which downloads tokenizers."""
    spec = importlib.util.find_spec("laion_clap")
    if spec is None:
        raise ModuleNotFoundError("it is not installed")
    folder = str(Path(spec.origin).parent)
    if folder not in sys.path:
        sys.path.append(folder)


def _filled(audio: torch.Tensor) -> torch.Tensor:
    """audio: (batch, samples) -> (batch, SAMPLES): repeated as often as it fits whole, then silence."""
    audio = audio[:, :SAMPLES]
    audio = audio.repeat(1, SAMPLES // audio.shape[1])
    return F.pad(audio, (0, SAMPLES - audio.shape[1]))


def _cached() -> str | None:
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(REPOSITORY, FILE)
    return cached if isinstance(cached, str) else None


def _read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint of laion-clap, without the prefix of data-parallel training."""
    if not path.is_file():
        raise UserError(f"{path}: no such weights file; check the path and {VARIABLE}")
    scalar = np.float64(0).__reduce__()[0]  # it also holds scores as numpy numbers, by either of two names
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    allowed = [*names, np.dtype, np.dtypes.Float64DType]
    try:
        with torch.serialization.safe_globals(allowed):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: truncated, or more than tensors ({reason}); get it again") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    return {name.removeprefix("module."): value for name, value in state.items()}
