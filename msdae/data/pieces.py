"""Pieces as codes: what priors are trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from msdae import checkpoint
from msdae.errors import UserError, printable
from msdae.files import reading

KIND = "pieces"
TEXT = "text"
HEADER = {"pieces": dict, "model": str, "data": str}


@dataclass(frozen=True, eq=False)
class Piece:
    """The codes of a recording.

    timbres: {level: (windows, channels)} of pooled levels, a code of each window; any of them is the sound's.
    melody: {level: (channels, code frames)} of the other levels. frames: latent frames that they cover.
    labels: what is known of the recording.
    texts: vectors of its captions, (captions, numbers); none by default.
    """

    name: str
    timbres: Mapping[int, torch.Tensor]
    melody: Mapping[int, torch.Tensor]
    frames: int
    labels: Mapping[str, Any] = field(default_factory=dict)
    texts: torch.Tensor | None = None


Splits = Mapping[str, Sequence[Piece]]  # {split: pieces}


def save(path: str | Path, pieces: Splits, model: str, data: str) -> None:
    """Write pieces to a safetensors file in half precision, atomically.

    model: fingerprint of the model whose codes they are. data: what they were made of, as a hash.
    """
    tensors, entries = {}, {}
    for split, members in pieces.items():
        entries[split] = [{"name": p.name, "frames": p.frames, "labels": dict(p.labels)} for p in members]
        for number, piece in enumerate(members):
            for level, code in {**piece.timbres, **piece.melody}.items():
                tensors[f"{split}.{number}.{level}"] = code.half()
            if piece.texts is not None:
                tensors[f"{split}.{number}.{TEXT}"] = piece.texts.half()
    checkpoint.save(path, KIND, tensors, {"pieces": entries, "model": model, "data": data})


def load(path: str | Path, model: str, data: str, pooled: Sequence[int]) -> dict[str, list[Piece]]:
    """The pieces in a file that `save` wrote. pooled: levels whose codes are timbres.

    Raises:
        UserError: there is no such file, it is damaged, or its pieces are of another model or of other data.
    """
    header = checkpoint.read_header(path, KIND, HEADER)
    if (header["model"], header["data"]) != (model, data):
        raise UserError(f"{printable(path)}: codes of another model or of other recordings; delete it")
    tensors, _ = checkpoint.load(path, KIND)
    pieces: dict[str, list[Piece]] = {}
    with reading(path, "delete it"):
        parts: dict[str, dict[str, torch.Tensor]] = {}  # by split and number
        for name, tensor in tensors.items():
            owner, _, part = name.rpartition(".")
            parts.setdefault(owner, {})[part] = tensor.float()
        for split, entries in header["pieces"].items():
            pieces[split] = []
            for number, entry in enumerate(entries):
                own = parts.get(f"{split}.{number}", {})
                texts = own.pop(TEXT, None)
                codes = {int(level): code for level, code in own.items()}
                timbres = {level: codes.pop(level) for level in pooled}
                known = entry["name"], timbres, codes, entry["frames"], entry["labels"], texts
                pieces[split].append(Piece(*known))
    return pieces
