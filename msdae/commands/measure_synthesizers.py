"""Measure which share of each synthesizer's presets can be used, and how fast they play."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import psutil
from tqdm import tqdm

from msdae import cli
from msdae.limits import COUNT, SEED

if TYPE_CHECKING:
    from msdae.evaluation.tables import Table

REASONS = ("out of tune", "silent", "clipped", "crashed")


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "measure-synthesizers",
        "Draw presets of synthesizers and print which share of each kind can be used in squares, why others\n"
        "cannot, and how many clips of eight notes and 3 s a core renders in a second.",
        "--synthesizer dx7 --banks ~/dx7",
    )
    parser.add_argument(
        "--synthesizer",
        dest="synthesizers",
        action="append",
        help="dx7, faust or vita (repeatable; default: all three)",
    )
    parser.add_argument(
        "--presets", type=cli.ranged(COUNT), default=100, help="number of presets to draw from each"
    )
    parser.add_argument(
        "--banks", action="append", default=[], help="folder or file of DX7 voices (repeatable)"
    )
    parser.add_argument("--seed", type=cli.ranged(SEED), default=0, help="seed that draws presets and keys")
    options = parser.parse_args(argv)
    from msdae.data.sets.squares import SquaresConfig
    from msdae.synthesis import plugins

    names = tuple(options.synthesizers or plugins.SYNTHESIZERS)
    SquaresConfig(synthesizers=names)  # raises a UserError for unknown ones
    plugins.require(names)
    print(measure(names, options.presets, options.banks, options.seed).text())


def measure(synthesizers: Sequence[str], presets: int, banks: Sequence[str], seed: int) -> "Table":
    """A table with a row for each kind of preset: how many were drawn and can be used, and their speed.

    presets: number that is drawn for each synthesizer. banks: folders or files of DX7 voices.
    """
    from msdae.evaluation.tables import Table
    from msdae.symbolic.notes import Note
    from msdae.synthesis import plugins

    scale = enumerate((60, 62, 64, 65, 67, 69, 71, 72))
    notes = [Note(0.35 * k, 0.35 * k + 0.33, pitch, 90) for k, pitch in scale]
    outcomes: dict[str, Counter] = defaultdict(Counter)
    seconds: Counter = Counter()
    for name in synthesizers:
        rng = random.Random(f"{seed}/{name}")
        for _ in tqdm(range(presets), desc=name, unit="preset"):
            candidate = plugins.SYNTHESIZERS[name].candidate(rng, plugins.voices(tuple(banks)))
            kind = "/".join(candidate.name.split("/")[:2])
            preset, reason = plugins.judge(candidate)
            if preset is not None:
                begin = _seconds()
                try:
                    plugins.render(notes, preset, 3 * plugins.SAMPLE_RATE)
                    seconds[kind] += _seconds() - begin
                except plugins.Crash:
                    reason = "crashed"
            outcomes[kind][reason] += 1
    rows = tuple(_row(kind, outcomes[kind], seconds[kind]) for kind in sorted(outcomes))
    return Table("Presets of synthesizers", ("kind", "drawn", "used", *REASONS, "clips a second"), rows)


def _row(kind: str, outcomes: Counter, seconds: float) -> tuple[str, ...]:
    drawn, used = outcomes.total(), outcomes[""]
    shares = [f"{100 * outcomes[reason] / drawn:.0f} %" for reason in ("", *REASONS)]
    return kind, str(drawn), *shares, f"{used / seconds:.1f}" if seconds else "-"


def _seconds() -> float:
    """Processor time in seconds of this process and of those that it started, including ended ones."""
    process = psutil.Process()
    return sum(sum(one.cpu_times()[:4]) for one in (process, *process.children()))
