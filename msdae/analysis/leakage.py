"""Leakage: what a level's code tells of factors that another level should hold, and how codes change when
the sound does.

Melodies are rendered four times: as they are, transposed, at another tempo and by another instrument. Linear
probes are fitted on the melodies of one split of SwapBench and scored on those of another.

Source: the protocol of arXiv 2602.10058 (ICASSP 2026): informativeness, disentanglement, invariance and
equivariance.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from msdae.analysis.probes.representations import average
from msdae.analysis.probes.tasks import TASKS
from msdae.audio.files import SAMPLE_RATE
from msdae.audio.resample import resampled
from msdae.errors import UserError
from msdae.evaluation.metrics.bootstrap import interval_of
from msdae.evaluation.swapbench import cases, sounds
from msdae.evaluation.swapbench.cases import Performance
from msdae.evaluation.tables import EMPTY, Cell, Table, Value
from msdae.progress import Progress, silent
from msdae.symbolic import instruments
from msdae.symbolic.notes import Note

if TYPE_CHECKING:
    from msdae.inference.pipeline import Pipeline

PLAIN, PITCH, TEMPO, INSTRUMENT = "as it is", "pitch", "tempo", "instrument"
CHANGES = (PLAIN, PITCH, TEMPO, INSTRUMENT)
SEMITONES = 6  # largest transposition of a melody
SLOWEST, FASTEST = 0.8, 1.25  # tempo relative to the original
FOLDS = 3  # of the cross-validation that chooses a probe's penalty; no piece is in two folds
CLIPS_AT_ONCE = 16

Figure = Callable[[np.ndarray], np.ndarray]
Codes = Mapping[str, Sequence[torch.Tensor]]  # {change: for each level, (clips, channels, frames)}


@dataclass(frozen=True)
class Melody:
    """A melody of SwapBench and its changed versions.

    played: {change, one of `CHANGES`: what is rendered}. semitones: of the transposition. tempo: relative to
    the original; above 1 is faster.
    """

    played: Mapping[str, Performance]
    semitones: int
    tempo: float


@dataclass(frozen=True)
class Renditions:
    """Melodies, and a model's codes of all their versions.

    Raises:
        UserError: the model has a single level.
    """

    melodies: Sequence[Melody]
    codes: Codes

    def __post_init__(self):
        if len(self.codes[PLAIN]) < 2:
            raise UserError("leakage is between levels, and the model has one; give one of a later stage")


def melodies(split: str, count: int, seed: int = 0) -> list[Melody]:
    """Melodies of one voice from `count` cases; those that cannot be transposed by their instrument are left
    out.

    Raises:
        UserError: they are from fewer than `FOLDS` pieces, or as `cases.plan`.
    """
    rng = random.Random(f"leakage/{split}/{seed}")
    ranges = {kind.program: kind for kind in cases.kinds(split)}
    drawn = []
    for case in cases.plan(split, seed, {"monophonic": count}):
        notes = case.melody.notes
        player, pitches = ranges[case.melody.program], [note[2] for note in notes]
        lowest, highest = player.low - min(pitches), player.high - max(pitches)
        shifts = [n for n in range(-SEMITONES, SEMITONES + 1) if n and lowest <= n <= highest]
        tempo = 2 ** rng.uniform(np.log2(SLOWEST), np.log2(FASTEST))
        if shifts:
            semitones = rng.choice(shifts)
            played = {
                PLAIN: case.melody,
                PITCH: replace(case.melody, notes=_transposed(notes, semitones)),
                TEMPO: replace(case.melody, notes=_at_tempo(notes, tempo)),
                INSTRUMENT: case.truth,
            }
            drawn.append(Melody(played, semitones, tempo))
    if len({melody.played[PLAIN].piece for melody in drawn}) < FOLDS:
        raise UserError(
            f"--cases {count}: leaves fewer than {FOLDS} pieces to fit probes on; give 20 or more"
        )
    return drawn


def _transposed(notes: Sequence[Note], semitones: int) -> tuple[Note, ...]:
    return tuple((onset, offset, pitch + semitones, velocity) for onset, offset, pitch, velocity in notes)


def _at_tempo(notes: Sequence[Note], tempo: float) -> tuple[Note, ...]:
    """The notes at another tempo, cut at the end of the clip."""
    return tuple(
        (onset / tempo, min(offset / tempo, cases.CLIP_SECONDS), pitch, velocity)
        for onset, offset, pitch, velocity in notes
        if onset / tempo < cases.CLIP_SECONDS
    )


def render(drawn: Sequence[Melody], progress: Progress = silent) -> dict[str, torch.Tensor]:
    """The waveforms of all versions of melodies, {change: (melodies, samples) at 44.1 kHz}."""
    with progress(total=len(drawn) * len(CHANGES), desc="rendering", unit="clip") as bar:

        def played(change: str) -> Iterator[torch.Tensor]:
            for melody in drawn:
                yield sounds.play(melody.played[change])
                bar.update()

        return {change: torch.stack(list(played(change))) for change in CHANGES}


@torch.inference_mode()
def codes(pipeline: "Pipeline", rendered: Mapping[str, torch.Tensor]) -> dict[str, list[torch.Tensor]]:
    """The model's codes of the waveforms that `render` returns, on the CPU, as `Codes`."""
    found, rate = {}, pipeline.codec.sample_rate
    for change, waveforms in rendered.items():
        parts = []
        for batch in waveforms.split(CLIPS_AT_ONCE):
            at_rate = [resampled(waveform, SAMPLE_RATE, rate) for waveform in batch]
            there = torch.stack(at_rate).to(pipeline.device)
            encoded = pipeline.model.encode(pipeline.codec.encode(there), pipeline.log_mel(there))
            parts.append([code.float().cpu() for code in encoded])
        found[change] = [torch.cat(level) for level in zip(*parts, strict=True)]
    return found


