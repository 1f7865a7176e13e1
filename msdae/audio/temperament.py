"""Conversion between frequencies and MIDI pitches, in equal temperament with A4 (pitch 69) at 440 Hz."""

from typing import Any

import numpy as np


def hertz(pitch: Any) -> Any:
    """The frequency in Hz of a MIDI pitch, which may have a fraction; a number, an array or a tensor."""
    return 440 * 2 ** ((pitch - 69) / 12)


def pitch(hertz: np.ndarray | float) -> Any:
    """The MIDI pitch, with a fraction, of a frequency in Hz; frequencies below 1 Hz count as 1 Hz."""
    return 69 + 12 * np.log2(np.maximum(hertz, 1.0) / 440)
