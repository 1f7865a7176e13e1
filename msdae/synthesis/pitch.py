"""Measures the pitch of a recorded note where it is loudest."""

import logging
import math
import warnings
from functools import lru_cache
from types import ModuleType

import numpy as np

from msdae import folders
from msdae.audio.temperament import hertz
from msdae.locks import in_turn

logger = logging.getLogger(__name__)
SECONDS, STEP = 0.5, 0.02  # length of the part that is measured, and the step in which it is searched for
PERIODS, FRAME = 12, 1 << 14  # periods of the lowest pitch in a frame; largest frame in samples
AFTER_ONSET = 0.06  # seconds of the attack, which has no clear pitch
LOWEST, HIGHEST = 26.0, 4400.0  # Hz
AROUND = 14  # semitones around the expected pitch that are searched; includes errors of an octave
NEAR = 0.6  # semitones; an expected pitch this close is right, and the rest is tuning
SURE, STEADY = 0.7, 0.3  # lowest mean probability of voicing, and largest median deviation in semitones
LINE = 10 ** (-35 / 20)  # level relative to the strongest partial above which a peak is a partial, not noise


def measure(waveform: np.ndarray, rate: int, expected: float | None = None) -> float | None:
    """The MIDI pitch, with a fraction, of a recorded note (samples,).

    Returns `expected` if the measurement is uncertain or librosa is not installed.

    rate: Hz. expected: the MIDI pitch that the note's file name gives; None if it is unknown.
    """
    librosa = load_librosa()
    if librosa is None or not waveform.any():
        return expected
    low, high = LOWEST, min(HIGHEST, rate / 5)
    if expected is not None:
        low, high = max(low, hertz(expected - AROUND)), min(high, hertz(expected + AROUND))
    if low >= high / 2:
        return expected
    frame = min(FRAME, 1 << math.ceil(math.log2(PERIODS * rate / low)))
    part = _loud(waveform, rate, frame)
    settings = {"fmin": low, "fmax": high, "sr": rate, "frame_length": frame, "center": False}
    settings["hop_length"] = rate // 100  # pyin's transitions cannot follow the pitch over a longer hop
    if expected is not None:
        pitch = float(np.median(librosa.hz_to_midi(librosa.yin(part, **settings))))
        if abs(pitch - expected) < NEAR:
            return pitch
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # frames without a pitch are expected
        frequency, _, probability = librosa.pyin(part, fill_na=None, **settings)
    pitches = librosa.hz_to_midi(frequency)
    middle = float(np.median(pitches))
    if probability.mean() < SURE or np.median(np.abs(pitches - middle)) > STEADY:
        return expected
    higher = expected is None or abs(middle - 12 - expected) < NEAR
    return middle - 12 if higher and _has_partial(part, rate, hertz(middle - 12)) else middle


def _has_partial(part: np.ndarray, rate: int, frequency: float) -> bool:
    """Whether the spectrum has a partial at `frequency`: then the octave above it is not the pitch."""
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 17))
    low, high = (round(frequency * factor * (1 << 17) / rate) for factor in (0.97, 1.03))
    return frequency > LOWEST and bool(spectrum[low : high + 1].max() > LINE * spectrum.max())


def _loud(waveform: np.ndarray, rate: int, frame: int) -> np.ndarray:
    """The loudest `SECONDS`, or at least `frame` samples, after the onset, padded with silence if needed."""
    length, step = max(frame, round(SECONDS * rate)), max(1, round(STEP * rate))
    onset = int(np.argmax(np.abs(waveform) > 0.1 * np.abs(waveform).max()))
    waveform = waveform[min(onset + round(AFTER_ONSET * rate), max(onset, len(waveform) - length)) :]
    if len(waveform) <= length:
        return np.pad(waveform, (0, length - len(waveform)))
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    starts = np.arange(0, len(waveform) - length + 1, step)
    start = starts[np.argmax(energy[starts + length] - energy[starts])]
    return waveform[start : start + length]


@lru_cache(maxsize=1)
def load_librosa() -> ModuleType | None:
    """The module librosa; None, with one warning, if it is not installed.

    A lock lets one process at a time import it. If two fill numba's cache at once, it may store compiled code
    under the wrong type, and every later process that calls the code crashes.
    """
    try:
        with in_turn(folders.cache() / "librosa.lock"):
            import librosa
    except ImportError:
        logger.warning("pitches of samples are those of their names: pip install msdae[eval] to measure them")
        return None
    return librosa
