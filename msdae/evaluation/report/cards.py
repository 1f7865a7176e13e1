"""The cases to see and hear."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msdae import audio
from msdae.audio.mel import LogMel
from msdae.evaluation.report import media
from msdae.evaluation.report.results import SOURCES, Results
from msdae.evaluation.swapbench.cases import Source
from msdae.evaluation.swapbench.scores import F1, PITCH, TIMBRE
from msdae.evaluation.swapbench.systems import COPY_MELODY, COPY_TIMBRE, TRUTH, Output
from msdae.evaluation.swapbench.tables import label

CAPTIONS = {F1: "melody F1", PITCH: "pitch", TIMBRE: "timbre"}  # of the metrics under a player
COPIES = {"timbre": COPY_TIMBRE, "melody": COPY_MELODY}  # the row that has a source for its output
FIRST = ("1", "")  # levels of the swaps that are heard first


@dataclass(frozen=True)
class Player:
    """One clip to see and hear."""

    name: str
    sound: str
    picture: str
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Card:
    """One case: sources and truth, the swaps that are heard first, the other swaps, reconstructions."""

    name: str
    title: str
    kind: str
    roles: Sequence[tuple[str, str]]
    sources: Sequence[Player]
    swaps: Sequence[Player]
    others: Sequence[Player]
    reconstructions: Sequence[Player]


class Sounds:
    """The sounds of all cases on one colour scale and at one bit rate."""

    def __init__(self, results: Results):
        log_mel = LogMel()
        self.waveforms = {
            (case, key): audio.read(path)
            for case in results.report_cases
            for key, path in results.sounds(case).items()
        }
        self.rate = media.bit_rate(sum(map(len, self.waveforms.values())))
        self.mels = {key: log_mel(waveform[None])[0].numpy() for key, waveform in self.waveforms.items()}
        self.brightest = max((float(mel.max()) for mel in self.mels.values()), default=1.0)

    def player(self, case: str, key: str | Output, name: str, scores: Mapping[str, float]) -> Player:
        return Player(
            name,
            media.mp3(self.waveforms[case, key], self.rate),
            media.spectrogram(self.mels[case, key], self.brightest),
            [(short, f"{scores[metric]:.2f}") for metric, short in CAPTIONS.items() if metric in scores],
        )


def card(results: Results, sounds: Sounds, name: str) -> Card:
    """The card of the case `name`, one of `results.report_cases`."""
    case = results.cases[name]
    outputs = [key for key in results.sounds(name) if key not in SOURCES]
    first = [key for key in outputs if results.answers(key) and key.levels in FIRST]
    others = [key for key in outputs if results.answers(key) and key not in first]

    def source(key: str) -> Player:
        scores = results.scores[name, Output(COPIES.get(key, TRUTH))]
        return sounds.player(name, key, f"{key} source" if key in COPIES else key, scores)

    def players(chosen: Sequence[Output]) -> list[Player]:
        return [sounds.player(name, key, label(key, results), results.scores[name, key]) for key in chosen]

    return Card(
        name,
        f"{case.melody.instrument} → {case.timbre.instrument}",
        f"{case.texture}, {case.split} split",
        [("timbre source", _described(case.timbre)), ("melody source", _described(case.melody))],
        [source(key) for key in SOURCES],
        players(first),
        players(sorted(others, key=lambda key: (len(key.levels), key.levels))),
        players([key for key in outputs if not results.answers(key)]),
    )


def _described(source: Source) -> str:
    return f"{source.instrument} (program {source.program} of {source.soundfont}), {source.piece}"
