"""Transcription of waveforms to notes (Basic Pitch), and agreement of notes with others (mir_eval)."""

import functools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torchaudio

from msdae.audio import temperament
from msdae.errors import required
from msdae.inference.sources import as_source

# The sizes that the network was built for (basic_pitch.constants).
RATE = 22050
HOP = 256
WINDOW = 2 * RATE - HOP
OVERLAP = 30  # frames that neighbouring windows share; half of them is cut off on either side
FRAMES_PER_SECOND = RATE // HOP

BATCH = 8  # windows that go through the network at once


def transcribe(sound: Any, sample_rate: int) -> np.ndarray:
    """The notes in `sound`, by Basic Pitch's ONNX network with the package's default thresholds.

    sound: an array or tensor (samples,) or (channels, samples) in [-1, 1] at `sample_rate` Hz, which may be
        empty, or a file; see `sources.as_source`.
    Returns (notes, 3): onset in s, offset in s, MIDI pitch; sorted by onset; (0, 3) for silence.

    Source: Bittner et al. 2022, "A lightweight instrument-agnostic model for polyphonic note
    transcription and multipitch estimation"; equal to `basic_pitch.inference.predict` (tested).

    Raises:
        UserError: the extra `eval` or basic-pitch is not installed, or as `sources.as_source`.
    """
    return transcribe_batch([sound], sample_rate)[0]


def transcribe_batch(sounds: Sequence[Any], sample_rate: int) -> list[np.ndarray]:
    """`transcribe` of several sounds of any lengths, whose windows go through the network together.

    Raises:
        UserError: as `transcribe`.
    """
    audios = [_at_rate(_waveform(sound, sample_rate), sample_rate) for sound in sounds]
    return [_notes(*probabilities) for probabilities in _activations(audios)]


def note_f1(reference: np.ndarray, estimated: np.ndarray, onset_tolerance: float = 0.05) -> float:
    """F1 of matched notes: onsets within `onset_tolerance` s, pitches within 50 cents, offsets ignored.

    reference, estimated: (notes, >= 3): onset in s, offset in s, MIDI pitch (further columns are ignored).
    Returns 0 to 1; 1 if both are empty. Source: mir_eval.transcription.
    """
    if not len(reference) and not len(estimated):
        return 1.0
    if not len(reference) or not len(estimated):
        return 0.0
    scores = _mir_eval().precision_recall_f1_overlap(
        *_intervals_and_hertz(reference),
        *_intervals_and_hertz(estimated),
        onset_tolerance=onset_tolerance,
        offset_ratio=None,
    )
    return float(scores[2])


def pitch_accuracy(pitches: Sequence[float], transcriptions: Sequence[np.ndarray]) -> float:
    """The share of single-note recordings whose longest transcribed note has the right pitch.

    pitches: the MIDI pitch of each recording. transcriptions: (notes, 3) each, as `transcribe` returns.
    """
    right = [
        longest_pitch(notes) == round(pitch) for pitch, notes in zip(pitches, transcriptions, strict=True)
    ]
    return float(np.mean(right))


def longest_pitch(notes: np.ndarray) -> float | None:
    """The MIDI pitch of the longest of `notes` (notes, 3); None if there are no notes."""
    if not len(notes):
        return None
    return float(notes[np.argmax(notes[:, 1] - notes[:, 0]), 2])


def _waveform(sound: Any, sample_rate: int) -> torch.Tensor:
    """The sound as a waveform (samples,), mono, at `sample_rate`."""
    if getattr(sound, "shape", None) == (0,):
        return torch.zeros(0)
    return torch.cat(list(as_source(sound, sample_rate, sample_rate).blocks()))


def _at_rate(waveform: torch.Tensor, sample_rate: int) -> np.ndarray:
    """(samples,) at `RATE`; empty if the waveform is shorter than a frame."""
    if len(waveform) * FRAMES_PER_SECOND < sample_rate:
        return np.zeros(0, np.float32)
    return torchaudio.functional.resample(waveform, sample_rate, RATE).numpy()


