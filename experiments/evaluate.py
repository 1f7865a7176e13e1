"""Score reconstructions of held-out clips."""

import json
from datetime import date
from pathlib import Path

from msdae import cli, data, tables
from msdae.checkpoint import atomic
from msdae.data import ClipCache
from msdae.evaluation import reconstruction
from msdae.models import Autoencoder


def main() -> None:
    parser = cli.parser(
        "Reconstruct clips of the test split and compare notes and spectrum with the original; 'original' is "
        "the transcriber's own ceiling and 'codec' the one that the codec allows.",
        "python experiments/evaluate.py --checkpoint embedded runs/mine/stage3/model.safetensors",
    )
    parser.add_argument("--checkpoint", nargs="+", default=["embedded"], help="models, side by side")
    parser.add_argument("--data", type=Path, help="prepared data set (default: the embedded one)")
    parser.add_argument("--split", default="test", help="train, valid, test or unseen")
    parser.add_argument("--clips", type=int, default=100, help="how many, spread over the pieces")
    parser.add_argument("--seed", type=int, default=0, help="of the sampler's noise")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    cli.add_device(parser)
    options = parser.parse_args()

    device = cli.device(options.device)
    models = {name: Autoencoder.from_pretrained(name) for name in options.checkpoint}
    cache = ClipCache((options.data or data.embedded()) / options.split)
    scores = reconstruction(models, cache, options.clips, device, options.seed)
    metrics = list(dict.fromkeys(score.metric for score in scores))
    by_row = {row: [s for s in scores if s.row == row] for row in dict.fromkeys(s.row for s in scores)}
    lines = [
        [row, *(f"{s.mean:.3f} [{s.low:.3f}, {s.high:.3f}]" for s in found)] for row, found in by_row.items()
    ]
    print(f"{scores[0].clips} clips of {cache.path}, seed {options.seed}, {date.today()}")
    print(tables.text(["row", *metrics], lines))
    if options.json:
        with atomic(options.json) as temporary:
            temporary.write_text(json.dumps([vars(score) for score in scores], indent=1) + "\n")


if __name__ == "__main__":
    cli.run(main)
