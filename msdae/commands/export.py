"""Write a trained model in half precision as ONNX or as a plugin, or push it to the hub."""

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msdae import cli, files
from msdae.errors import UserError, printable

if TYPE_CHECKING:
    from msdae.models.autoencoder import Autoencoder


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "export",
        "Write a model's weights in half precision to a file, or push them to the hub, or its encoders, one\n"
        "evaluation of its denoiser and of its student, and the network of its codec's decoder as ONNX;\n"
        "or a learnt sound, or that of a recording, as a plugin of Neutone FX.",
        "runs/small/stage3/model.safetensors --out mine.safetensors",
    )
    parser.add_argument("checkpoint", help="the model: a file, a folder or a hub id")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, help="file to write")
    target.add_argument("--push", metavar="OWNER/NAME", help="hub repository to push to (single precision)")
    target.add_argument("--onnx", type=Path, metavar="FOLDER", help="folder to write ONNX files to")
    target.add_argument(
        "--neutone", type=Path, metavar="FILE", help="plugin file to write for Neutone FX (.nm)"
    )
    sound = parser.add_mutually_exclusive_group()
    sound.add_argument("--sound", type=Path, metavar="FILE", help="a learnt sound, for --neutone")
    sound.add_argument("--timbre", type=Path, metavar="FILE", help="a timbre source, for --neutone")
    options = parser.parse_args(argv)
    from msdae.models import codec_files, hub
    from msdae.models.autoencoder import Autoencoder

    if options.neutone:
        _neutone(options)
        return
    if options.sound or options.timbre:
        raise UserError("--sound and --timbre are of a plugin; give --neutone FILE, or leave them out")
    if options.out:
        files.check_ending(options.out, ".safetensors")
        files.check_replaceable(options.out)
        given = Path(options.checkpoint)
        files.check_apart([options.out], [given, given / hub.WEIGHTS])
    elif options.push and not hub.ID.fullmatch(options.push):
        raise UserError(f"--push {printable(options.push)[:60]}: give a hub id, as owner/name")
    model = Autoencoder.from_pretrained(options.checkpoint)
    if options.push:
        print(_pushed(model, options.push))
        return
    if options.onnx:
        for path in _onnx(model, options.onnx):
            print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
        return
    write(model, options.out)
    size = options.out.stat().st_size / 1e6
    steps = model.provenance.get("steps", "unknown")
    print(f"{options.out}: {size:.1f} MB, {type(model).__name__}, steps of its stages: {steps}")
    for file in (hub.STUDENT, codec_files.CODEC):
        if model.folder and (model.folder / file).is_file():
            print(f"{options.out.parent / file}: belongs to it")


def _pushed(model: "Autoencoder", name: str) -> str:
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    network = HfHubHTTPError.__base__  # the base of all HTTP errors, whichever library the client uses

    try:
        return model.push_to_hub(name)
    except (HFValidationError, network, OSError) as error:
        reason = str(error).strip().partition("\n")[0][:120]
        fix = "check the network, and the login with hf auth login"
        raise UserError(f"--push {name}: the Hugging Face hub did not take it ({reason}); {fix}") from error


def _neutone(options: argparse.Namespace) -> None:
    """Write the live engine with a sound as a plugin for Neutone FX."""
    if importlib.util.find_spec("neutone_sdk") is None:
        raise UserError(
            "--neutone: needs Neutone's SDK: pip install --no-deps neutone_sdk && pip install jsonschema"
        )
    if not (given := options.sound or options.timbre):
        raise UserError("--neutone: no sound; give --sound FILE, which learn-sound wrote, or --timbre FILE")
    files.check_ending(options.neutone, ".nm")
    files.check_replaceable(options.neutone)
    files.check_apart([options.neutone], [given])
    from msdae.inference import neutone
    from msdae.inference.encoding import timbre_of
    from msdae.inference.pipeline import Pipeline
    from msdae.inference.settings import LiveConfig
    from msdae.inference.streaming import Engine

    pipeline = Pipeline.from_pretrained(options.checkpoint, "cpu")
    sound = pipeline.load_sound(given).codes if options.sound else cli.open_source(given)
    engine = Engine(pipeline, timbre_of(pipeline, sound), LiveConfig())
    neutone.write(engine, options.neutone, given.stem)
    print(f"wrote {options.neutone} ({options.neutone.stat().st_size / 1e6:.1f} MB)")


def _onnx(model: "Autoencoder", folder: Path) -> list[Path]:
    from msdae.inference import onnx
    from msdae.models import codec_files, student

    onnx.require_packages()
    codec = codec_files.load(model.config.codec, model.folder)
    return onnx.write(model, codec, folder, student.beside(model))


def write(model: "Autoencoder", path: Path) -> None:
    """Write the model in half precision; beside it its student, and its codec's file if that does not ship.

    Raises:
        UserError: the file cannot be written, or the file of another codec or student is beside it.
    """
    import torch

    from msdae.models import codec_files, hub

    codec_files.copy(codec_files.find(model.config.codec, model.folder), path.parent)
    hub.copy_student(model.folder, path.parent)
    model.save(path, torch.float16)
