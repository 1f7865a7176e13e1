"""Score recordings against their references."""

from tqdm import tqdm

from msdae import cli, tables
from msdae.metrics import scoring


def main() -> None:
    parser = cli.parser(
        "Compare recordings with their references: F1 of the notes heard in both (Basic Pitch, onsets within "
        "50 ms, offsets ignored) and multi-resolution log-mel distance in dB.",
        "python experiments/score.py swap.wav --reference melody.wav",
    )
    parser.add_argument("path", help="a recording, or a folder of them")
    parser.add_argument(
        "--reference", required=True, help="its reference, or a folder with files of the same names"
    )
    parser.add_argument(
        "--midi", action="store_true", help="the notes are in a .mid file next to each reference"
    )
    parser.add_argument("--json", help="also write the rows to this file")
    arguments = parser.parse_args()

    pairs = scoring.pair_up(arguments.path, arguments.reference, arguments.midi)
    rows = scoring.score(tqdm(pairs, desc="scoring", unit="file", disable=len(pairs) < 2))
    if arguments.json:
        scoring.write(rows, arguments.json)
    shown = rows if len(rows) == 1 else [*rows, scoring.mean(rows)]
    header = list(shown[0])
    print(tables.text(header, [[row["name"], *(f"{row[name]:.3f}" for name in header[1:])] for row in shown]))


if __name__ == "__main__":
    cli.run(main)
