"""Score recordings against their references."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import cli, files
from msdae.errors import UserError, printable
from msdae.evaluation.metrics.embeddings import EMBEDDINGS

if TYPE_CHECKING:
    from msdae.evaluation.metrics.scoring import Row


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "score",
        "Compare recordings with their references: F1 of the notes heard in both (Basic Pitch, onsets within "
        "50 ms, offsets ignored), pitch accuracy where the reference is a single note, multi-resolution "
        "log-mel distance in dB, SSIM and squared error (dB^2) of log-mels, similarity of timbre; "
        "for folders also FAD, FAD-infinity and KAD.",
        "swap.wav --reference melody.wav",
    )
    parser.add_argument("path", help="a recording, or a folder of them")
    parser.add_argument(
        "--reference",
        required=True,
        help="its reference, or a folder with files of the same names; MIDI and MusicXML are played",
    )
    parser.add_argument(
        "--midi",
        action="store_true",
        help="the notes are in a .mid file next to each reference, or in the reference",
    )
    parser.add_argument(
        "--embedding",
        choices=EMBEDDINGS,
        default="embedded",
        help="what FAD and KAD compare: features of the package's instrument classifier, or LAION's CLAP",
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    cli.add_threads(parser)
    options = parser.parse_args(argv)
    from msdae.evaluation.metrics import embeddings, scoring

    if options.json:
        files.make_folder(options.json.parent)
        files.check_replaceable(options.json)
    pairs, unpaired = scoring.pair_up(options.path, options.reference, options.midi)
    if options.json:
        read = [*scoring.recordings(options.path), *scoring.recordings(options.reference, played=True)]
        files.check_apart([options.json], [*read, *(pair.midi for pair in pairs if pair.midi)])
    if len(pairs) >= scoring.FEWEST:
        embeddings.load(options.embedding)  # report what is missing before the work
    rows, errors = scoring.score(tqdm(pairs, desc="scoring", unit="file", disable=len(pairs) < 2))
    errors = [*unpaired, *errors]
    scored = {row["name"] for row in rows}
    pairs = [pair for pair in pairs if pair.name in scored]
    sets: dict[str, float] = {}
    try:
        sets = scoring.score_sets(pairs, options.embedding) if len(pairs) >= scoring.FEWEST else {}
    except UserError as error:  # the scores of pairs are shown nevertheless
        errors.append(str(error))
    if options.json and rows:
        scoring.write(rows, sets, options.json, errors)
    if rows:
        _print(rows, sets, options.embedding)
    if errors:
        count = f"{printable(options.path)}: {len(rows)} files were scored, {len(errors)} were not"
        raise UserError(
            "\n".join([f"{count}; mend these or take them out:", *errors])
            if Path(options.path).is_dir()
            else errors[0]
        )


def _print(rows: "list[Row]", sets: dict[str, float], embedding: str) -> None:
    from msdae.evaluation import tables
    from msdae.evaluation.metrics import scoring

    shown = rows if len(rows) == 1 else [*rows, scoring.mean(rows)]
    header = list(shown[0])
    print(tables.text(header, [[row["name"], *(_cell(row[name]) for name in header[1:])] for row in shown]))
    if sets:
        print()
        print(tables.text(["embedding", *sets], [[embedding, *map(_cell, sets.values())]]))


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
