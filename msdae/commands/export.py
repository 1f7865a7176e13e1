"""Write a trained model in half precision, or push it to the Hugging Face hub."""

from collections.abc import Sequence
from pathlib import Path

import torch

from msdae import cli, files
from msdae.models import codec_files
from msdae.models.autoencoder import Autoencoder


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "export",
        "Write a model's weights in half precision to a file, or push them to the hub.",
        "runs/small/stage3/model.safetensors --out mine.safetensors",
    )
    parser.add_argument("checkpoint", help="model: a file, a folder or a hub id")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, help="file to write")
    target.add_argument("--push", metavar="OWNER/NAME", help="hub repository to push to (single precision)")
    options = parser.parse_args(argv)
    if options.out:
        files.check_replaceable(options.out)
    model = Autoencoder.from_pretrained(options.checkpoint)
    if options.push:
        print(model.push_to_hub(options.push))
        return
    write(model, options.out)
    size = options.out.stat().st_size / 1e6
    steps = model.provenance.get("steps", "unknown")
    print(f"{options.out}: {size:.1f} MB, {type(model).__name__}, steps of its stages: {steps}")


def write(model: Autoencoder, path: Path) -> None:
    """Write the model in half precision, and beside it the file of a codec that does not ship.

    Raises:
        UserError: the file cannot be written, or another codec's file lies beside it.
    """
    codec_files.copy(codec_files.find(model.config.codec, model.folder), path.parent)
    model.save(path, torch.float16)