def tables(name: str, fit: Renditions, test: Renditions, command: str = "") -> list[Table]:
    """The tables of what a model's codes tell, and of how they change when the sound does.

    name: of the model. fit: what probes are fitted on. test: what they are scored on; no piece is in both.
    """
    return [told_table(name, fit, test, command), changed_table(name, fit, test, command)]


# -- informativeness, disentanglement


def told_table(name: str, fit: Renditions, test: Renditions, command: str = "") -> Table:
    """A table of what linear probes read from each level and from levels together, and of what the levels
    that should not hold a factor add."""
    levels = [f"h{level}" for level in range(1, 1 + len(fit.codes[PLAIN]))]
    first, rest, whole = levels[0], " + ".join(levels[1:]), " + ".join(levels)
    every = range(len(levels))
    together = {code: [level] for level, code in enumerate(levels)} | {rest: every[1:], whole: every}
    rows: dict[str, list[Cell]] = {code: [] for code in (*together, "Delta", "best constant answer")}
    for factor, right in ((INSTRUMENT, first), (PITCH, rest), (TEMPO, rest)):
        asked, scored = _answers(factor, fit), _answers(factor, test)
        groups, percent = _pieces(test, CHANGES)[scored.places], factor == INSTRUMENT
        wrong = {code: _errors(chosen, fit, asked, test, scored) for code, chosen in together.items()}
        for code, columns in wrong.items():
            rows[code].append(_value(columns, _right, groups, percent))
        both = np.hstack([wrong[whole], wrong[right]])
        rows["Delta"].append(_value(both, _more_right, groups, percent))
        rows["best constant answer"].append(_value(wrong[first][:, [1, 2]], _right, groups, percent))
    note = (
        f"Linear probes fitted on {len(fit.melodies)} melodies of one voice and scored on "
        f"{len(test.melodies)} of other pieces, each as it is, transposed, at another tempo and by another "
        "instrument. Tempo: log2 of the median interval between onsets. Delta: score of all levels "
        f"together minus that of {first} for the instrument, or of {rest} for pitch and tempo. 95 % "
        "intervals over pieces."
    )
    header = ("code", "instrument's family, % ↑", "mean pitch, R2 ↑", "tempo, R2 ↑")
    return Table(
        f"What levels of {name} tell",
        header,
        tuple((code, *cells) for code, cells in rows.items()),
        note,
        command,
    )


@dataclass(frozen=True)
class Answers:
    """The answers of those clips that have one; clips are ordered by change, then by melody.

    values: (answers,). places: the indices of these clips, (answers,).
    """

    values: np.ndarray
    places: np.ndarray


