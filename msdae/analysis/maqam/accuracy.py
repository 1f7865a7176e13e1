"""How often tonic, maqam and ornaments are found in rendered pieces with known answers."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torchaudio

from msdae.analysis.maqam import scales, spectrum
from msdae.analysis.maqam.recording import ends
from msdae.audio import pitch
from msdae.audio.ornaments import Ornaments, ornaments
from msdae.data.sets.maqam import MaqamConfig, Piece, Rendering, render
from msdae.evaluation.tables import EMPTY, Cell, Table, Value, mean_cell
from msdae.progress import Progress, silent
from msdae.symbolic.maqam import Tone
from msdae.synthesis.soundfont import SAMPLE_RATE

SPLIT = "test"
WITHIN = 25.0  # cents by which a tonic that is right may be off
ALPHA, SIGMA = 40.0, 1.0  # of `spectrum.cleaned`
METHODS = ("strongest frequencies", "pitch histogram")
PARTS = ("whole", "first and last third")
LATE = 0.1  # seconds by which an ornament may be heard too early or too late


@dataclass(frozen=True)
class Outcome:
    """How well one piece was analysed.

    right: {(method, part): (whether the tonic is right, whether the maqam is)}.
    modulated: whether a third of the piece is in another maqam.
    ornaments: as `_heard` returns.
    """

    right: dict[tuple[str, str], tuple[bool, bool]]
    modulated: bool
    ornaments: dict[str, list[tuple[str, float]]]


def outcome(piece: Piece) -> Outcome:
    """Render and analyse a piece."""
    rendering = render(piece)
    waveform = torch.from_numpy(rendering.waveform)
    waveform = torchaudio.functional.resample(waveform, SAMPLE_RATE, pitch.RATE)
    track = pitch.track(waveform, pitch.RATE)
    hertz, decibels = spectrum.spectrogram(waveform, pitch.RATE)
    amplitudes = spectrum.cleaned(decibels, ALPHA, SIGMA)
    home = rendering.sections[0]
    right = {}
    for part in PARTS:
        take = ends if part == PARTS[1] else lambda frames: frames
        answers = _answers(take(track.cents), hertz, take(amplitudes))
        for method, (tonic, maqam) in zip(METHODS, answers, strict=True):
            near = scales.distance(tonic, 100 * home.tonic) <= WITHIN
            right[method, part] = (near, maqam == home.maqam)
    return Outcome(right, rendering.modulated, _heard(rendering, track.seconds, ornaments(track.cents)))


def outcomes(pieces: int, seed: int, progress: Progress = silent) -> list[Outcome]:
    """Render and analyse so many pieces of the split "test", on which priors are not trained."""
    config = MaqamConfig(seed=seed)
    indices = progress(range(pieces), desc="pieces", unit="piece")
    return [outcome(Piece(SPLIT, index, config)) for index in indices]


def tables(outcomes: Sequence[Outcome], command: str) -> list[Table]:
    """Three tables: tonic and maqam by method and part; first and last third less the whole; ornaments."""
    modulated = sum(one.modulated for one in outcomes)
    note = (
        f"{len(outcomes)} rendered pieces of half a minute, {modulated} with a third in another maqam. "
        f"A tonic is right within {WITHIN:.0f} cents in any octave; by chance one maqam in eight is."
    )
    header = ("from", "part", "tonic ↑", "maqam ↑", "maqam, modulated ↑", "maqam, not modulated ↑")
    rows = tuple(_row(method, part, outcomes) for method in METHODS for part in PARTS)
    differences = tuple(_difference(method, outcomes) for method in METHODS)
    less = "The first and last third less the whole, piece by piece."
    return [
        Table("Tonic and maqam", header, rows, note, command),
        Table(
            "What leaving out the middle third brings", (header[0], *header[2:]), differences, less, command
        ),
        _ornament_table(outcomes, command),
    ]


def _answers(cents: np.ndarray, hertz: np.ndarray, amplitudes: np.ndarray) -> Iterator[tuple[float, str]]:
    """Yields (tonic in cents, name of the maqam) for each of `METHODS`.

    cents: pitch of each frame. hertz, amplitudes: the spectrogram, (bins,) and (bins, frames).
    """
    best = scales.fits(scales.histogram(*spectrum.cents(spectrum.dominant(hertz, amplitudes))))[0]
    yield best.tonic, best.maqam
    pitches = scales.steady(cents)
    best = scales.fits(scales.histogram(pitches))[0]
    yield scales.refined(best.tonic, pitches), best.maqam


def _row(method: str, part: str, outcomes: Sequence[Outcome]) -> tuple[Cell, ...]:
    key = (method, part)
    cells = _cells(outcomes, lambda one, which: float(one.right[key][which]))
    return (method, part, *cells)


def _difference(method: str, outcomes: Sequence[Outcome]) -> tuple[Cell, ...]:
    whole, outer = ((method, part) for part in PARTS)
    cells = _cells(
        outcomes, lambda one, which: float(one.right[outer][which]) - float(one.right[whole][which])
    )
    return (method, *cells)


def _cells(outcomes: Sequence[Outcome], figure: Callable[[Outcome, int], float]) -> Iterator[Cell]:
    """Means of `figure`: tonic and maqam over all pieces, then maqam over those with and without modulation.

    figure: function of an outcome, and of 0 for the tonic or 1 for the maqam.
    """
    groups = [(outcomes, 0), (outcomes, 1)]
    groups += [([one for one in outcomes if one.modulated is modulated], 1) for modulated in (True, False)]
    for group, which in groups:
        yield mean_cell([figure(one, which) for one in group])


def _ornament_table(outcomes: Sequence[Outcome], command: str) -> Table:
    rows = []
    for kind in ("vibrato", "trill", "slide"):
        values: dict[str, list[float]] = defaultdict(list)  # by label
        pieces: dict[str, list[int]] = defaultdict(list)  # the piece of each value
        for piece, one in enumerate(outcomes):
            for label, value in one.ornaments[kind]:
                values[label].append(value)
                pieces[label].append(piece)
        shares = (mean_cell(values[label], pieces[label]) for label in ("played", "heard"))
        errors = (
            Value(float(np.median(values[label])), digits=2) if values[label] else EMPTY
            for label in ("rate", "extent")
        )
        rows.append((kind, str(len(values["played"])), *shares, *errors))
    header = (
        "ornament",
        "played",
        "found ↑",
        "of those heard, played ↑",
        "rate off by, Hz ↓",
        "extent off by, cents ↓",
    )
    note = "Shares of the ornaments played and of those heard, and medians of what they are off by."
    return Table("Ornaments", header, tuple(rows), note, command)


def _heard(rendering: Rendering, seconds: np.ndarray, heard: Ornaments) -> dict[str, list[tuple[str, float]]]:
    """{ornament: labelled values}.

    The values are ("played", whether it was found) for each ornament played, ("heard", whether it was played)
    for each one heard, and the absolute errors ("rate", in Hz) and ("extent", in cents) of those found.
    """
    marks = {"vibrato": heard.vibrato_rate > 0, "trill": heard.trill_rate > 0, "slide": heard.slide != 0}
    result: dict[str, list[tuple[str, float]]] = {}
    for kind, mark in marks.items():
        result[kind] = entries = []
        tones = [tone for tone in rendering.tones if getattr(tone, kind)[1]]
        played = np.zeros(len(seconds), bool)
        for tone in tones:
            inside = _during(tone, kind, seconds)
            played |= inside
            entries.append(("played", float(mark[inside].any())))
            if kind != "slide" and mark[inside].any():
                rates, extents = (
                    (heard.vibrato_rate, heard.vibrato_extent)
                    if kind == "vibrato"
                    else (heard.trill_rate, heard.trill_interval)
                )
                true = getattr(tone, kind)
                extent = true[1] * (1 if kind == "vibrato" else 100)
                entries.append(("rate", abs(float(np.median(rates[inside & mark])) - true[0])))
                entries.append(("extent", abs(float(np.median(extents[inside & mark])) - extent)))
        entries += [("heard", float(played[start:end].any())) for start, end in pitch.runs(mark)]
    return result


def _during(tone: Tone, kind: str, seconds: np.ndarray) -> np.ndarray:
    """The frames, bool (frames,), in which an ornament of the tone sounds."""
    begin = tone.onset + (0 if kind == "slide" else tone.slide[1])
    end = tone.onset + tone.slide[1] if kind == "slide" else tone.offset
    return (seconds >= begin - LATE) & (seconds <= end + LATE)
