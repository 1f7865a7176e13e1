"""A swap that asks for nothing: each frame of the melody source gives way to the timbre source's nearest.

Source: the idea of Baas et al. 2023, "Voice conversion with just nearest neighbours", over log-mel frames,
with the frames' own waveforms in place of a vocoder.
"""

import functools

import numpy as np
import soxr
import torch
import torch.nn.functional as F
import torchaudio

from msdae.audio.files import SAMPLE_RATE

ROW = "nearest neighbours"
FRAME, HOP = 4096, 1024  # samples
BANDS, LOWEST, HIGHEST = 192, 60.0, 8000.0  # of the mel frames, in Hz
SMOOTH = 17  # bands over which an envelope is taken off: what stays are the partials, which say the pitch
SEMITONES = range(-24, 25)  # of the transposed copies
FAR = 0.004  # by which each semitone of transposition makes a frame less near
SHIFT = 256  # samples by which a frame moves to go on in the phase of the one before
QUIET = 1e-4  # RMS of a frame that nothing is learnt from, and that stays silent
NORM = FRAME / HOP / 2  # sum of the windows that overlap
LONGEST = 60 * SAMPLE_RATE  # samples of the timbre source that frames are taken from
TOGETHER = 256  # frames whose neighbours are looked for at once
GAIN = 8.0  # by which a frame is made louder, at most


def swap(timbre: torch.Tensor, melody: torch.Tensor) -> torch.Tensor:
    """The melody source (samples,) at 44.1 kHz out of frames of the timbre source (any length), as loud."""
    pool = [_transposed(timbre.numpy()[:LONGEST], semitones) for semitones in SEMITONES]
    parts = [_partials(sound) for sound in pool]
    loud = [_levels(sound) > QUIET for sound in pool]
    places = [(copy, frame) for copy, some in enumerate(loud) for frame in np.flatnonzero(some)]
    if not places:
        return torch.zeros_like(melody)
    keys = torch.cat([part[torch.from_numpy(some)] for part, some in zip(parts, loud, strict=True)])
    distance = torch.tensor([FAR * abs(SEMITONES[copy]) for copy, _ in places])
    padded = np.pad(melody.numpy(), FRAME // 2)
    groups = _partials(padded).split(TOGETHER)
    nearest = [place for group in groups for place in (group @ keys.T - distance).argmax(dim=1).tolist()]
    levels, out = _levels(padded), np.zeros(len(padded) + FRAME, np.float32)
    for index, level in enumerate(levels):
        if level > QUIET:
            copy, frame = places[nearest[index]]
            _add(out, index * HOP, pool[copy], frame * HOP, level)
    return torch.from_numpy(out[FRAME // 2 :][: len(melody)].copy())


def _add(out: np.ndarray, start: int, sound: np.ndarray, place: int, level: float) -> None:
    """Add the frame of `sound` at `place` where it goes on best in the phase of what is there, at `level`."""
    before = out[start : start + FRAME - HOP]
    first, last = max(0, place - SHIFT), min(len(sound) - FRAME, place + SHIFT)
    if first < last and before.any():
        room = sound[first : last + FRAME - HOP]
        place = first + int(_correlation(room, before).argmax())
    grain = sound[place : place + FRAME]
    strength = float(np.sqrt(np.mean(np.square(grain)))) or 1.0
    out[start : start + FRAME] += grain * _window() * (min(GAIN, level / strength) / NORM)


def _correlation(room: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Of `part` with `room` at each place: (len(room) - len(part) + 1,)."""
    size = 1 << (len(room) - 1).bit_length()
    product = np.fft.rfft(room, size) * np.conj(np.fft.rfft(part, size))
    return np.fft.irfft(product, size)[: len(room) - len(part) + 1]


def _transposed(sound: np.ndarray, semitones: int) -> np.ndarray:
    """Resampled, and at least one frame long."""
    moved = soxr.resample(sound, SAMPLE_RATE * 2 ** (semitones / 12), SAMPLE_RATE) if semitones else sound
    return np.pad(moved, (0, max(0, FRAME - len(moved))))


def _partials(sound: np.ndarray) -> torch.Tensor:
    """(samples,) -> log-mel frames without their envelope, (frames, BANDS), of length 1."""
    frames = torch.from_numpy(sound).unfold(0, FRAME, HOP) * torch.from_numpy(_window())
    mel = (torch.fft.rfft(frames).abs() @ _bands()).clamp(min=1e-5).log()
    envelope = F.avg_pool1d(mel[:, None], SMOOTH, 1, SMOOTH // 2, count_include_pad=False)[:, 0]
    return F.normalize((mel - envelope).clamp(min=0))


def _levels(sound: np.ndarray) -> np.ndarray:
    """RMS of each frame."""
    return np.sqrt(np.square(np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP]).mean(axis=1))


@functools.cache
def _window() -> np.ndarray:
    return np.hanning(FRAME + 1)[:FRAME].astype(np.float32)


@functools.cache
def _bands() -> torch.Tensor:
    return torchaudio.functional.melscale_fbanks(FRAME // 2 + 1, LOWEST, HIGHEST, BANDS, SAMPLE_RATE)
