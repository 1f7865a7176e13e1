"""The benchmark's results as one HTML page, to be seen and heard offline."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined, UndefinedError

from msdae import audio, files, folders, limits
from msdae.audio.mel import LogMel
from msdae.errors import UserError, printable
from msdae.evaluation import figures, media
from msdae.evaluation import tables as stored
from msdae.evaluation.swapbench import chart
from msdae.evaluation.swapbench.cases import CLIP_SAMPLES, CLIP_SECONDS, Case, Performance
from msdae.evaluation.swapbench.results import MANIFEST, SOURCES, Results, remedy
from msdae.evaluation.swapbench.scores import F1, PITCH, TIMBRE
from msdae.evaluation.swapbench.systems import COPY_MELODY, COPY_TIMBRE, TRUTH, Output
from msdae.evaluation.swapbench.tables import MELODY_SHARE, SWAP_SCORE, SYSTEM, TIMBRE_SHARE, label, shares
from msdae.evaluation.tables import Table
from msdae.progress import Progress, silent

PAGE = "report.html"
CAPTIONS = {F1: "melody F1", PITCH: "pitch", TIMBRE: "timbre"}  # of the scores below a player
COPIES = {"timbre": COPY_TIMBRE, "melody": COPY_MELODY}  # {source: the row whose output is that source}
BYTES = 12 * CLIP_SAMPLES  # memory that a sound with its picture takes
FIRST = ("1", "")  # levels of the swaps that come first


def write(
    results: str | Path,
    pictures: Sequence[Path] = (),
    tables: Sequence[Path] = (),
    progress: Progress = silent,
) -> Path:
    """Write `PAGE` into the folder `results`, as experiments/evaluate.py makes it; returns the page's path.

    pictures: files to show in the page, such as those of probes/plot_umap.py.
    tables: JSON files with more tables, such as that of probes/run_probes.py.

    Raises:
        UserError: the folder is unfinished, damaged or not writable, or a picture or table cannot be read.
    """
    path = Path(results) / PAGE
    finished = Results.read(results)
    files.check_replaceable(path)
    more = [table for file in tables for table in stored.read(file)]
    text = render(finished, pictures, more, progress)
    with files.atomic(path) as temporary:
        temporary.write_text(text, "utf-8", "backslashreplace")  # for names that are not UTF-8
    return path


def write_scores(results: str | Path, path: str | Path) -> Path:
    """Draw the swap scores of the melodies of every split in `results`, or else of the notes; returns `path`.

    Raises:
        UserError: another extension than png, pdf or svg, no such folder, or the results are unfinished.
    """
    figures.check_plot(path)
    finished = Results.read(results)
    sets = [pair for pair in _sets(finished) if pair[1] == "melodies"] or _sets(finished)
    figures.save(chart.swap_scores([shares(finished, *pair) for pair in sets]), path)
    return Path(path)


def write_case(results: str | Path, path: str | Path, number: int = 1) -> Path:
    """Draw spectrograms of a case of the page: timbre source, melody source, truth and first swap.

    number: of the case in the page, from 1 on. Returns `path`.

    Raises:
        UserError: as `write_scores`, or the page has no such case.
    """
    figures.check_plot(path)
    finished = Results.read(results)
    if not 1 <= number <= len(finished.report_cases):
        kept = len(finished.report_cases)
        fix = f"choose one of 1 to {kept}" if kept else "evaluate with --report-cases"
        raise UserError(
            f"case {number}: {printable(results)} has the sound of {stored.counted(kept, 'case')}; {fix}"
        )
    case = finished.report_cases[number - 1]
    sounds = finished.sounds(case)
    shown = {
        f"timbre source: {case.timbre.instrument}": sounds["timbre"],
        f"melody source: {case.melody.instrument}": sounds["melody"],
        "truth": sounds[TRUTH],
    }
    shown |= {f"swap: {label(key, finished)}": sounds[key] for key in _first_swaps(finished, sounds)[:1]}
    figures.save(figures.case({name: audio.read(file) for name, file in shown.items()}), path)
    return Path(path)


def render(
    results: Results, pictures: Sequence[Path], tables: Sequence[Table], progress: Progress = silent
) -> str:
    """The HTML text of the page; equal input gives an equal page.

    pictures: files to show. tables: to show after those of the results.

    Raises:
        UserError: the manifest lacks something, or a picture cannot be read.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script, page = (
        (folders.ASSETS / f"report.{suffix}").read_text("utf-8") for suffix in ("css", "js", "html")
    )
    tables = [table for table in (*results.tables, *tables) if SYSTEM not in table.header]
    sounds = Sounds(results)
    shown = {
        "style": style,
        "script": script,
        "manifest": results.manifest,
        "counts": _counts(results),
        "cards": [
            card(results, sounds, case) for case in progress(results.report_cases, desc="report", unit="case")
        ],
        "brightest": sounds.brightest,
        "hertz": _hertz(sounds.log_mel),
        "seconds": [(second, 100 * second / CLIP_SECONDS) for second in range(int(CLIP_SECONDS) + 1)],
        "panels": [_panel(results, *pair) for pair in _sets(results)],
        "tables": [(table.title, table.html(_competing(table, results))) for table in tables],
        "pictures": [(path.stem.replace("_", " "), media.picture(path)) for path in pictures],
    }
    with files.reading(results.folder / MANIFEST, remedy(results.folder)):
        try:
            return environment.from_string(page).render(shown)
        except UndefinedError as error:
            raise ValueError(str(error)) from error


# -- cases


