"""The tables of composers: likelihood of held-out pieces, similarity of samples to them, and copying."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from msdae.evaluation.composers import features
from msdae.evaluation.composers.copying import RUN, TrainingRuns
from msdae.evaluation.composers.markov import Markov
from msdae.evaluation.composers.overlap import areas
from msdae.evaluation.composers.settings import Settings
from msdae.evaluation.metrics.bootstrap import interval_of
from msdae.evaluation.tables import EMPTY, Cell, Table, Value, mean_cell
from msdae.models.composers import Composer, lines
from msdae.models.composers.four_voices import REST as SILENT
from msdae.models.composers.four_voices import SYMBOLS
from msdae.progress import Progress, silent
from msdae.symbolic.notes import Score
from msdae.symbolic.pieces import Pieces
from msdae.symbolic.tokens import (
    BAR,
    END,
    LINE_REST,
    PITCHES,
    cut_at,
    melody,
    score_of_voices,
    voices,
)

ORDERS = {"unigram": 0, "bigram": 1, "Markov-5": 5}
CORPORA = {1: "tunes", 4: "chorales"}  # {number of voices: what the corpus consists of}
HEADER = (
    "composer",
    "learnt from",
    "nats a symbol ↓",
    "nats a quarter ↓",
    "overlapping area ↑",
    "copied runs ↓",
    "longest copied run",
    f"samples with more than {RUN} notes copied ↓",
)
NOTE = (
    "{samples} samples of {bars} bars each; means with bootstrap 95 % intervals over samples or pieces. "
    "Nats are measured on {split} pieces; those of the vae are an upper bound. A symbol is, for tunes, a "
    "note with its duration (for LSTMs with 1D tokens a sixteenth) and, for chorales, a sixteenth of one "
    "voice. Overlapping area: mean over {features} metrics, of samples and of excerpts of {split} pieces; in "
    "the first row of a corpus, of the other held-out pieces. Copied runs: runs of "
    f"{RUN} notes, in any key, that occur in the training set; longest: their median length in notes."
)


@dataclass(frozen=True)
class Row:
    """What is measured of a composer or a baseline.

    likelihood: (nats, symbols, quarter notes) of each held-out piece; empty if it has no likelihood.
    samples: what it composed.
    """

    name: str
    likelihood: list[tuple[float, int, float]]
    samples: list[Score]


def evaluate(
    composers: Mapping[str, Composer],
    pieces: Callable[[int], Pieces],
    settings: Settings = Settings(),
    command: str = "",
    progress: Progress = silent,
) -> tuple[list[Table], dict[str, list[Score]]]:
    """The tables, and {name of a row: its samples}.

    composers: {name: composer}. pieces: function of a number of voices that returns the pieces from which
    such composers learn.

    Raises:
        UserError: a corpus cannot be read.
    """
    samples: dict[str, list[Score]] = {}
    first, facts, tables = [], [], []
    groups = {n: {k: c for k, c in composers.items() if c.voices == n} for n in CORPORA}
    with progress(total=sum(4 + len(group) for group in groups.values() if group), unit="row") as bar:
        for number, group in groups.items():
            if not group:
                continue
            corpus, known = pieces(number), features.LINES if number == 1 else features.VOICES
            train, test = (list(corpus[split].values()) for split in ("train", settings.split))
            reference = excerpts(test, settings)
            copies, rows = TrainingRuns(train), []
            for row in _rows(group, corpus, number, settings):
                first.append(_cells(row, CORPORA[number], known, reference, copies))
                rows.append((row.name, *_means(known, row.samples)))
                samples[row.name] = row.samples
                bar.update()
            test_facts = {name: composer.facts(test) for name, composer in group.items()}
            facts += [
                (n, key, Value(v, digits=1)) for n, some in test_facts.items() for key, v in some.items()
            ]
            title = f"What composed {CORPORA[number]} are like"
            about = f"Means with bootstrap 95 % intervals; {settings.bars} bars each."
            tables.append(Table(title, ("composer", *known), tuple(rows), about, command))
    counts = sorted({len(features.LINES), len(features.VOICES)})
    note = NOTE.format(features=" or ".join(map(str, counts)), **vars(settings))
    main = Table("Composers", HEADER, tuple(first), note, command)
    if facts:
        about = "Measured on held-out pieces."
        tables.append(
            Table("Codes of composers", ("composer", "figure", "value"), tuple(facts), about, command)
        )
    return [main, *tables], samples


def excerpts(scores: Sequence[Score], settings: Settings) -> list[Score]:
    """As many excerpts of `scores` as there are samples, and as long; each begins at a random bar."""
    rng, length = np.random.default_rng(settings.seed), settings.bars * BAR
    chosen = []
    for place in range(settings.samples):
        score = scores[place % len(scores)]
        bars = max(1, int((score.quarters - length) // BAR) + 1)
        start = float(BAR * rng.integers(bars))
        moved = (
            [n._replace(onset=n.onset - start) for n in part if n.onset >= start] for part in score.parts
        )
        parts = [cut_at(part, length) for part in moved]
        chosen.append(Score(tuple(part for part in parts if part), score.tempo))
    return chosen


def _rows(group: Mapping[str, Composer], pieces: Pieces, number: int, settings: Settings):
    """Yields the rows of a corpus: held-out pieces, baselines and composers.

    group: {name: composer} of so many voices. number: of voices.
    """
    test, train = list(pieces[settings.split].values()), list(pieces["train"].values())
    other = "valid" if settings.split == "test" else "test"
    held_out = excerpts(list(pieces[other].values()), settings)
    yield Row(f"held-out {CORPORA[number]}", [], held_out)
    family = _Tunes(train) if number == 1 else _Chorales()
    counted, asked = ([family.sequence(score) for score in scores] for scores in (train, test))
    for name, order in ORDERS.items():
        model = Markov(counted, order, family.size)
        likelihood = [
            _likelihood(score, model.nll(line), len(line)) for score, line in zip(test, asked, strict=True)
        ]
        rng = np.random.default_rng(settings.seed)
        drawn = [family.sample(model, settings.bars, rng) for _ in range(settings.samples)]
        yield Row(f"{name}, {CORPORA[number]}", likelihood, drawn)
    for name, composer in group.items():
        likelihood = (
            [_likelihood(score, *composer.nll(score)) for score in test] if composer.likelihood else []
        )
        generator = torch.Generator().manual_seed(settings.seed)
        drawn = composer.compose_many(settings.samples, settings.bars, generator, None, settings.sampling)
        yield Row(name, likelihood, drawn)


class _Tunes:
    """Tunes as the symbols that composers of single lines use: (pitch, number of a duration)."""

    def __init__(self, train: Sequence[Score]):
        self.durations = lines.durations(lines.count(train))
        self.size = PITCHES * len(self.durations.ticks)

    def sequence(self, score: Score) -> list[tuple[int, int]]:
        return [(int(p), int(d)) for p, d, _ in lines.encoded(melody(score), self.durations)[1:]]

    def sample(self, model: Markov, bars: int, rng: np.random.Generator) -> Score:
        tunes = lines.Tunes(1, bars, None, self.durations)
        drawn = model.sample(bars * BAR * 6, rng, ends=[(END, 0)])
        for pitch, number in drawn:
            if tunes.complete:
                break
            tunes.add(torch.tensor([pitch]), torch.tensor([number]))
        return tunes.scores()[0]


class _Chorales:
    """Chorales as the symbols that the composer of four voices uses: the voices' pitches, step by step."""

    size = SYMBOLS

    def sequence(self, score: Score) -> list[int]:
        pitches = voices(score)
        return [int(p) for p in np.where(pitches == LINE_REST, SILENT, pitches).flatten()]

    def sample(self, model: Markov, bars: int, rng: np.random.Generator) -> Score:
        symbols = np.array(model.sample(bars * BAR * 16, rng)).reshape(-1, 4)
        return score_of_voices(np.where(symbols == SILENT, LINE_REST, symbols))


