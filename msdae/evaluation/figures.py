"""Pictures of sound."""

from collections.abc import Mapping
from pathlib import Path

import torch

from msdae.audio.files import SAMPLE_RATE, check_folder
from msdae.audio.mel import LogMel
from msdae.audio.windows import Source
from msdae.checkpoint import atomic
from msdae.errors import UserError

SECONDS = 30  # of each recording that a picture shows at most
_SUFFIXES = (".png", ".pdf", ".svg")


def check_plot(path: str | Path) -> None:
    """Raise the UserError that `plot_log_mels` would raise for `path`."""
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise UserError(f"{path}: pictures are written as {', '.join(_SUFFIXES)}; choose one of these")
    check_folder(path)


def plot_log_mels(path: str | Path, sources: Mapping[str, Source]) -> None:
    """One picture with the log-mel of each source (its first 30 s at most) under its title, on one time axis.

    Raises:
        UserError: another extension than png, pdf or svg, or no such folder.
    """
    from matplotlib.figure import Figure

    check_plot(path)
    figure = Figure(figsize=(10, 2.6 * len(sources)), layout="constrained")
    axes = figure.subplots(len(sources), 1, sharex=True, squeeze=False)[:, 0]
    log_mel = LogMel()
    hops_per_second = SAMPLE_RATE / log_mel.config.hop
    for axis, (title, source) in zip(axes, sources.items(), strict=True):
        mel = log_mel(_beginning(source, log_mel.config.n_fft)[None])[0]
        seconds = mel.shape[-1] / hops_per_second
        extent = (0, seconds, 0, len(mel))
        axis.imshow(mel.numpy(), origin="lower", aspect="auto", cmap="magma", extent=extent)
        axis.set(title=title, ylabel="mel band")
    axes[-1].set_xlabel("seconds")
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _beginning(source: Source, at_least: int) -> torch.Tensor:
    """The first SECONDS of `source`, with silence after it up to `at_least` samples."""
    blocks, missing = [], SECONDS * SAMPLE_RATE
    for block in source.blocks():
        blocks.append(block[:missing])
        missing -= len(blocks[-1])
        if missing == 0:
            break
    samples = sum(map(len, blocks))
    return torch.cat([*blocks, torch.zeros(max(0, at_least - samples))])
