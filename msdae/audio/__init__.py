"""Sound: files in and out, sample rates, loudness, spectrograms, windows over long signals."""

from msdae.audio.files import (
    BLOCK,
    SAMPLE_RATE,
    SUFFIXES,
    Recording,
    check_writable,
    open_recording,
    read,
    write,
    write_blocks,
)

__all__ = [
    "BLOCK",
    "SAMPLE_RATE",
    "SUFFIXES",
    "Recording",
    "check_writable",
    "open_recording",
    "read",
    "write",
    "write_blocks",
]
