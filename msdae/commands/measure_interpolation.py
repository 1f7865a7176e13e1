"""Measure how steadily the timbre moves between two recordings."""

from collections.abc import Sequence

from msdae import cli, codecs
from msdae.evaluation.swapbench import cases, interpolation
from msdae.evaluation.swapbench.systems import Model
from msdae.models.autoencoder import Autoencoder
from msdae.nn.device import device


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "measure-interpolation",
        "Render SwapBench melodies at 11 strengths of level 1 and print how steadily the timbre moves (rank "
        "correlation with the strength) and what the melody's note F1 does meanwhile.",
        "--split test --cases 36",
    )
    parser.add_argument("--checkpoint", default="embedded", help="embedded, a file, a folder or a hub id")
    parser.add_argument("--split", choices=list(cases.SPLITS), default="test", help="of SwapBench")
    parser.add_argument("--cases", type=int, default=36, help="monophonic melodies")
    parser.add_argument("--seed", type=int, default=0, help="of the cases")
    cli.add_device(parser)
    options = parser.parse_args(argv)
    place = device(options.device)
    model = Autoencoder.from_pretrained(options.checkpoint).to(place)
    drawn = cases.plan(options.split, options.seed, {"monophonic": options.cases})
    system = Model("model", model, codecs.load(model.config.codec.name, str(place)))
    found = interpolation.courses(system, drawn)
    command = cli.command_line("measure-interpolation", argv)
    print(interpolation.table(found, options.split, command).markdown())
