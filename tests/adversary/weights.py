"""Files of weights: a tiny model, a codec, codes and a training state, and what is wrong with edited ones."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from library import MAKERS, content, derived, original, within
from safetensors.torch import load_file, save_file

from msdae import checkpoint, codecs
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.msdae import MSDAE
from msdae.models.student import Student, StudentConfig

SHIPPED = Path(codecs.__file__).parents[1] / "assets"
MODEL, CODEC, CODES, STATE = "tiny.safetensors", "codec.safetensors", "codes.safetensors", "state.safetensors"
STUDENT = "student.safetensors"


def _model(path: Path) -> None:
    torch.manual_seed(0)
    codec = CodecConfig(fingerprint=codecs.load(codecs.DEFAULT).fingerprint)
    model = MSDAE(ModelConfig(widths=(16, 16, 16), hidden=16, code_channels=(8, 8, 8), codec=codec))
    for parameter in model.parameters():  # an untrained model ends in zeros
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save(path)


def _codes(path: Path) -> None:
    header = {"frames": 32, "stride": 24, "length": 32, "samples": 131072, "model": "m"}
    checkpoint.save(path, "codes", {"1": torch.zeros(1, 8, 1), "2": torch.zeros(1, 8, 4)}, header)


def _state(path: Path) -> None:
    header = {"step": 3, "same": {"model": {}, "data": ["key"]}}
    checkpoint.save(path, "training state", {"model.model.weight": torch.zeros(3)}, header)


def _student(path: Path) -> None:
    model = MSDAE.load(original(MODEL))
    Student.fresh(model, StudentConfig(rank=2), torch.Generator().manual_seed(0)).save(path)


def read_student(path: Path) -> Student:
    """The student of the tiny model in a file."""
    return Student.load(path, MSDAE.load(original(MODEL)))


MAKERS[MODEL] = _model
MAKERS[STUDENT] = _student
MAKERS[CODEC] = lambda path: path.write_bytes((SHIPPED / "spectral.safetensors").read_bytes())
MAKERS[CODES] = _codes
MAKERS[STATE] = _state


def parts(data: bytes) -> tuple[dict, dict, bytes]:
    """(header of safetensors without metadata, msdae's own header, tensors) of a file."""
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    return header, json.loads(header.pop("__metadata__")["msdae"]), data[8 + size :]


def joined(header: dict, document: Any, tensors: bytes) -> bytes:
    """The inverse of `parts`."""
    text = document if isinstance(document, str) else json.dumps(document)
    packed = json.dumps({"__metadata__": {"msdae": text}, **header}).encode()
    return struct.pack("<Q", len(packed)) + packed + tensors


def headed(name: str, source: str, change: Callable[[dict], Any]) -> None:
    """A file `name` that is `source` with another header: what `change` returns, or makes of it."""

    def edit(data: bytes) -> bytes:
        header, document, tensors = parts(data)
        changed = change(document)
        return joined(header, document if changed is None else changed, tensors)

    derived(name, source, edit)


def weighted(name: str, source: str, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """A file `name` that is `source` with other tensors."""

    def make(path: Path) -> None:
        tensors = load_file(original(source))
        document = parts(original(source).read_bytes())[1]
        changed = change(tensors) or tensors
        save_file(changed, path, metadata={"msdae": json.dumps(document)})

    MAKERS[name] = make


_BAD = {}  # file of a model: what is said of it
_ODD = (None, 7, "x", [], {}, -1)


def _register(stem: str, says: str, change: Callable[[dict], Any]) -> None:
    name = f"m-{stem}.safetensors"
    headed(name, MODEL, change)
    _BAD[name] = says


for _key in ("format", "kind", "model", "stage", "config"):
    _register(f"no-{_key}", f"m-no-{_key}.safetensors: ", within(_key))
for _key, _values in {
    "format": (None, "x", [], 2, 10**30),
    "kind": (None, 7, [], "codec", "codes", ""),
    "model": (None, 7, [], "vae", ""),
    "stage": (None, "x", [], 0, 4, -1, 1, 2.5, 10**9),
    "config": (None, 7, "x", []),
}.items():
    for _index, _value in enumerate(_values):
        _stem = f"{_key}-{_index}"
        _register(_stem, f"m-{_stem}.safetensors: ", within(_key, value=_value))
for _field, _values in {
    "widths": (None, [], [0, 0, 0], [16, 16], [-16, 16, 16], ["x"], [10**7] * 3, 16, [10**30] * 3),
    "inject": ([], [9, 9, 9], [-1, -1, -1], "x", [2]),
    "pooled": ([9], "x", [0]),
    "encoder": ("x", 7, None),
    "hidden": (0, -1, 10**7, "x", 17),
    "code_channels": ([], [0, 0, 0], [8], [7, 7, 7], [10**8] * 3),
    "guidance": ([], ["x"], [1e400] * 3),
    "dropout": (-1.0, 2.0, "x"),
    "P_std": (0.0, -1.0, "x"),
    "codec": (None, 7, {}, {"fingerprint": 7}, {"name": 7}, {"mean": [1.0]}, {"std": 0.0}, {"std": 1e400}),
    "mel": (None, {"bands": 0}, {"bands": 10**9}, {"bands": "x"}, {"x": 1}),
    "bands": (None, {"mean": [1.0]}, {"std": [0.0] * 128}, {"mean": "x"}),
    "surprise": (1,),
}.items():
    for _index, _value in enumerate(_values):
        _stem = f"config-{_field}-{_index}"
        _register(_stem, "safetensors|codec", within("config", _field, value=_value))
for _stem, _document in {
    "text": "x",
    "list": "[]",
    "number": "7",
    "null": "null",
    "deep": "[" * 50000,
}.items():
    _register(_stem, f"m-{_stem}.safetensors: ", lambda document, text=_document: text)


def _tensors(stem: str, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    name = f"m-{stem}.safetensors"
    weighted(name, MODEL, change)
    _BAD[name] = "safetensors|NaN"


_tensors("none", lambda tensors: {"x": torch.zeros(1)})
_tensors("one-missing", lambda tensors: {name: tensors[name] for name in sorted(tensors)[1:]})
_tensors("one-more", lambda tensors: tensors.update(surprise=torch.zeros(3)))
_tensors("other-shape", lambda tensors: tensors.update({sorted(tensors)[3]: torch.zeros(1, 2, 3)}))
_tensors("scalars", lambda tensors: {name: torch.zeros(()) for name in tensors})
_tensors("nan", lambda tensors: {name: tensor * torch.nan for name, tensor in tensors.items()})
_tensors("inf", lambda tensors: {name: tensor + torch.inf for name, tensor in tensors.items()})
_tensors("complex", lambda tensors: {name: tensor.to(torch.complex64) for name, tensor in tensors.items()})
_tensors("bool", lambda tensors: {name: tensor > 0 for name, tensor in tensors.items()})
for _index in range(20):
    _name = f"m-cut-{_index}.safetensors"
    derived(_name, MODEL, lambda data, share=_index / 20: data[: int(len(data) * share**3) + int(share * 9)])
    _BAD[_name] = f"{_name}: "

content("m-pickle.safetensors", b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nq\x00." + bytes(100))
content("m-zip.safetensors", b"PK\x03\x04" + bytes(100))
content("m-length.safetensors", struct.pack("<Q", 2**63) + bytes(100))
content("m-plain.safetensors", struct.pack("<Q", 2) + b"{}")
for _name in ("m-pickle", "m-zip", "m-length", "m-plain"):
    _BAD[f"{_name}.safetensors"] = f"{_name}.safetensors: "
for _name in (CODEC, CODES, STATE):
    _BAD[_name] = f"{_name}: "
MODELS = tuple(_BAD.items())
for _index, _value in enumerate((..., 7, "x", [])):  # says nothing that a swap needs
    headed(f"m-provenance-{_index}.safetensors", MODEL, within("provenance", value=_value))

# -- codecs

_CODECS = {}
for _field, _values in {
    "sample_rate": (0, -1, "x", 10**12),
    "n_fft": (0, "x", 10**12),
    "hop": (0, -512, 10**12),
    "bands": (0, 10**9),
    "channels": (0, 10**9, "x"),
    "block": (0, 10**9),
    "surprise": (1,),
}.items():
    for _index, _value in enumerate(_values):
        _name = f"c-{_field}-{_index}.safetensors"
        headed(
            _name,
            CODEC,
            lambda d, k=_field, v=_value: d[next(k for k in d if isinstance(d[k], dict))].update({k: v}),
        )
        _CODECS[_name] = "safetensors|codec"
for _index, _share in enumerate((0.0, 0.01, 0.5, 0.999)):
    _name = f"c-cut-{_index}.safetensors"
    derived(_name, CODEC, lambda data, share=_share: data[: int(len(data) * share)])
    _CODECS[_name] = f"{_name}: "
weighted("c-none.safetensors", CODEC, lambda tensors: {"x": torch.zeros(1)})
weighted(
    "c-nan.safetensors",
    CODEC,
    lambda tensors: {name: t * torch.nan if t.is_floating_point() else t for name, t in tensors.items()},
)
_CODECS |= {"c-none.safetensors": "c-none.safetensors: ", MODEL: f"{MODEL}: ", "text.wav": "text.wav: "}
CODEC_FILES = tuple(_CODECS.items())

# -- codes

weighted("codes-level.safetensors", CODES, lambda tensors: {"one": tensors["1"]})
weighted("codes-shape.safetensors", CODES, lambda tensors: {"1": torch.zeros(3)})
for _name, _change in {
    "length": within("length", value="x"),
    "no-frames": within("frames"),
    "frames": within("frames", value=0),
    "type": within("samples", value=[1]),
    "huge": within("length", value=10**15),
    "negative": within("stride", value=-1),
}.items():
    headed(f"codes-{_name}.safetensors", CODES, _change)