def _activations(audios: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each recording, (samples,) at `RATE`: note and onset probabilities, (frames, 88) each."""
    parts = [_windows(audio) for audio in audios]
    windows = np.concatenate(parts) if parts else np.zeros((0, WINDOW, 1), np.float32)
    outputs = ["StatefulPartitionedCall:1", "StatefulPartitionedCall:2"]
    batches = [
        _session().run(outputs, {"serving_default_input_2:0": windows[i : i + BATCH]})
        for i in range(0, len(windows), BATCH)
    ]
    notes, onsets = (np.concatenate(part) for part in zip(*batches, strict=True)) if batches else ([], [])
    start = 0
    for audio, part in zip(audios, parts, strict=True):
        frames, stop = len(audio) * FRAMES_PER_SECOND // RATE, start + len(part)
        yield _join(notes[start:stop])[:frames], _join(onsets[start:stop])[:frames]
        start = stop


def _windows(audio: np.ndarray) -> np.ndarray:
    """audio: (samples,) -> (windows, WINDOW, 1); the first window begins with half an overlap of silence."""
    step = WINDOW - OVERLAP * HOP
    padded = np.pad(audio, (OVERLAP * HOP // 2, 0))
    count = max(1, -(-len(padded) // step))
    padded = np.pad(padded, (0, (count - 1) * step + WINDOW - len(padded)))
    return np.stack([padded[i * step : i * step + WINDOW, None] for i in range(count)])


def _join(windows: np.ndarray) -> np.ndarray:
    """(windows, frames, pitches), which overlap -> (frames, pitches) without overlap."""
    return windows[:, OVERLAP // 2 : -OVERLAP // 2].reshape(-1, windows.shape[-1])


def _notes(frames: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    """Note and onset probabilities (frames, 88) -> notes (notes, 3)."""
    if not len(frames):
        return np.zeros((0, 3))
    creation = _basic_pitch()
    with np.errstate(invalid="ignore"):  # for silence the package divides 0 by 0, which gives no onset
        frames_of_notes = creation.output_to_notes_polyphonic(
            frames,
            onsets,
            onset_thresh=0.5,
            frame_thresh=0.3,
            min_note_len=11,
            infer_onsets=True,
            min_freq=None,
            max_freq=None,
        )
    times = creation.model_frames_to_time(len(frames))
    notes = sorted((times[start], times[end], pitch) for start, end, pitch, _ in frames_of_notes)
    return np.array(notes, dtype=float).reshape(-1, 3)


def _intervals_and_hertz(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intervals (notes, 2) in s and frequencies (notes,) in Hz, as mir_eval takes them.

    Notes last at least 10 ms, because mir_eval refuses notes without a length; offsets do not matter here.
    """
    onsets, offsets, pitches = np.asarray(notes, dtype=float)[:, :3].T
    intervals = np.stack([onsets, np.maximum(offsets, onsets + 0.01)], axis=1)
    return intervals, temperament.hertz(pitches)


@functools.cache
def _session() -> Any:
    """The ONNX network, loaded once per process, with as many threads as torch has."""
    onnxruntime = _needs("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    path = Path(_basic_pitch().__file__).parent / "saved_models" / "icassp_2022" / "nmp.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@functools.cache
def _basic_pitch() -> ModuleType:
    with _no_warnings():
        return _needs("basic_pitch.note_creation")


@functools.cache
def _mir_eval() -> ModuleType:
    return _needs("mir_eval.transcription")


def _needs(module: str) -> ModuleType:
    fix = "pip install 'msdae[eval]' && pip install --no-deps basic-pitch"
    return required(module, f"{module.partition('.')[0]} is not installed; run: {fix}")


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Mute warnings: basic_pitch logs one for each inference library that is missing, but needs only ONNX."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
