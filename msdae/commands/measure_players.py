"""Measure how notes are played best that are the melody source: of scores, and read from recordings."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tqdm import tqdm

from msdae import cli
from msdae.commands._arguments import add_melodies, melodies, show
from msdae.inference.settings import NEVER
from msdae.progress import muted


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "measure-players",
        "Play SwapBench melodies by each plain sound there is, and as many with several notes at once in\n"
        "one to four voices; swap them, and recordings of both as they are and read, and print melody F1\n"
        "and timbre.",
        "--split valid --cases 48 --out players.json",
    )
    add_melodies(parser, "valid", 48)
    options = parser.parse_args(argv)
    from msdae.evaluation.swapbench import cases
    from msdae.evaluation.swapbench.players import measure, measure_reading, measure_voices
    from msdae.inference.pipeline import Pipeline

    pipeline, group = melodies(options)
    chords = options.cases // 2
    textures = {"two voices": options.cases - chords, "polyphonic": chords}
    several = cases.plan(options.split, options.seed, textures)
    facts = {"command": cli.command_line("measure-players", argv), "progress": tqdm}

    def changed(**settings: Any) -> Pipeline:
        return Pipeline(pipeline.model, pipeline.codec, replace(pipeline.sampling, **settings))

    unread = changed(transcription=NEVER)
    with muted("msdae.inference"):  # a note for each sound that is new to the model
        tables = [
            measure(unread, group, **facts),
            measure_voices({number: changed(voices=number) for number in range(1, 5)}, several, **facts),
            measure_reading(
                {"as they are": unread, "read": pipeline},
                {"single lines": group, "several notes at once": several},
                **facts,
            ),
        ]
    show(tables, options)
