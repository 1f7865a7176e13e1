"""Bring a rendering to the loudness of a reference, in memory or in a file."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import torch

from msdae import audio, files
from msdae.audio.files import is_lossless
from msdae.audio.limiter import limited
from msdae.audio.loudness import (
    CEILING,
    OUTPUT_PEAK,
    QUIETER,
    Loudness,
    Mastering,
    highest_gain,
    matching_gain,
    measure,
)


def mastered(blocks: Iterable[torch.Tensor], reference: Loudness, sample_rate: int) -> torch.Tensor:
    """Blocks of a rendering as one waveform (samples,), as loud as `reference`, with peaks under -1 dBFS."""
    waveform, loudness = torch.cat(list(blocks)), Loudness(sample_rate)
    parts = waveform.split(audio.BLOCK)
    for block in parts:
        loudness.add(block)

    def limited_by(gain: float) -> Iterator[torch.Tensor]:
        return limited((gain * part for part in parts), sample_rate)

    return torch.cat(list(limited_by(_limited_gain(limited_by, loudness, reference, sample_rate))))


def write_mastered(
    path: str | Path, blocks: Iterable[torch.Tensor], reference: Loudness, sample_rate: int
) -> Mastering:
    """`mastered` into a wav, flac or ogg file; the memory hardly grows with the length.

    Raises:
        UserError: the file cannot be written.
    """
    with files.about(path), tempfile.TemporaryFile(dir=Path(path).parent) as scratch:
        loudness = Loudness(sample_rate)
        for block in blocks:
            loudness.add(block)
            scratch.write(block.numpy())

        def limited_by(gain: float) -> Iterator[torch.Tensor]:
            return limited(_scaled(scratch, gain), sample_rate)

        gain, lower = _limited_gain(limited_by, loudness, reference, sample_rate), 1.0
        exact = gain * loudness.peak <= CEILING and is_lossless(path)  # no peak is limited or changed
        while True:
            audio.write_blocks(path, (lower * part for part in limited_by(gain)), sample_rate)
            if exact:
                return Mastering(gain, False)
            written = measure(audio.open_recording(path, sample_rate), sample_rate)
            if written.peak < OUTPUT_PEAK:
                return Mastering(gain, matching_gain(written, reference) > QUIETER)
            lower *= 0.98 * OUTPUT_PEAK / written.peak  # Vorbis raises peaks


def _limited_gain(
    limited_by: Callable[[float], Iterable[torch.Tensor]],
    rendered: Loudness,
    reference: Loudness,
    sample_rate: int,
) -> float:
    """The gain, up to `highest_gain`, by which a rendering with limited peaks is as loud as `reference`.

    limited_by: gives the blocks of the rendering times a gain, limited. The loudness that this costs is
        measured and made up for, once.
    """
    highest = highest_gain(rendered)
    gain = min(matching_gain(rendered, reference), highest)
    if gain * rendered.peak <= CEILING:
        return gain
    loudness = Loudness(sample_rate)
    for block in limited_by(gain):
        loudness.add(block)
    return min(gain * matching_gain(loudness, reference), highest)


def _scaled(file: BinaryIO, gain: float) -> Iterator[torch.Tensor]:
    """The float32 samples in `file`, from its start, times `gain`, in blocks."""
    file.seek(0)
    while data := file.read(4 * audio.BLOCK):
        yield torch.frombuffer(bytearray(data), dtype=torch.float32) * gain
