"""The metrics of outputs, case by case."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from msdae.audio.files import SAMPLE_RATE
from msdae.evaluation.metrics import f0, mfcc, timbre
from msdae.evaluation.metrics.distance import log_mel_distance, mel_mse, mel_ssim
from msdae.evaluation.metrics.melody import longest_pitch, note_f1, transcribe_batch
from msdae.evaluation.swapbench import real
from msdae.evaluation.swapbench.cases import NOTE, Case, Performance, references
from msdae.evaluation.swapbench.real import Library
from msdae.evaluation.swapbench.sounds import play
from msdae.evaluation.swapbench.systems import CaseBatch

F1, F1_WIDE, F1_HEARD, PITCH = "melody F1", "melody F1 100 ms", "melody F1 heard", "pitch accuracy"
TIMBRE, TOP1 = "timbre similarity", "timbre top-1"
LOG_MEL, SSIM, MSE = "log-mel dB", "mel SSIM", "mel MSE"
MFCC, SOURCE_MFCC = "MFCC cosine", "MFCC cosine to the timbre source"  # as `RAW_PITCH`, in `real.SPLITS` only
RAW_PITCH = "raw pitch accuracy"
TARGET_F1, TARGET_PITCH, TARGET_TIMBRE = f"target {F1}", f"target {PITCH}", f"target {TIMBRE}"

TEMPERATURE = 0.1  # of the softmax over cosines

Scores = dict[str, float]


@dataclass(frozen=True)
class Facts:
    """What the outputs of a batch are compared with, case by case.

    heard: for each case, the transcribed notes of the recording that a reconstruction starts from.
    original_timbre, source_timbre: timbre embeddings of these and of the timbre sources, (batch, dim).
    instruments: for each case, those that an output may sound like; empty if there is no truth.
    """

    batch: CaseBatch
    heard: list[np.ndarray]
    original_timbre: torch.Tensor
    source_timbre: torch.Tensor
    instruments: list["Instruments"]


def facts(batch: CaseBatch, library: Library | None = None) -> Facts:
    """Transcribe and embed the truth (or what stands for it) once for all outputs.

    This loads and renders everything that `score` needs, which may then run in several threads.

    library: as in `sounds.play`.
    """
    network = timbre.load()
    original, source = (network.embed(sounds, SAMPLE_RATE) for sounds in (batch.whole, batch.timbre))
    heard = transcribe_batch(list(batch.whole), SAMPLE_RATE)
    known = [] if batch.truth is None else batch.cases
    choices = [instruments(case.split, case.set, library) for case in known]
    return Facts(batch, heard, original, source, choices)


def score(facts: Facts, waveforms: torch.Tensor, swapped: bool) -> list[Scores]:
    """The metrics of one output for each case of the batch.

    Metrics that need the truth are left out if there is none.

    waveforms: (batch, samples).
    swapped: whether some codes come from the timbre source, which is then the target of Tables 4 and 5. The
        target of other outputs is the recording that a reconstruction starts from.
    """
    batch = facts.batch
    heard = facts.heard if waveforms is batch.whole else transcribe_batch(list(waveforms), SAMPLE_RATE)
    embedded = timbre.load().embed(waveforms, SAMPLE_RATE)
    target_timbre = facts.source_timbre if swapped else facts.original_timbre
    rows = []
    for index, case in enumerate(batch.cases):
        target = case.timbre if swapped or batch.truth is None else case.melody
        row = {
            **_melody(case.set, case.melody, heard[index]),
            TARGET_TIMBRE: float(embedded[index] @ target_timbre[index]),
            **{f"target {name}": value for name, value in _melody(case.set, target, heard[index]).items()},
        }
        if batch.truth is not None:
            truth, waveform = batch.truth[index], waveforms[index]
            row |= {
                F1_HEARD: note_f1(facts.heard[index], heard[index]),
                TIMBRE: float(embedded[index] @ facts.original_timbre[index]),
                TOP1: float(facts.instruments[index].nearest(embedded[index]) == case.timbre.program),
                LOG_MEL: log_mel_distance(truth, waveform, SAMPLE_RATE),
                SSIM: mel_ssim(truth, waveform, SAMPLE_RATE),
                MSE: mel_mse(truth, waveform, SAMPLE_RATE),
            }
            if case.split in real.SPLITS:
                row |= _independent(case, batch.timbre[index], truth, waveform)
        rows.append(row)
    return rows


def single_line(case: Case) -> bool:
    """Whether the melody source plays one note at a time."""
    return case.texture in ("monophonic", NOTE)


def _independent(case: Case, source: torch.Tensor, truth: torch.Tensor, waveform: torch.Tensor) -> Scores:
    """Metrics that nothing was tuned on: of the timbre and, for single lines, of the melody."""
    scores = {
        MFCC: mfcc.similarity(waveform, truth, SAMPLE_RATE),
        SOURCE_MFCC: mfcc.similarity(waveform, source, SAMPLE_RATE),
    }
    known = single_line(case)
    accuracy = f0.raw_pitch_accuracy(case.melody.notes, waveform, SAMPLE_RATE) if known else None
    return scores if accuracy is None else {**scores, RAW_PITCH: accuracy}


def _melody(kind: str, source: Performance, heard: np.ndarray) -> Scores:
    played = np.array(source.notes, dtype=float).reshape(-1, 4)
    scores = {F1: note_f1(played, heard), F1_WIDE: note_f1(played, heard, onset_tolerance=0.1)}
    if kind == "notes":
        scores[PITCH] = float(longest_pitch(heard) == played[0, 2])
    return scores


def melody_and_timbre(
    cases: Sequence[Case], waveforms: torch.Tensor, library: Library | None = None
) -> list[tuple[float, float, float]]:
    """The main scores of outputs: for each case `F1` (for a single note `PITCH`), `TOP1`, and the probability
    of the right instrument.

    waveforms: (cases, samples). library: as in `sounds.play`.
    """
    heard = transcribe_batch(list(waveforms), SAMPLE_RATE)
    embedded = timbre.load().embed(waveforms, SAMPLE_RATE)
    scores = []
    for case, notes, point in zip(cases, heard, embedded, strict=True):
        choices, program = instruments(case.split, case.set, library), case.timbre.program
        melody = _melody(case.set, case.melody, notes)
        right = float(choices.nearest(point) == program)
        scores.append((melody.get(PITCH, melody[F1]), right, choices.probability(point, program)))
    return scores


@dataclass(frozen=True)
class Instruments:
    """The instruments of a split, each with the mean timbre embedding of reference clips, which no case has.

    programs: their programs. means: (programs, dim), of length 1.
    """

    programs: Sequence[int]
    means: torch.Tensor

    def nearest(self, embedding: torch.Tensor) -> int:
        """The program whose mean is nearest to `embedding` (dim,)."""
        return self.programs[int((self.means @ embedding).argmax())]

    def probability(self, embedding: torch.Tensor, program: int) -> float:
        """The probability that `embedding` (dim,) is of `program`: a softmax of its cosines to all means."""
        shares = (self.means @ embedding / TEMPERATURE).softmax(dim=0)
        return float(shares[self.programs.index(program)])


@functools.cache
def instruments(split: str, kind: str, library: Library | None = None) -> Instruments:
    """The instruments of `split`, by reference clips for the set `kind` ("notes" or "melodies").

    library: as in `sounds.play`.
    """
    clips: dict[int, list[torch.Tensor]] = {}
    for clip in references(split, kind):
        clips.setdefault(clip.program, []).append(play(clip, library))
    means = [timbre.load().embed(torch.stack(some), SAMPLE_RATE).mean(dim=0) for some in clips.values()]
    return Instruments(list(clips), F.normalize(torch.stack(means), dim=-1))