def _errors(
    levels: Sequence[int], fit: Renditions, asked: Answers, test: Renditions, scored: Answers
) -> np.ndarray:
    """Errors on each clip of `test`, (clips, 3): of a probe of the levels together, of the best constant
    answer, and of an answer that scores 0.

    Errors are squared or, for classes, 0 or 1. An answer that scores 0 is the best constant for numbers; for
    classes it is always wrong.
    """
    inputs, unseen = (
        np.concatenate([_statistics(part.codes, level) for level in levels], axis=1)[answers.places]
        for part, answers in ((fit, asked), (test, scored))
    )
    known, truth = asked.values, scored.values
    found = _probe(inputs, known, _pieces(fit, CHANGES)[asked.places])(unseen)
    if known.dtype.kind == "U":
        names, counts = np.unique(known, return_counts=True)
        wrong = (found != truth, names[counts.argmax()] != truth, np.ones(len(truth)))
        return np.stack(wrong, axis=1).astype(float)
    constant = (known.mean() - truth) ** 2
    return np.stack([(found - truth) ** 2, constant, constant], axis=1)


def _right(means: np.ndarray) -> np.ndarray:
    """1 - (first mean) / (last mean): for the columns of `_errors`, accuracy or R2."""
    return 1 - means[:, 0] / means[:, -1]


def _more_right(means: np.ndarray) -> np.ndarray:
    """The score of the first of two probes less that of the second, each with three columns."""
    return _right(means[:, :3]) - _right(means[:, 3:])


def _value(columns: np.ndarray, figure: Figure, groups: np.ndarray, percent: bool = False) -> Value:
    """A figure of the means of `columns` (clips, columns), with its interval over groups."""
    point = float(figure(columns.mean(axis=0)[None])[0])
    return Value(point, *interval_of(figure, columns, groups), digits=0 if percent else 2, percent=percent)


def _answers(factor: str, of: Renditions) -> Answers:
    played = [melody.played[change] for change in CHANGES for melody in of.melodies]
    if factor == INSTRUMENT:
        families = {kind.program: kind.family for kind in instruments.seen()}
        answers = [families[performance.program] for performance in played]
    elif factor == PITCH:
        answers = [np.mean([note[2] for note in performance.notes]) for performance in played]
    else:
        answers = [
            TASKS["interval"].answer({"notes": performance.notes}, 0, cases.CLIP_SECONDS)
            for performance in played
        ]
    places = [place for place, answer in enumerate(answers) if answer is not None]
    return Answers(np.array([answers[place] for place in places]), np.array(places))


def _pieces(of: Renditions, changes: Sequence[str] = (PLAIN,)) -> np.ndarray:
    """The piece of each clip; clips are ordered by change, then by melody."""
    return np.array([melody.played[change].piece for change in changes for melody in of.melodies])


def _statistics(codes: Codes, level: int) -> np.ndarray:
    """Statistics over time of a level's codes, (clips, features): mean, standard deviation, and mean absolute
    change from frame to frame. A code of one frame is its own statistics."""
    code = torch.cat([codes[change][level] for change in CHANGES])
    if code.shape[-1] == 1:
        return code[..., 0].numpy()
    parts = (code.mean(dim=-1), code.std(dim=-1), code.diff(dim=-1).abs().mean(dim=-1))
    return torch.cat(parts, dim=1).numpy()


