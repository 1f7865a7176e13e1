"""Audio processing: sound files, resampling, loudness, spectrograms, pitch, windows over long signals."""

from typing import TYPE_CHECKING

from msdae.lazy import getter

if TYPE_CHECKING:
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

__getattr__ = getter(__name__, {name: f"msdae.audio.files:{name}" for name in __all__})