@dataclass(frozen=True)
class Player:
    """A clip to see and hear.

    sound, picture: data: URLs. facts: (name of a score, value).
    """

    name: str
    sound: str
    picture: str
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Card:
    """A case on the page.

    roles: (source, its description). row: timbre source, melody source, truth and first swap, side by side.
    swaps: the first swaps of other systems. others, reconstructions: further outputs, which are folded away.
    """

    name: str
    title: str
    kind: str
    roles: Sequence[tuple[str, str]]
    row: Sequence[Player]
    swaps: Sequence[Player]
    others: Sequence[Player]
    reconstructions: Sequence[Player]


class Sounds:
    """The sounds of all cases on one colour scale and at one bit rate."""

    def __init__(self, results: Results):
        self.log_mel = LogMel()
        paths = {
            (case.id, key): path
            for case in results.report_cases
            for key, path in results.sounds(case).items()
        }
        limits.require_memory(BYTES * len(paths), f"a page of {len(paths)} sounds", "keep fewer cases")
        self.waveforms = {key: audio.read(path) for key, path in paths.items()}
        self.rate = media.bit_rate(sum(map(len, self.waveforms.values())))
        self.mels = {key: self.log_mel(wave[None])[0].numpy() for key, wave in self.waveforms.items()}
        self.brightest = max((float(mel.max()) for mel in self.mels.values()), default=1.0)

    def player(self, case: Case, key: str | Output, name: str, scores: Mapping[str, float]) -> Player:
        """The clip `key` of a case under the title `name`, with its scores."""
        return Player(
            name,
            media.mp3(self.waveforms[case.id, key], self.rate),
            media.spectrogram(self.mels[case.id, key], self.brightest),
            [(short, f"{scores[metric]:.2f}") for metric, short in CAPTIONS.items() if metric in scores],
        )


def card(results: Results, sounds: Sounds, case: Case) -> Card:
    """The card of one of `results.report_cases`."""
    outputs = [key for key in results.sounds(case) if key not in SOURCES]
    first = _first_swaps(results, outputs)
    others = [key for key in outputs if results.answers(key) and key not in first]

    def source(key: str) -> Player:
        scores = results.scores[(case.id, *Output(COPIES.get(key, TRUTH)))]
        return sounds.player(case, key, f"{key} source" if key in COPIES else key, scores)

    def players(keys: Sequence[Output], role: str = "") -> list[Player]:
        return [
            sounds.player(case, key, role + label(key, results), results.scores[(case.id, *key)])
            for key in keys
        ]

    return Card(
        case.id,
        f"{case.melody.instrument} → {case.timbre.instrument}",
        f"{case.texture}, {case.split} split",
        [("timbre source", _described(case.timbre)), ("melody source", _described(case.melody))],
        [*map(source, SOURCES), *players(first[:1], "swap: ")],
        players(first[1:]),
        players(sorted(others, key=lambda key: (len(key.levels), key.levels))),
        players([key for key in outputs if not results.answers(key)]),
    )


def _first_swaps(results: Results, keys: Sequence[str | Output]) -> list[Output]:
    return [key for key in keys if isinstance(key, Output) and results.answers(key) and key.levels in FIRST]


def _described(performance: Performance) -> str:
    player = f"{performance.instrument} (program {performance.program} of {performance.soundfont})"
    return f"{player}, {performance.piece}"


def _hertz(log_mel: LogMel) -> list[tuple[str, float]]:
    """The ticks of the frequency axis: label, and height in per cent."""
    marks = figures.hertz_marks(log_mel.config)
    return [
        (f"{hz // 1000} kHz" if hz >= 1000 else f"{hz} Hz", round(100 * place, 2))
        for hz, place in marks.items()
    ]


# -- scores and tables


@dataclass(frozen=True)
class Panel:
    """The swap scores of one set of cases: a picture as a data: URL, and the same as an HTML table."""

    title: str
    picture: str
    table: str


def _panel(results: Results, split: str, kind: str) -> Panel:
    table = shares(results, split, kind)
    cases = sum((case.split, case.set) == (split, kind) for case in results.cases)
    columns = [table.column(name) for name in (SWAP_SCORE, MELODY_SHARE, TIMBRE_SHARE)]
    rows = [(str(row[0]), *(column[str(row[0])] for column in columns)) for row in table.rows]
    return Panel(
        f"{kind.capitalize()}, {split} split ({stored.counted(cases, 'case')})",
        media.svg(figures.svg(chart.swap_scores([table]))),
        stored.html(("output", "swap score", "melody", "timbre"), rows),
    )


def _sets(results: Results) -> list[tuple[str, str]]:
    """The pairs of split and set that have cases."""
    return list(dict.fromkeys((case.split, case.set) for case in results.cases))


def _counts(results: Results) -> list[tuple[str, str]]:
    """(split, "monophonic 60, polyphonic 30") for each split."""
    textures: dict[str, Counter] = {}
    for case in results.cases:
        textures.setdefault(case.split, Counter())[case.texture] += 1
    return [
        (split, ", ".join(f"{name} {n}" for name, n in counter.items()))
        for split, counter in textures.items()
    ]


def _competing(table: Table, results: Results) -> set[str]:
    """The rows among which the best is in bold: answers, or reconstructions if there are no answers."""
    names = {str(row[0]) for row in table.rows}
    outputs = [output for output in results.outputs if output.row in results.systems]
    answers = {label(output, results) for output in outputs if results.answers(output)}
    others = {name for output in outputs for name in (output.row, label(output, results))}
    return answers & names or others & names
