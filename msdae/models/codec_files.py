"""Which codec belongs to a checkpoint, and where its file is."""

import os
import shutil
from pathlib import Path

from msdae import codecs, files
from msdae.codecs.base import Codec
from msdae.errors import UserError, printable
from msdae.models.config import CodecConfig

CODEC = "codec.safetensors"  # beside a checkpoint, or in its hub repository, if its codec does not ship


def load(trained_on: CodecConfig, folder: Path | None = None, codec: str | Path | None = None) -> Codec:
    """The codec that a model was trained on.

    folder: the folder of the checkpoint, which may hold the codec's file.
    codec: name or file of the codec. By default the first that fits of these: the file beside the checkpoint,
        the file that was used in training, and the codec of that name that ships.

    Raises:
        UserError: no codec fits, or `codec` does not.
    """
    loaded = codecs.load(codec or find(trained_on, folder) or trained_on.name)
    require(trained_on, loaded)
    return loaded


def require(trained_on: CodecConfig, codec: Codec) -> None:
    """Raise a UserError if the model was trained on another codec than `codec`."""
    if codec.fingerprint != trained_on.fingerprint:
        name, fix = trained_on.name, "give that codec's file with --codec"
        if name in codecs.shipped() and codecs.load(name).fingerprint == trained_on.fingerprint:
            fix = f"give --codec {name}"
        raise UserError(
            f"codec '{codec.name}' ({codec.fingerprint[:12]}) is not the one that the model was trained "
            f"on ('{trained_on.name}', {trained_on.fingerprint[:12]}); {fix}, or take a checkpoint trained "
            "on this codec"
        )


def find(trained_on: CodecConfig, folder: Path | None = None) -> Path | None:
    """The codec's file, beside the checkpoint or where it was in training; None if the codec ships.

    Raises:
        UserError: the codec had a file in training, and it is in neither place.
    """
    places = [folder / CODEC] if folder else []
    if trained_on.path:
        places.append(Path(trained_on.path))
    for path in places:
        if path.is_file() and codecs.load(path).fingerprint == trained_on.fingerprint:
            return path
    if trained_on.path:
        raise UserError(
            f"codec '{trained_on.name}' ({trained_on.fingerprint[:12]}), which the model was trained on, is "
            f"neither {CODEC} beside the checkpoint nor {trained_on.path}; put it there, or give its file "
            "with --codec"
        )
    return None


def copy(source: str | Path | None, folder: str | Path) -> None:
    """Copy the codec's file `source`, if there is one, beside a checkpoint in `folder`.

    Raises:
        UserError: the folder has the file of another codec, or of the same with another decoder.
    """
    target = Path(folder) / CODEC
    if source is None or os.path.realpath(target) == os.path.realpath(source):
        return
    if target.is_file():
        resident, codec = codecs.load(target), codecs.load(source)
        if resident.identity != codec.identity:
            differs = "is another codec" if resident.fingerprint != codec.fingerprint else "decodes otherwise"
            reason = f"{differs} than the model's; choose another folder, or delete it"
            raise UserError(f"{printable(target)}: {reason}")
    with files.atomic(target) as temporary:
        shutil.copyfile(source, temporary)
