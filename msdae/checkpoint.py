"""Safetensors files whose JSON header says how to rebuild what they store. Nothing is ever unpickled."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.nn import init
from torch.overrides import TorchFunctionMode

from msdae.errors import UserError, printable
from msdae.files import atomic, reading

FORMAT = 1
FIX = "fetch or save it again"
_KEY = "msdae"
_FLOATS = ("F16", "BF16", "F32", "F64")
_DRAWN = (init.kaiming_uniform_, init.uniform_, torch.Tensor.uniform_, torch.Tensor.normal_)
_PICKLES = (b"PK", b"\x80")  # first bytes of files of torch.save: zip archives, or older pickles


def save(path: str | Path, kind: str, tensors: Mapping[str, torch.Tensor], header: Mapping[str, Any]) -> None:
    """Write `tensors` and the JSON-able `header` to the safetensors file `path`, atomically.

    kind: what the file holds, such as "prior" or "training state"; `load` refuses a file of another kind.
    """
    document = json.dumps({"format": FORMAT, "kind": kind, **header})
    owned: dict[str, torch.Tensor] = {}
    memory: set[int] = set()
    for name, tensor in tensors.items():
        stored = tensor.detach().cpu().contiguous()
        # safetensors stores no shared memory: weights that layers share are written once for each layer
        owned[name] = stored.clone() if stored.untyped_storage().data_ptr() in memory else stored
        memory.add(owned[name].untyped_storage().data_ptr())
    with atomic(path) as temporary:
        save_file(owned, str(temporary), metadata={_KEY: document})


def load(path: str | Path, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the header of a file that `save` wrote.

    Raises:
        UserError: the file is missing, truncated, not written by msdae, of another kind or of a newer format,
            or a tensor has NaN or infinity.
    """
    header = read_header(path, kind)
    with _open(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dictionary
    for name, tensor in tensors.items():
        values = tensor.float() if tensor.is_floating_point() else tensor
        if not values.isfinite().all():
            raise UserError(f"{printable(path)}: damaged ('{printable(name)}' has NaN or infinity); {FIX}")
    return tensors, header


def require_tensors(path: str | Path, expected: Mapping[str, torch.Tensor], fix: str = FIX) -> None:
    """Check the names, shapes and types of a file's tensors by its index, without reading the tensors.

    expected: {name: tensor}, which may be on the meta device. Floats may have another precision in the file.
    fix: what to do if they do not fit, for the error.

    Raises:
        UserError: a tensor is missing, unknown or of another shape, or only one of the two is of floats.
    """
    shapes = {name: list(tensor.shape) for name, tensor in expected.items()}
    with _open(path) as file:
        stored = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        for name in sorted(shapes.keys() ^ stored.keys()):
            which = "lacks" if name in shapes else "has an unknown tensor"
            reason = f"{which} '{printable(name)[:60]}'"
            raise UserError(f"{printable(path)}: its tensors do not fit its settings ({reason}); {fix}")
        for name, tensor in stored.items():
            shape, kind = tensor.get_shape(), tensor.get_dtype()
            if shape != shapes[name] or (kind in _FLOATS) != expected[name].is_floating_point():
                reason = f"'{name}' is {kind} {shape}, expected {shapes[name]}"
                raise UserError(f"{printable(path)}: its tensors do not fit its settings ({reason}); {fix}")


def restore(
    network: torch.nn.Module, tensors: Mapping[str, torch.Tensor], path: str | Path, fix: str
) -> torch.nn.Module:
    """Load `tensors`, read from the file `path`, into `network` in single precision, and return it.

    The network is put into evaluation mode and its parameters need no gradients.

    Raises:
        UserError: the tensors do not fit the network; the message ends with `fix`, what to do.
    """
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        raise UserError(f"{printable(path)}: its tensors do not fit its settings; {fix}") from error
    return network.eval().requires_grad_(False)


class Unset(TorchFunctionMode):
    """Inside the block, on this thread, the weights of new layers are left uninitialised.

    This is for networks whose weights are then read from a file: drawing them takes a tenth of a second.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in _DRAWN:
            return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
        return func(*args, **(kwargs or {}))


def kind_of(path: str | Path) -> str:
    """The `kind` that `save` was given for the file; raises as `load`."""
    return _header(path)["kind"]


def read_header(path: str | Path, kind: str, needs: Mapping[str, type] | None = None) -> dict[str, Any]:
    """The header of a file, without its tensors; raises as `load`.

    needs: {name: type} of entries that the header must have.
    """
    header = _header(path)
    if header["kind"] != kind:
        kinds = f"holds a {printable(header['kind'])[:60]}, expected a {kind}"
        raise UserError(f"{printable(path)}: {kinds}; give another file")
    _require_types(path, header, needs or {})
    return header


def halved(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors in half precision; integer tensors stay as they are."""
    return {name: x.half() if x.is_floating_point() else x for name, x in tensors.items()}


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
        raise UserError(
            f"{printable(path)}: a safetensors file, but not one that msdae wrote; give one of msdae's"
        )
    with reading(path, FIX):
        header = json.loads(document)
    if not isinstance(header, dict):
        raise UserError(f"{printable(path)}: damaged (its header is no JSON object); {FIX}")
    _require_types(path, header, {"format": int, "kind": str})
    if header["format"] > FORMAT:
        raise UserError(
            f"{printable(path)}: written by a newer msdae (format {header['format']}); upgrade msdae"
        )
    return header


def _require_types(path: str | Path, header: Mapping[str, Any], needs: Mapping[str, type]) -> None:
    for name, kind in needs.items():
        if type(header.get(name)) is not kind:
            reason = f"'{name}' of its header is {printable(header.get(name))[:40]}, expected {kind.__name__}"
            raise UserError(f"{printable(path)}: damaged ({reason}); {FIX}")


@contextmanager
def _open(path: str | Path) -> Iterator[Any]:
    with reading(path, FIX):
        if not Path(path).is_file():
            missing = "is not a file" if Path(path).exists() else "no such file"
            raise UserError(f"{printable(path)}: {missing}; give a .safetensors file")
    try:
        with safe_open(str(path), framework="pt") as file:
            yield file
    except SafetensorError as error:
        reason, fix = f"truncated, or not a safetensors file ({printable(error)[:120]})", FIX
        with reading(path, FIX), open(path, "rb") as opened:
            if opened.read(2).startswith(_PICKLES):
                reason = "a pickle, which could run anything, and is not read"
                fix = "give a .safetensors file"
        raise UserError(f"{printable(path)}: {reason}; {fix}") from error