def _likelihood(score: Score, nats: float, symbols: int) -> tuple[float, int, float]:
    return nats, symbols, score.quarters


def _cells(
    row: Row, corpus: str, known: Mapping[str, Any], reference: Sequence[Score], copies: TrainingRuns
) -> tuple[Cell, ...]:
    likelihood: tuple[Cell, ...] = (EMPTY, EMPTY)
    if row.likelihood:
        table = np.array(row.likelihood)
        likelihood = _ratio(table[:, [0, 1]]), _ratio(table[:, [0, 2]])
    overlap = Value(float(np.mean(list(areas(known, row.samples, reference).values()))))
    copied = [copies.copied(score) for score in row.samples]
    shares = np.array([one.share for one in copied])
    over = np.array([float(one.longest > RUN) for one in copied])
    return (
        row.name,
        corpus,
        *likelihood,
        overlap,
        mean_cell(shares, digits=0, percent=True),
        Value(float(np.median([one.longest for one in copied])), digits=0),
        mean_cell(over, digits=0, percent=True),
    )


def _ratio(columns: np.ndarray) -> Value:
    """The sum of the first column divided by that of the second, with its interval over rows."""
    groups = list(map(str, range(len(columns))))
    low, high = interval_of(lambda means: means[:, 0] / means[:, 1], columns, groups)
    return Value(float(columns[:, 0].sum() / columns[:, 1].sum()), low, high)


def _means(known: Mapping[str, Any], scores: Sequence[Score]) -> list[Cell]:
    cells: list[Cell] = []
    for feature in known.values():
        values = np.array([value for score in scores if (value := feature(score)) is not None])
        cells.append(mean_cell(values))
    return cells
