"""Safetensors files whose header holds the JSON that rebuilds what they store. Nothing is unpickled."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from msdae.errors import UserError
from msdae.files import atomic

FORMAT = 1
_KEY = "msdae"


def save(path: str | Path, kind: str, tensors: Mapping[str, torch.Tensor], header: Mapping[str, Any]) -> None:
    """Write `tensors` and the JSON-able `header` to the safetensors file `path`, atomically.

    kind: what the file holds ("model", "codec", "training state"); `load` refuses another.
    """
    document = json.dumps({"format": FORMAT, "kind": kind, **header})
    owned = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic(path) as temporary:
        save_file(owned, str(temporary), metadata={_KEY: document})


def load(path: str | Path, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and header of a file that `save` wrote.

    Raises:
        UserError: the file is missing, truncated, not one of msdae's, of another kind or newer.
    """
    header = read_header(path, kind)
    with _open(path) as file:
        names = file.keys()
        return {name: file.get_tensor(name) for name in names}, header


def restore(
    network: torch.nn.Module, tensors: Mapping[str, torch.Tensor], path: str | Path, fix: str
) -> torch.nn.Module:
    """`network` with the weights `tensors` of the file `path`, in single precision, for evaluation only.

    Raises:
        UserError: they do not fit; says what to do, `fix`.
    """
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        raise UserError(f"{path}: its tensors do not fit its settings; {fix}") from error
    return network.eval().requires_grad_(False)


def kind_of(path: str | Path) -> str:
    """What the file holds; raises as `load`."""
    return _header(path)["kind"]


def read_header(path: str | Path, kind: str) -> dict[str, Any]:
    """The header alone; raises as `load`."""
    header = _header(path)
    if header["kind"] != kind:
        raise UserError(f"{path}: holds a {header['kind']}, expected a {kind}")
    return header


def fingerprint(tensors: Mapping[str, torch.Tensor], settings: Mapping[str, Any]) -> str:
    """Hash (SHA-256, hex) of tensors and settings; equal values give equal hashes on any device."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _header(path: str | Path) -> dict[str, Any]:
    with _open(path) as file:
        document = (file.metadata() or {}).get(_KEY)
    if document is None:
        raise UserError(f"{path}: a safetensors file, but not one that msdae wrote")
    header = json.loads(document)
    if header["format"] > FORMAT:
        raise UserError(f"{path}: written by a newer msdae (format {header['format']}); upgrade msdae")
    return header


@contextmanager
def _open(path: str | Path) -> Iterator[Any]:
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    try:
        file = safe_open(str(path), framework="pt")
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path}: truncated, or not a safetensors file ({error}); fetch or save it again"
        ) from error
    with file:
        yield file
