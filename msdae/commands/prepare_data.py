"""Prepare a data set for training: scan, report, encode, write caches or shards."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import cli, codecs, config, folders, launcher
from msdae.data.sets import DATASETS
from msdae.errors import UserError
from msdae.limits import CLIPS, SEED, Range
from msdae.progress import silent

if TYPE_CHECKING:
    from msdae.audio.mel import MelConfig
    from msdae.data.rendering import RenderConfig

SHARD = Range(1, 10_000, reason="a shard is read into memory whole, 0.14 MB a clip")
WORKERS = Range(1, 1024, reason="each takes 0.4 GB of memory, with large SoundFonts 2 GB")
RENDERED = ("maqam", "notes", "squares", "synth", "tracks")  # data sets that are rendered
PLAYING = ("samples", "unseen_samples", "synthesizers")  # options of squares that say what plays
# Options that set a field of the rendering's settings.
FIELDS = ("clips", "seed", "soundfonts", "unseen_soundfonts", *PLAYING)


def main(argv: Sequence[str] | None = None) -> None:
    options = _parse(argv)
    from msdae.data.encode import Encoding
    from msdae.data.prepare import prepare_set
    from msdae.nn.device import device

    out = options.out or folders.data() / options.dataset
    prepare_set(
        options.dataset,
        out,
        Encoding(options.codec, _mel(options.mel_of), str(device(options.device))),
        options.source,
        _rendering(options),
        options.strict,
        options.workers,
        options.shards,
        tqdm if launcher.rank() == 0 else silent,
    )
    if launcher.rank() == 0 and (options.dataset == "squares" or DATASETS[options.dataset].config is None):
        _say_what_follows(options, out)


def _say_what_follows(options: argparse.Namespace, out: Path) -> None:
    """Print the next command lines: to train stage 1 or, if other data than squares fit the model that ships,
    to train that model further, and to swap."""
    from msdae.data.cache import fits_shipped, read_manifest

    if not all((out / split).exists() for split in ("train", "valid")):
        return  # the report says which split is missing for training
    stage = ["1"] if options.mel_of is None else ["1", "--config", str(options.mel_of)]
    fits = options.dataset != "squares" and fits_shipped(read_manifest(out / "train"))
    training = ["--stage", *(["3", "--from", "embedded"] if fits else stage), "--data", str(out)]
    if options.codec != codecs.DEFAULT or options.mel_of:  # the file --mel-of may name another codec
        training += ["--set", f"model.codec.name={options.codec}"]
    print(f"next: {cli.command_line('train-stage', [*training, '--run', 'runs/NAME'])}")
    if fits:
        print(f"then: {cli.program('swap')} --timbre a.wav --melody b.wav --checkpoint runs/NAME/stage3")


def _rendering(options: argparse.Namespace) -> "RenderConfig | None":
    """The settings of the rendering; None if the data set is not rendered.

    Raises:
        UserError: settings are given for a data set that is not rendered, or are unknown.
    """
    kind = DATASETS[options.dataset].config
    if any(getattr(options, name) for name in PLAYING) and not hasattr(kind, "samples"):
        raise UserError(
            f"--dataset {options.dataset}: plays no samples or synthesizers; leave out --samples, "
            "--unseen-samples and --synthesizer"
        )
    values = {name: getattr(options, name) for name in FIELDS if getattr(options, name) is not None}
    overrides = [f"{name}={json.dumps(value)}" for name, value in values.items()]
    if kind is None:
        if options.config or options.set or overrides:
            raise UserError(
                f"--dataset {options.dataset}: is not rendered; leave out --config, --set, --clips, --seed, "
                "--soundfont and --unseen-soundfont"
            )
        return None
    return config.load(kind, options.config, [*overrides, *options.set])


def _mel(path: Path | None) -> "MelConfig":
    """The mel settings of the model that the YAML file configures, or the default ones."""
    from msdae.audio.mel import MelConfig

    if path is None:
        return MelConfig()
    from msdae.training.autoencoder import TrainConfig

    return config.load(TrainConfig, path, (), "training").model.mel


def add_samples(arguments: argparse._ActionsContainer) -> None:
    """Add --samples DIR and --unseen-samples DIR of squares, which may be given several times."""
    arguments.add_argument(
        "--samples",
        action="append",
        metavar="DIR",
        help="squares: library of recorded samples, as SFZ files or folders of samples (repeatable)",
    )
    arguments.add_argument(
        "--unseen-samples",
        action="append",
        metavar="DIR",
        help="squares: library to hold out, also where --samples contains it (repeatable)",
    )


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(
        "prepare-data",
        "Cut recordings into clips, encode them and write OUT/{train,valid,test,...}. A run that was killed "
        "continues when it is started again. Under `accelerate launch` all processes share the work.",
        "--dataset folder --source ~/Music --out data/mine",
    )
    rendered = ", ".join(RENDERED)
    parser.add_argument("--dataset", required=True, choices=list(DATASETS), help="kind of data set")
    parser.add_argument(
        "--source",
        type=Path,
        help=f"folder of the recordings; for {rendered}: where to render them (default: OUT/source)",
    )
    parser.add_argument("--out", type=Path, help="folder of the prepared data set (default: data/DATASET)")
    names = ", ".join(codecs.CODECS)
    parser.add_argument("--codec", default=codecs.DEFAULT, help=f"{names}, or the file of a trained codec")
    parser.add_argument("--strict", action="store_true", help="stop at the first rejected file")
    parser.add_argument(
        "--shards", type=cli.ranged(SHARD), help="write WebDataset shards of this many clips instead"
    )
    parser.add_argument(
        "--workers", type=cli.ranged(WORKERS), help="processes on this machine (default: all cores)"
    )
    parser.add_argument(
        "--mel-of",
        type=Path,
        metavar="FILE",
        help="YAML file of the training that it is for, if its mel differs",
    )
    rendering = parser.add_argument_group("rendered data sets", rendered)
    rendering.add_argument(
        "--config", type=Path, help="YAML file of settings that differ from the default rendering"
    )
    cli.add_set(rendering, "override a setting, e.g. single_notes=0.5 or sound.effects.room=0 (squares)")
    rendering.add_argument("--clips", type=cli.ranged(CLIPS), help="approximate number of clips for training")
    rendering.add_argument(
        "--seed", type=cli.ranged(SEED), help="seed of the rendering; the same seed gives the same bytes"
    )
    rendering.add_argument(
        "--soundfont", dest="soundfonts", action="append", help="sf2 or sf3 file or its name (repeatable)"
    )
    rendering.add_argument(
        "--unseen-soundfont",
        dest="unseen_soundfonts",
        action="append",
        help="SoundFont for the unseen split (repeatable)",
    )
    add_samples(rendering)
    rendering.add_argument(
        "--synthesizer",
        dest="synthesizers",
        action="append",
        help="squares: dx7, faust or vita, from the extra 'synthesizers' (repeatable)",
    )
    cli.add_device(parser)
    return parser.parse_args(argv)
