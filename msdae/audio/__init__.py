"""Sound: files in and out, sample rates, loudness, spectrograms, windows over long signals."""

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

__getattr__ = getter(
    __name__,
    {
        "BLOCK": "msdae.audio.files:BLOCK",
        "SAMPLE_RATE": "msdae.audio.files:SAMPLE_RATE",
        "SUFFIXES": "msdae.audio.files:SUFFIXES",
        "Recording": "msdae.audio.files:Recording",
        "check_writable": "msdae.audio.files:check_writable",
        "open_recording": "msdae.audio.files:open_recording",
        "read": "msdae.audio.files:read",
        "write": "msdae.audio.files:write",
        "write_blocks": "msdae.audio.files:write_blocks",
    },
)
