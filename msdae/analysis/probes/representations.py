"""What probes read: the codes of a model and of an untrained one of its kind, the latent and the log-mel."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from msdae.data import Batch, ClipCache
from msdae.models.autoencoder import Autoencoder
from msdae.nn.layers import seeded, stretch
from msdae.progress import Progress, silent

Representations = dict[str, torch.Tensor]  # {name: (clips, channels, frames)}

LEVEL = r"h\d"  # pattern of the names of the levels' codes
SUMMED = "h~"  # with the level: the code after the sum over levels, which the decoder is given
RANDOM = "random "  # before the name of a code: that of the same encoder with its initial weights
CLIPS_AT_ONCE = 32


def of_model(
    cache: ClipCache,
    indices: np.ndarray,
    model: Autoencoder,
    about: str = "",
    progress: Progress = silent,
) -> Representations:
    """The codes of `model` before and after the sum over levels, and those of `untrained(model)`.

    Returns "h1", "h2", ... (the encoders' outputs), "h~2", ... if the model sums over levels (h~1 is h1), and
    "random h1", ...; each at its own rate.

    indices: of the clips in `cache`. about: title of the progress bar.
    """
    fresh = untrained(model)

    def codes(batch: Batch) -> Representations:
        trained = encode(model, batch)
        summed = model.condition(list(trained.values())) if model.residual else []
        after = {f"{SUMMED}{level}": code for level, code in enumerate(summed, start=1) if level > 1}
        return trained | after | {f"{RANDOM}{name}": code for name, code in encode(fresh, batch).items()}

    return read(cache, indices, codes, about, progress)


def of_data(cache: ClipCache, indices: np.ndarray, progress: Progress = silent) -> Representations:
    """The latent, "codec", and the log-mel, "mel", both at the latent's rate."""
    return read(
        cache,
        indices,
        lambda batch: {"codec": batch.z, "mel": F.adaptive_avg_pool1d(batch.mel, batch.z.shape[-1])},
        "codec and mel",
        progress,
    )


def encode(model: Autoencoder, batch: Batch) -> Representations:
    """The codes "h1", "h2", ... of the clips of a batch, on the model's device."""
    device = model.latent_mean.device
    codes = model.encode(batch.z.to(device), batch.mel.to(device))
    return {f"h{level}": code for level, code in enumerate(codes, start=1)}


@torch.inference_mode()
def read(
    cache: ClipCache,
    indices: Sequence[int],
    of_batch: Callable[[Batch], Representations],
    about: str = "",
    progress: Progress = silent,
) -> Representations:
    """The representations that `of_batch` makes of the clips at `indices`: float32, on the CPU.

    about: title of the progress bar.
    """
    parts: dict[str, list[torch.Tensor]] = {}
    for start in progress(range(0, len(indices), CLIPS_AT_ONCE), desc=about, unit="batch", leave=False):
        batch = cache.batch(indices[start : start + CLIPS_AT_ONCE])
        for name, code in of_batch(batch).items():
            parts.setdefault(name, []).append(code.float().cpu())
    return {name: torch.cat(portions) for name, portions in parts.items()}


def untrained(model: Autoencoder) -> Autoencoder:
    """A model of the same kind and size as `model` with initial weights, which are always the same."""
    with seeded(0):
        fresh = type(model)(model.config, model.stage)
    return fresh.to(model.latent_mean.device).eval()


def average(sequence: torch.Tensor) -> torch.Tensor:
    """(clips, channels, frames) -> averages over time (clips, channels)."""
    return sequence.mean(dim=-1)


def at_rate(sequence: torch.Tensor, frames: int) -> torch.Tensor:
    """(clips, channels, any) -> (clips, frames, channels), by linear interpolation over time."""
    return stretch(sequence, frames).transpose(1, 2).contiguous()
