"""Models, codecs and codes that are edited, cut, foreign or something else."""

from harness import Case, bad, calls
from weights import CODEC_FILES, MODELS

SWAP = "swap --timbre @a.wav --melody @b.wav --out y.wav --steps 1 --device cpu"
PLACES = [
    ("missing.safetensors", "missing.safetensors: no such file"),
    ("@folder", "folder"),
    ("@text.wav", "text.wav: "),
    ("/dev/null", "/dev/null: "),
    ("@fifo", "fifo: "),
    ("''", "checkpoint|file|embedded"),
    ("owner/name", "owner/name: .*hub"),
    ("../../../etc", "etc: "),
    ("http://example.org/m", "m: "),
    (f"{'n' * 300}.safetensors", "nnn.safetensors: "),
    ("@loop.wav", "loop.wav: "),
]
CODEC_PLACES = [
    ("missing.safetensors", "missing.safetensors"),
    ("@folder", "folder"),
    ("/dev/null", "/dev/null"),
    ("@fifo", "fifo"),
    ("spectral", "spectral"),
    ("music", "music"),
    ("__init__", "__init__"),
    (f"{'n' * 300}", "nnn"),
]


def _codes(name: str):
    from msdae.inference.codes import Codes

    return lambda place: Codes.load(place / name)


CASES = [
    *bad(f"{SWAP} --checkpoint {{}}", [(f"@{name}", says) for name, says in MODELS] + PLACES),
    *bad("export {} --out e.safetensors", PLACES + [(f"@{name}", says) for name, says in MODELS[:16]]),
    *bad(f"{SWAP} --codec {{}}", [(f"@{name}", says) for name, says in CODEC_FILES] + CODEC_PLACES),
    *bad("compare-codecs --cases 1 --codec {}", CODEC_PLACES[:4]),
    *calls(
        (f"load-codes @{name}", says, _codes(name))
        for name, says in [
            ("text.wav", "text.wav"),
            ("tiny.safetensors", "tiny.safetensors"),
            ("folder", "folder"),
            *(
                (f"codes-{kind}.safetensors", f"codes-{kind}.safetensors")
                for kind in ("level", "shape", "length", "no-frames", "frames", "type", "huge", "negative")
            ),
        ]
    ),
    *(
        Case(f"{SWAP} --checkpoint @m-provenance-{index}.safetensors", None, leaves=("y.wav",))
        for index in range(4)
    ),
    Case(f"{SWAP} --checkpoint @tiny.safetensors", writes=("y.wav",), seconds=1.5),
    Case("export @tiny.safetensors --out e.safetensors", writes=("e.safetensors",)),
    Case(f"{SWAP} --checkpoint embedded --codec spectral-neural", writes=("y.wav",), seconds=1.5),
]
