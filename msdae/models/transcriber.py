"""The transcriber: a small network that reads the notes of recordings, several at once."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from msdae import checkpoint
from msdae.audio import temperament
from msdae.audio.windows import Source, surrounded
from msdae.models import weights
from msdae.symbolic.notes import VELOCITY, Note

KIND = "transcriber"  # what the header of its file says
FIX = "fetch it again, or train it with experiments/train_transcriber.py"
SAMPLE_RATE = 44100
HOP = 1024  # samples of a frame
SIZES = (8192, 2048)  # samples of the two spectrograms' windows: for low pitches and for short times
KEYS = range(28, 104)  # MIDI pitches that are read, E1 to G7
STEPS = 3  # bins per semitone
HIGHEST = KEYS.stop + 32  # pitch after that of the last bin
HARMONICS = (0.5, 1, 2, 3, 4, 5, 6)  # times a key's frequency; what the network sees of it side by side
FLOOR = 1e-5  # amplitude below which a bin counts as empty
EMPTY, FULL = -0.8, 1.2  # values of a bin with the amplitude `FLOOR` and 1
WIDTH, WIDE = 32, 48  # channels of the convolutions
OCTAVE = 12
CONTEXT = 16  # frames to either side that a frame's result depends on, at most
TOGETHER = 512  # frames that are read at once
ONSET, SOUNDING = 0.5, 0.4  # probabilities above which a note begins, and goes on
APART = 2  # frames to either side in which a note begins once
SHORTEST = 2  # frames of a note
LOUD = 6  # frames from its beginning on in which a note's level is measured
DYNAMICS = 30.0  # dB by which a note is softer whose velocity is a tenth
DECIBELS = 20 * math.log10(FLOOR) / (EMPTY - FULL)  # of a difference of 1 between bins


class Transcriber(nn.Module):
    """Reads for each frame of `HOP` samples and each of `KEYS` how likely a note begins there, and sounds.

    It sees two magnitude spectrograms with `STEPS` bins per semitone, of long and of short windows, in which
    the `HARMONICS` of each key lie side by side as channels. Its convolutions run over time and keys, so that
    what it learns of one pitch holds for all.

    Source: after Bittner et al. 2022, "A lightweight instrument-agnostic model for polyphonic note
    transcription and multipitch estimation", who stack harmonics in this way.
    """

    def __init__(self):
        super().__init__()
        for size in SIZES:
            self.register_buffer(f"window{size}", torch.hann_window(size), persistent=False)
            self.register_buffer(f"bands{size}", _bands(size), persistent=False)
        self.keys = _layer(len(SIZES) * len(HARMONICS), WIDTH, (3, 5), (1, 1), (1, STEPS))
        self.attacks = _layer(WIDTH, WIDTH, (5, 3), (2, 1))
        self.intervals = _layer(WIDTH, WIDE, (1, 2 * OCTAVE + 1), (0, OCTAVE))
        self.notes = _layer(WIDE, WIDTH, (5, 3), (2, 1))
        self.times = _layer(WIDTH, WIDTH, (7, 1), (3, 0))
        self.out = nn.Conv2d(WIDTH, 2, 3, padding=1)
        nn.init.constant_(self.out.bias, -4.0)  # hardly any key sounds

    def forward(self, bins: torch.Tensor) -> torch.Tensor:
        """bins: (batch, 2, frames, bins), as `bins` returns them -> logits of onsets and of sounding notes,
        (batch, 2, frames, keys)"""
        keys = self.keys(_stacked(bins).contiguous(memory_format=torch.channels_last))
        keys = keys + self.attacks(keys)
        keys = keys + self.notes(self.intervals(keys))
        return self.out(keys + self.times(keys))

    @torch.no_grad()
    def bins(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Both spectrograms of waveforms (batch, samples) at 44.1 kHz: (batch, 2, frames, bins).

        Frame n is centred on sample n * `HOP`; silence lies before the first and after the last sample. A
        value of `EMPTY` stands for the amplitude `FLOOR` and below, `FULL` for 1.
        """
        both = []
        for size in SIZES:
            window, bands = getattr(self, f"window{size}"), getattr(self, f"bands{size}")
            options = {"window": window, "pad_mode": "constant", "return_complex": True}
            both.append(bands @ torch.stft(waveforms, size, HOP, **options).abs())
        amplitudes = torch.stack(both, dim=1).transpose(2, 3).clamp(min=FLOOR)
        return EMPTY + (FULL - EMPTY) * (1 - amplitudes.log10() / math.log10(FLOOR))

    @torch.inference_mode()
    def transcribe(self, source: Source) -> list[Note]:
        """The notes of a source at 44.1 kHz whose loud parts peak at about .6, as of `Levelled`, in order.

        Velocities tell how loud notes are against each other. The memory grows by 70 MB for an hour.

        Raises:
            UserError: the source's `blocks` raises it.
        """
        read = np.zeros((3, 1 + source.samples // HOP, len(KEYS)), np.float16)
        for number, part in enumerate(self._read(source)):
            read[:, number * TOGETHER :][:, : part.shape[1]] = part.numpy()
        return decoded(*read)

    def _read(self, source: Source) -> Iterator[torch.Tensor]:
        """Probabilities of a source's onsets and notes, and the keys' levels, in parts (3, frames, keys)."""
        frames, size, margin = 1 + source.samples // HOP, TOGETHER * HOP, CONTEXT * HOP
        for begin, first, sound in surrounded(source.blocks(), source.samples, size, margin):
            bins, start = self.bins(sound[None]), (begin - first) // HOP
            read = torch.cat([self(bins).sigmoid(), _levels(bins)[:, None]], dim=1)[0]
            yield read[:, start : start + min(TOGETHER, frames - begin // HOP)]


def decoded(onsets: np.ndarray, sounding: np.ndarray, levels: np.ndarray) -> list[Note]:
    """Probabilities that notes begin and that they sound, and keys' levels in dB, (frames, keys) each -> the
    notes, in order.

    A note begins where its onset's probability is highest; it lasts until it is unlikely to sound for two
    frames, or begins again. Its level is the highest within `LOUD` frames.
    """
    notes, heard = [], []
    for key, pitch in enumerate(KEYS):
        begins, sounds = (part[:, key].astype(np.float32) for part in (onsets, sounding))
        for start, end in _spans(begins, sounds):
            place = start + _vertex(begins[[max(0, start - 1), start, min(start + 1, len(begins) - 1)]])
            times = (max(0.0, place) * HOP / SAMPLE_RATE, end * HOP / SAMPLE_RATE)
            notes.append(Note(*times, float(pitch), VELOCITY))
            heard.append(float(levels[start : start + LOUD, key].max()))
    loudest = max(heard, default=0.0)
    softer = (0.1 ** ((loudest - level) / DYNAMICS) for level in heard)
    return sorted(
        note._replace(velocity=max(1, round(VELOCITY * share)))
        for note, share in zip(notes, softer, strict=True)
    )


def _spans(onsets: np.ndarray, sounding: np.ndarray) -> Iterator[tuple[int, int]]:
    """The first frame of each note of a key, and that after its last; probabilities as of `decoded`,
    (frames,)"""
    frames = len(onsets)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(onsets, APART), 2 * APART + 1)
    starts = np.flatnonzero((onsets >= ONSET) & (onsets == around.max(axis=1)))
    if not len(starts):
        return
    starts = starts[np.diff(starts, prepend=-frames) > APART]  # equal probabilities side by side
    lasts = np.maximum(sounding, np.append(sounding[1:], 0.0)) >= SOUNDING
    silent = np.append(np.flatnonzero(~lasts), frames)
    ends = np.minimum(silent[np.searchsorted(silent, starts + 1)], np.append(starts[1:], frames))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end - start >= SHORTEST:
            yield start, end


def save(network: Transcriber, path: str | Path, provenance: Mapping[str, Any]) -> None:
    """Write `network` to one safetensors file in half precision, atomically.

    provenance: what it was trained on, which is written to the file's header.
    """
    weights.save(network, path, KIND, {"provenance": dict(provenance)})


def load(path: str | Path | None = None) -> Transcriber:
    """The transcriber in `path`, as written by experiments/train_transcriber.py; by default the
    package's own.

    Raises:
        UserError: no such file, or not a transcriber.
    """
    return weights.load(path, KIND, _read)


def _read(path: str | Path) -> Transcriber:
    tensors, _ = checkpoint.load(path, KIND)
    return checkpoint.restore(Transcriber(), tensors, path, FIX)


def _layer(
    inputs: int, outputs: int, kernel: tuple[int, int], padding: tuple[int, int], stride: tuple = (1, 1)
) -> nn.Sequential:
    """A convolution over (frames, keys or bins)."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.SiLU())


def _bands(size: int) -> torch.Tensor:
    """The matrix (bins, FFT bins) that turns magnitudes of an STFT into amplitudes of bins.

    A bin is a triangle about its pitch, a sixth of a semitone wide to either side, or one FFT bin.
    """
    hertz = torch.arange(size // 2 + 1, dtype=torch.float64) * SAMPLE_RATE / size
    pitches = KEYS.start + (torch.arange(STEPS * (HIGHEST - KEYS.start), dtype=torch.float64) - 1) / STEPS
    centres = temperament.hertz(pitches)[:, None]
    width = (centres * (2 ** (1 / (12 * STEPS)) - 1)).clamp(min=SAMPLE_RATE / size)
    weights = (1 - (hertz - centres).abs() / width).clamp(min=0)
    weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-6)
    return (weights * 4 / size).float()  # a sine of amplitude 1 has the magnitude size / 4 by a Hann window


def _stacked(bins: torch.Tensor, harmonics: Sequence[float] = HARMONICS) -> torch.Tensor:
    """(batch, any, frames, bins) -> (batch, any * harmonics, frames, STEPS * keys): each key's harmonics at
    its own place, empty where there is no bin."""
    count = STEPS * len(KEYS)
    places = [round(OCTAVE * STEPS * math.log2(harmonic)) for harmonic in harmonics]
    before, after = max(0, -min(places)), max(0, max(places) + count - bins.shape[-1])
    padded = F.pad(bins, (before, after), value=EMPTY)
    return torch.cat([padded[..., before + place :][..., :count] for place in places], dim=1)


def _levels(bins: torch.Tensor) -> torch.Tensor:
    """(batch, 2, frames, bins) -> the level of each key in dB, the highest of its first three harmonics:
    (batch, frames, keys)"""
    level = (_stacked(bins[:, :1], (1, 2, 3)).amax(dim=1) - FULL) * DECIBELS
    return F.max_pool1d(level, STEPS)


def _vertex(values: np.ndarray) -> float:
    """How far from the middle of three values, the highest, the parabola through them peaks."""
    before, middle, after = map(float, values)
    bend = 2 * middle - before - after
    return (after - before) / 2 / bend if bend > 1e-6 else 0.0
