"""Train the transcriber, which reads the notes of recordings."""

import argparse
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import cli, config, files, folders
from msdae.errors import UserError, printable, required
from msdae.limits import CLIPS
from msdae.locks import only_process

if TYPE_CHECKING:
    from msdae.data.sources import SourceFile
    from msdae.training.transcriber import TranscriberConfig

MEASURED = 200  # held-out examples


def main(argv: Sequence[str] | None = None) -> None:
    options = _parse(argv)
    from msdae.data import defaults
    from msdae.nn.device import device
    from msdae.training.processes import process_state
    from msdae.training.transcriber import PRODUCT, TranscriberConfig, train

    required(
        "mir_eval", "mir_eval, which measures the result, is not installed; run: pip install 'msdae[eval]'"
    )
    if options.out is not None:
        files.check_replaceable(options.out)
    settings = config.load(TranscriberConfig, options.config, options.set)
    left_out = _held_out(options.samples)
    files.make_folder(options.run)
    process_state(device(options.device))
    with only_process(options.run):
        splits = defaults.transcribed(options.data, options.clips, options.samples, left_out, tqdm)
        made = {
            "clips": len(splits.get("train", ())),
            "samples": [Path(library).resolve().name for library in options.samples],
        }
        if not train(settings, splits, options.run, made, tqdm):
            raise SystemExit(130)
        product = options.run / PRODUCT
        _measure(product, settings, splits["valid"], options.run)
        if options.out is not None:
            with files.atomic(options.out) as temporary:
                shutil.copyfile(product, temporary)
    print(f"wrote {options.out or product}")


def _held_out(libraries: Sequence[str]) -> list[str]:
    """The names of the libraries' instruments that are of the split "real" of SwapBench.

    Raises:
        UserError: a library cannot be read, or has no others.
    """
    from msdae.evaluation.swapbench import real
    from msdae.synthesis import sampler

    held_out = []
    for library in libraries:
        names = [one.name for one in sampler.instruments(library)]
        held_out += [name for name in names if real.is_held_out(name)]
        if all(map(real.is_held_out, names)):
            reason = "all of its instruments are those of SwapBench's split 'real', which nothing learns from"
            raise UserError(f"{printable(library)}: {reason}; give others")
    return held_out


def _measure(
    product: Path, settings: "TranscriberConfig", clips: "Sequence[SourceFile]", folder: Path
) -> None:
    """Print how well the transcriber in the file `product` reads held-out clips, alone and two at once."""
    import numpy as np
    import torch

    from msdae.audio.windows import Waveform
    from msdae.evaluation.metrics import melody
    from msdae.models import transcriber
    from msdae.training.transcriber import Mixtures

    network = transcriber.load(product)
    kinds: Mapping[str, float] = {"clips alone": 0.0, "two at once": 1.0}
    for name, two in kinds.items():
        mixtures = Mixtures(clips, replace(settings, two=two, three=0.0), folder)
        scores = []
        for number in tqdm(range(MEASURED), desc=name, unit="clip"):
            waveform, notes, _ = mixtures.draw(np.random.default_rng([0, number]))
            read = network.transcribe(Waveform(torch.from_numpy(waveform)))
            scores.append(melody.note_f1(notes, np.array(read)))
        print(f"held-out notes, {name}: F1 {np.mean(scores):.3f} ({MEASURED} clips)")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(
        "train-transcriber",
        "Render squares by TimGM6mb and by libraries of recorded samples, train the transcriber on them and\n"
        "print how many held-out notes it reads. Killed and started again, the same line continues.",
        "--samples data/samples --out transcriber.safetensors",
    )
    parser.add_argument(
        "--samples",
        action="append",
        default=[],
        metavar="DIR",
        help="library of recorded samples that plays too; instruments of the split 'real' are left out "
        "(repeatable)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=folders.data() / "transcriber",
        help="folder of the rendered clips, or of squares that were prepared",
    )
    parser.add_argument("--clips", type=cli.ranged(CLIPS), default=12000, help="clips to render for training")
    parser.add_argument("--config", type=Path, help="YAML file of settings that differ from the defaults")
    cli.add_set(parser, "override a setting, e.g. steps=500 or two=0.5")
    parser.add_argument(
        "--run", type=Path, default=folders.runs() / "transcriber", help="folder of the training"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the weights here")
    cli.add_device(parser)
    return parser.parse_args(argv)