def _probe(inputs: np.ndarray, answers: np.ndarray, groups: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fit a linear probe to standardised inputs; returns its function from inputs to answers.

    It is a ridge regression for numbers and a logistic regression for strings.
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = list(GroupKFold(FOLDS).split(inputs, groups=groups))
    if answers.dtype.kind == "U":
        linear = GridSearchCV(LogisticRegression(max_iter=500), {"C": np.logspace(-3, 1, 5)}, cv=folds)
    else:
        linear = RidgeCV(alphas=np.logspace(-1, 5, 7), cv=folds)
    return make_pipeline(StandardScaler(), linear).fit(inputs, answers).predict


# -- invariance, equivariance


def changed_table(name: str, fit: Renditions, test: Renditions, command: str = "") -> Table:
    """A table of how similar a melody's codes stay when it is changed, and what they tell of the change."""
    header = (
        "code",
        *(f"{change}: cosine" for change in CHANGES[1:]),
        "another melody: cosine",
        *(f"{change}: {what}" for change in (PITCH, TEMPO) for what in ("read, R2", "foretold")),
    )
    rows = []
    for level in range(len(fit.codes[PLAIN])):
        centre = fit.codes[PLAIN][level].mean(dim=(0, 2), keepdim=True)
        alike = [_alike(test, level, change, centre) for change in (*CHANGES[1:], PLAIN)]
        of_change = [
            cell
            for change in (PITCH, TEMPO)
            for cell in (_read(change, level, fit, test), _foretold(change, level, fit, test))
        ]
        rows.append((f"h{level + 1}", *alike, *of_change))
    note = (
        f"{len(test.melodies)} melodies of one voice, transposed by up to {SEMITONES} semitones, played at "
        f"{SLOWEST} to {FASTEST} times their tempo, and by another instrument. Cosine: similarity of a "
        "melody's codes before and after the change, centred by the mean of all codes and aligned in time "
        "(invariance); beside it, that of one melody's codes and the next one's. Read: how well a linear "
        "probe predicts the semitones or the tempo from the averages of both codes (equivariance). Foretold: "
        "how much of the difference between them it predicts from the code before and the semitones or the "
        "tempo. 95 % intervals over pieces."
    )
    return Table(f"What changes in codes of {name}", header, tuple(rows), note, command)


def _alike(test: Renditions, level: int, change: str, centre: torch.Tensor) -> Value:
    """Mean cosine of the codes of melodies and of their changed versions; for `PLAIN`, of the next melody."""
    cosines = []
    for place, melody in enumerate(test.melodies):
        own = test.codes[PLAIN][level][place] - centre[0]
        other = test.codes[change][level][(place + (change == PLAIN)) % len(test.melodies)] - centre[0]
        if change == TEMPO and own.shape[-1] > 1:
            own, other = _in_time(own, other, melody.tempo)
        cosines.append(float(torch.cosine_similarity(own.flatten(), other.flatten(), dim=0)))
    return _value(np.array(cosines)[:, None], lambda means: means[:, 0], _pieces(test))


def _in_time(own: torch.Tensor, other: torch.Tensor, tempo: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The parts of both codes (channels, frames) that belong to the same passage of a melody.

    The second code, whose melody is `tempo` times as fast, is interpolated to the frames of the first.
    """
    frames = own.shape[-1]
    places = (torch.arange(frames) + 0.5) / tempo - 0.5
    kept = (places >= 0) & (places <= frames - 1)
    before = places[kept].long().clamp(max=frames - 2)
    return own[:, kept], other[:, before].lerp(other[:, before + 1], (places[kept] - before)[None])


def _read(change: str, level: int, fit: Renditions, test: Renditions) -> Cell:
    """R2 of a probe that reads the semitones or the tempo from the average codes before and after."""
    both = [
        np.concatenate([average(part.codes[of][level]).numpy() for of in (PLAIN, change)], axis=1)
        for part in (fit, test)
    ]
    known, truth = (_amounts(change, part) for part in (fit, test))
    found = _probe(both[0], known, _pieces(fit))(both[1])
    errors = np.stack([(found - truth) ** 2, (known.mean() - truth) ** 2], axis=1)
    return _ratio(errors, test)


def _foretold(change: str, level: int, fit: Renditions, test: Renditions) -> Cell:
    """The share of an average code's change that a probe predicts from the code before and the amount."""
    inputs, targets = [], []
    for part in (fit, test):
        before, amounts = average(part.codes[PLAIN][level]).numpy(), _amounts(change, part)[:, None]
        inputs.append(np.concatenate([before, amounts, amounts * before], axis=1))
        targets.append(average(part.codes[change][level]).numpy() - before)
    told = _probe(inputs[0], targets[0], _pieces(fit))(inputs[1])
    errors = np.stack([((told - targets[1]) ** 2).sum(axis=1), (targets[1] ** 2).sum(axis=1)], axis=1)
    return _ratio(errors, test)


def _amounts(change: str, of: Renditions) -> np.ndarray:
    """The amount of the change for each melody: semitones, or log2 of the tempo."""
    if change == PITCH:
        return np.array([float(melody.semitones) for melody in of.melodies])
    return np.log2([melody.tempo for melody in of.melodies])


def _ratio(errors: np.ndarray, test: Renditions) -> Cell:
    """1 - (mean of the first column) / (mean of the second); `EMPTY` if the second column is 0."""
    if not errors[:, 1].any():
        return EMPTY
    return _value(errors, _right, _pieces(test))
