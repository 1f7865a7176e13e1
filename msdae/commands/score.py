"""Score recordings against their references."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import cli, files
from msdae.evaluation import tables
from msdae.evaluation.metrics import scoring
from msdae.evaluation.metrics.embeddings import EMBEDDINGS


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
        "--reference", required=True, help="its reference, or a folder with files of the same names"
    )
    parser.add_argument(
        "--midi", action="store_true", help="the notes are in a .mid file next to each reference"
    )
    parser.add_argument(
        "--embedding",
        choices=EMBEDDINGS,
        default="embedded",
        help="what FAD and KAD compare: features of the package's instrument classifier, or LAION's CLAP",
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    cli.add_threads(parser)
    arguments = parser.parse_args(argv)

    if arguments.json:
        files.make_folder(arguments.json.parent)
        files.check_replaceable(arguments.json)
    pairs = scoring.pair_up(arguments.path, arguments.reference, arguments.midi)
    if arguments.json:
        read = [path for pair in pairs for path in (pair.file, pair.reference, pair.midi) if path]
        files.check_apart([arguments.json], read)
    rows = scoring.score(tqdm(pairs, desc="scoring", unit="file", disable=len(pairs) < 2))
    several = len(pairs) >= scoring.FEWEST
    sets = scoring.score_sets(pairs, arguments.embedding) if several else {}
    if arguments.json:
        scoring.write(rows, sets, arguments.json)
    shown = rows if len(rows) == 1 else [*rows, scoring.mean(rows)]
    header = list(shown[0])
    print(tables.text(header, [[row["name"], *(_cell(row[name]) for name in header[1:])] for row in shown]))
    if sets:
        print()
        print(tables.text(["embedding", *sets], [[arguments.embedding, *map(_cell, sets.values())]]))


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
