"""Probe what each code of a model holds: pitch, instrument, melody and more."""

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from tqdm import tqdm

from msdae import cli, folders
from msdae.analysis.probes.tasks import TASKS
from msdae.limits import SEED
from msdae.locks import only_process
from msdae.models.registry import MODELS


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "run-probes",
        "Fit small networks that read pitch, instrument, melody and more from each code (h1 coarse to h3 "
        "fine) and from what it is compared with: the codec's latent, the log-mel, and codes of encoders "
        "with their initial weights. Shows the thesis's tables 2 and 3 with its numbers beside these, every "
        "score with its bootstrap 95 % interval, and which level holds what. No probe is scored on a note or "
        "piece that it was fitted on.",
        "--checkpoint embedded hdae=runs/hdae/stage1/model.safetensors",
    )
    cli.add_checkpoints(parser)
    parser.add_argument("--model", choices=list(MODELS), help="probe the checkpoints of this kind only")
    parser.add_argument(
        "--data",
        nargs="+",
        default=None,
        help="folders with train/ and test/ of prepare_data.py, or single caches, three tenths of whose "
        "pieces and notes are held out to score the probes (default: the embedded data, made on first use)",
    )
    parser.add_argument(
        "--tasks",
        nargs="+",
        choices=list(TASKS),
        default=None,
        help="what to probe (default: all that the clips have labels for)",
    )
    parser.add_argument(
        "--seed",
        type=cli.ranged(SEED),
        default=0,
        help="seed of the probes and of their confidence intervals",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=folders.runs() / "probes",
        help="folder for probes.csv, probes.json and the tables",
    )
    cli.add_device(parser)
    options = parser.parse_args(argv)
    from msdae.analysis.probes import report

    report.check_folder(options.out)
    with only_process(options.out):
        _probe(options, cli.command_line("run-probes", argv))


def _probe(options: argparse.Namespace, command: str) -> None:
    from msdae import checkpoint
    from msdae.analysis import probes as probing
    from msdae.analysis.probes import inputs, report
    from msdae.analysis.probes.separation import separation
    from msdae.analysis.probes.study import SHARED
    from msdae.evaluation.tables import counted
    from msdae.nn.device import device

    checkpoints = cli.named(options.checkpoint, [SHARED])
    models = inputs.models(checkpoints, options.model, device(options.device))
    cli.note(f"probing {counted(len(models), 'model')}, some minutes for each on two cores")
    splits = {name: probing.open_split(path) for name, path in inputs.folders(options.data, tqdm).items()}
    tasks = options.tasks and list(dict.fromkeys(options.tasks))
    results = probing.run(models, splits, tasks, options.seed, tqdm)
    separations = separation(results)
    about = {
        "date": str(date.today()),
        "seed": options.seed,
        "command": command,
        "checkpoints": {
            name: {
                "model": model.kind,
                "stage": model.stage,
                "hash": checkpoint.fingerprint(model.state_dict(), {}),
            }
            for name, model in models.items()
        },
        "data": {name: split.fit.manifest.get("key") for name, split in splits.items()},
    }
    print(*(table.text() + "\n" for table in report.tables(results, separations)), sep="\n")
    print("written:", *report.write(results, separations, about, options.out, command))
