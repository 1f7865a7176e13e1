"""Train the networks of the metrics: timbre and instruments."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from msdae import cli, codecs, files, folders
from msdae.evaluation.metrics.settings import MetricConfig
from msdae.locks import only_process


def main(argv: Sequence[str] | None = None) -> None:
    options = _parse(argv)
    from msdae.evaluation.metrics import classifier, learning, renditions, timbre
    from msdae.evaluation.swapbench import real
    from msdae.evaluation.tables import check_file, write
    from msdae.nn.device import device
    from msdae.synthesis import soundfont

    if options.json:
        check_file(options.json)

    hardened = dict.fromkeys([*MetricConfig.codecs, *options.harden])
    settings = cli.configured(MetricConfig, options, codecs=tuple(hardened))
    where = (settings, options.clips_folder)
    checked = [str(soundfont.default()), *options.check]
    if options.out and not options.only_check:
        files.make_folder(options.out)
    for font in (*checked, *options.soundfont):
        soundfont.fingerprint(font)  # a font that cannot be read is reported before the work
    for codec in settings.codecs:
        codecs.load(codec)
    place = device(options.device)
    recorded, held_out = renditions.recorded(options.samples, options.unseen_samples, real.is_held_out)
    if options.only_check:
        networks = tuple(
            module.load(options.out and options.out / name)
            for module, name in ((timbre, learning.TIMBRE), (classifier, learning.CLASSIFIER))
        )
    else:
        learnt = [checked[0], *options.soundfont]
        out = options.out or folders.runs() / "timbre"
        with only_process(out):
            networks = learning.fit(learnt, *where, out, options.workers, tqdm, recorded, place)
    table = learning.check(*networks, checked, *where, options.workers, tqdm, recorded, held_out, place)
    print(table.text())
    if options.json:
        write(options.json, [replace(table, command=cli.command_line("train-metrics", argv))])


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(
        "train-metrics",
        "Render the seen instruments of SoundFonts and of libraries of recorded samples on training pieces,\n"
        "clean, in rooms and through codecs, fit timbre.safetensors and classifier.safetensors to them, and\n"
        "print how well these tell seen and held-out instruments apart.",
        "--soundfont FluidR3_GM.sf2 --samples data/samples --out runs/timbre",
    )
    parser.add_argument(
        "--soundfont",
        action="append",
        default=[],
        metavar="FILE",
        help="SoundFont to learn from beside TimGM6mb (repeatable)",
    )
    parser.add_argument(
        "--check",
        action="append",
        default=[],
        metavar="FILE",
        help="SoundFont whose held-out instruments are measured on too (repeatable)",
    )
    parser.add_argument(
        "--samples",
        action="append",
        default=[],
        metavar="DIR",
        help="library of recorded samples to learn from too; instruments of the split 'real' are only "
        "measured on (repeatable)",
    )
    parser.add_argument(
        "--unseen-samples",
        action="append",
        default=[],
        metavar="DIR",
        help="library whose instruments are only measured on, even if --samples has them (repeatable)",
    )
    parser.add_argument(
        "--harden",
        action="append",
        default=[],
        metavar="CODEC",
        help=f"codec name or file: clips that went through it are learnt from and measured on, beside those "
        f"of {' and '.join(MetricConfig.codecs)} (repeatable)",
    )
    parser.add_argument(
        "--only-check",
        action="store_true",
        help="fit nothing; measure the networks in --out, or those that ship",
    )
    parser.add_argument("--out", type=Path, help="folder of the two files (default: runs/timbre)")
    parser.add_argument(
        "--clips-folder", type=Path, default=folders.data() / "timbre", help="folder of the rendered clips"
    )
    cli.add_config(parser, MetricConfig, ("clips", "coded", "rooms", "steps", "seed"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table to this file")
    parser.add_argument("--workers", type=cli.positive, help="processes that render (default: all cores)")
    cli.add_device(parser)
    return parser.parse_args(argv)
