"""The baseline swap without a model: replaces each frame of the melody source by the timbre source's nearest.

Source: the idea of Baas et al. 2023, "Voice conversion with just nearest neighbours", here with log-mel
frames as features, and with the frames' own waveforms in place of a vocoder.
"""

import functools

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from nnAudio.librosa_functions import get_mel

from msdae.audio import formants
from msdae.audio.files import SAMPLE_RATE

ROW = "nearest neighbours"
FRAME, HOP = 4096, 1024  # samples
BANDS, LOWEST, HIGHEST = 192, 60.0, 8000.0  # mel bands, and their lowest and highest frequency in Hz
SMOOTH = 17  # bands over which the envelope is smoothed; the rest are partials, which show the pitch
SEMITONES = range(-24, 25)  # transpositions of the copies
FAR = 0.004  # penalty on the similarity of a frame for each semitone of transposition
SHIFT = 256  # samples by which a frame may be shifted to match the phase of the one before
QUIET = 1e-4  # RMS up to which a frame counts as silent
LOUD = 0.3  # share of the loudest frame's RMS from which on `variety` counts a frame
NORM = FRAME / HOP / 2  # sum of the overlapping windows
LONGEST = 60  # seconds of the timbre source that are used
TOGETHER = 256  # frames whose neighbours are searched for at once
GAIN = 8.0  # largest gain of a frame


class Neighbours:
    """The frames of a timbre source and of transposed copies of it, from which melodies are assembled.

    The copies keep the formants of the timbre source, as the other pitches of an instrument do.

    Args:
        timbre: (samples,), of any length; the first `LONGEST` seconds are used.
        sample_rate: of the timbre source and of melodies, in Hz.
    """

    def __init__(self, timbre: torch.Tensor, sample_rate: int = SAMPLE_RATE):
        self.sample_rate = sample_rate
        sound = timbre.numpy()[: LONGEST * sample_rate]
        self._pool = [_transposed(sound, semitones) for semitones in SEMITONES]
        envelope = formants.envelope(torch.from_numpy(self._pool[SEMITONES.index(0)]))
        self._factors = [_factors(envelope, semitones) for semitones in SEMITONES]
        loud = [_levels(copy) > QUIET for copy in self._pool]
        self._places = [(copy, frame) for copy, some in enumerate(loud) for frame in np.flatnonzero(some)]
        parts = [
            _partials(copy, sample_rate)[torch.from_numpy(some)]
            for copy, some in zip(self._pool, loud, strict=True)
        ]
        self._keys = torch.cat(parts)
        self._distance = torch.tensor([FAR * abs(SEMITONES[copy]) for copy, _ in self._places])

    def __call__(self, melody: torch.Tensor) -> torch.Tensor:
        """The melody source (samples,), assembled from frames of the timbre source, each as loud as before.

        Silence, in either source, gives silence.
        """
        if not self._places:
            return torch.zeros_like(melody)
        padded = np.pad(melody.numpy(), FRAME // 2)
        groups = _partials(padded, self.sample_rate).split(TOGETHER)
        nearest = [
            place
            for group in groups
            for place in (group @ self._keys.T - self._distance).argmax(dim=1).tolist()
        ]
        out = np.zeros(len(padded) + FRAME, np.float32)
        for index, level in enumerate(_levels(padded)):
            if level > QUIET:
                copy, frame = self._places[nearest[index]]
                _add(out, index * HOP, self._pool[copy], frame * HOP, self._factors[copy], level)
        return torch.from_numpy(out[FRAME // 2 :][: len(melody)].copy())


def swap(timbre: torch.Tensor, melody: torch.Tensor) -> torch.Tensor:
    """The melody source, assembled from frames of the timbre source: (samples,)

    timbre, melody: (samples,) of any lengths, at 44.1 kHz.
    """
    return Neighbours(timbre)(melody)


def variety(sound: torch.Tensor, sample_rate: int) -> float:
    """How much the loud frames of a sound (samples,) differ in their partials, and hence in pitch.

    It is 0 for one steady note, larger for a melody, and at most 1.
    """
    padded = np.pad(sound.numpy(), FRAME // 2)
    levels = _levels(padded)
    partials = _partials(padded, sample_rate)[torch.from_numpy(levels >= LOUD * levels.max())]
    return 1 - float(partials.mean(dim=0).square().sum())


def _partials(sound: np.ndarray, sample_rate: int) -> torch.Tensor:
    """Log-mel frames without their envelopes, as unit vectors: (samples,) -> (frames, BANDS)"""
    frames = torch.from_numpy(sound).unfold(0, FRAME, HOP) * torch.from_numpy(_window())
    bands = _bands(sample_rate)
    spectrum = torch.view_as_real(torch.fft.rfft(frames)[:, : len(bands)])
    mel = (spectrum.square().sum(dim=-1).sqrt() @ bands).clamp(min=1e-5).log()
    envelope = F.avg_pool1d(mel[:, None], SMOOTH, 1, SMOOTH // 2, count_include_pad=False)[:, 0]
    return F.normalize((mel - envelope).clamp(min=0))


def _add(
    out: np.ndarray, start: int, sound: np.ndarray, place: int, factors: np.ndarray, level: float
) -> None:
    """Add a frame of `sound` to `out` at `start`.

    It is taken near `place`, where it best matches the phase of `out`.

    factors: gains of the bins of its spectrum, (FRAME / 2 + 1,). level: its RMS.
    """
    before = out[start : start + FRAME - HOP]
    first, last = max(0, place - SHIFT), min(len(sound) - FRAME, place + SHIFT)
    if first < last and before.any():
        room = sound[first : last + FRAME - HOP]
        place = first + int(np.correlate(room, before).argmax())
    grain = np.fft.irfft(np.fft.rfft(sound[place : place + FRAME]) * factors)
    strength = float(np.sqrt(np.mean(np.square(grain)))) or 1.0
    out[start : start + FRAME] += grain * _window() * (min(GAIN, level / strength) / NORM)


def _transposed(sound: np.ndarray, semitones: int) -> np.ndarray:
    """The sound, resampled by some semitones and padded to at least one frame."""
    moved = soxr.resample(sound, SAMPLE_RATE * 2 ** (semitones / 12), SAMPLE_RATE) if semitones else sound
    return np.pad(moved, (0, max(0, FRAME - len(moved))))


def _factors(envelope: torch.Tensor, semitones: int) -> np.ndarray:
    """The gains that give a frame of a transposed copy the original envelope: (FRAME / 2 + 1,)"""
    change = formants.factors(envelope, formants.scaled(envelope, 2 ** (semitones / 12))).numpy()
    bins = np.arange(FRAME // 2 + 1) * formants.FFT / FRAME
    return np.interp(bins, np.arange(len(change)), change).astype(np.float32)


def _levels(sound: np.ndarray) -> np.ndarray:
    """The RMS of each frame: (frames,)"""
    powers = np.square(sound[: len(sound) // HOP * HOP]).reshape(-1, HOP).mean(axis=1)
    return np.sqrt(np.lib.stride_tricks.sliding_window_view(powers, FRAME // HOP).mean(axis=1))


@functools.cache
def _window() -> np.ndarray:
    return np.hanning(FRAME + 1)[:FRAME].astype(np.float32)


@functools.cache
def _bands(sample_rate: int) -> torch.Tensor:
    """The mel filters of the bins up to `HIGHEST`, above which all are 0: (bins, BANDS)"""
    bands = get_mel(sample_rate, FRAME, BANDS, LOWEST, HIGHEST, htk=True, norm=None).T
    return torch.from_numpy(bands[: int(HIGHEST / sample_rate * FRAME) + 2].copy())
