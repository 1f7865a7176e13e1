"""A rendering as loud as its melody source, in memory or in a file."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import torch

from msdae import audio, files
from msdae.audio.loudness import PEAK, Loudness, Mastering, master, measure


def mastered(blocks: Iterable[torch.Tensor], reference: Loudness, sample_rate: int) -> torch.Tensor:
    """Blocks of a rendering as one waveform (samples,), as loud as `reference`, peaks under -1 dBFS."""
    waveform, loudness = torch.cat(list(blocks)), Loudness(sample_rate)
    for block in waveform.split(audio.BLOCK):
        loudness.add(block)
    return waveform * master(loudness, reference).gain


def write_mastered(
    path: str | Path, blocks: Iterable[torch.Tensor], reference: Loudness, sample_rate: int
) -> Mastering:
    """`mastered` into a wav, flac or ogg file, in memory that hardly grows with the length.

    Raises:
        UserError: the file cannot be written.
    """
    with files.about(path), tempfile.TemporaryFile(dir=Path(path).parent) as scratch:
        loudness = Loudness(sample_rate)
        for block in blocks:
            loudness.add(block)
            scratch.write(block.numpy())
        mastering = master(loudness, reference)
        audio.write_blocks(path, _scaled(scratch, mastering.gain), sample_rate)
        while (peak := measure(audio.open_recording(path, sample_rate), sample_rate).peak) >= PEAK:
            # Vorbis overshoots
            mastering = Mastering(mastering.gain * 0.98 * PEAK / peak, limited=True)
            audio.write_blocks(path, _scaled(scratch, mastering.gain), sample_rate)
    return mastering


def _scaled(file: BinaryIO, gain: float) -> Iterator[torch.Tensor]:
    """The float32 samples in `file`, from its start, times `gain`, in blocks."""
    file.seek(0)
    while data := file.read(4 * audio.BLOCK):
        yield torch.frombuffer(bytearray(data), dtype=torch.float32) * gain
