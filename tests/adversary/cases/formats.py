"""Formats of sound: whole ones are read to their length, cut ones are refused."""

import formats
import torch
from harness import Case, calls

from msdae import audio

SLACK = 0.08  # seconds that encoders put around a recording


def _read(name: str, seconds: float):
    def call(place) -> None:
        waveform = audio.read(place / name)
        assert abs(len(waveform) / audio.SAMPLE_RATE - seconds) < SLACK, len(waveform) / audio.SAMPLE_RATE
        assert torch.isfinite(waveform).all() and 0.1 < waveform.abs().max() < 1

    return call


def _try(name: str):
    return lambda place: audio.read(place / name)


SAID = "cut short|not a readable|no samples"
CASES = [
    *calls((f"read @{name}", "", _read(name, seconds)) for name, seconds in formats.WHOLE.items()),
    *calls((f"read @cut-{name}", f"cut-{name}: .*({SAID})", _try(f"cut-{name}")) for name in formats.CUT),
    *calls(
        (f"read or refuse @cut-{name}", None, _try(f"cut-{name}"))
        for name in formats.WHOLE
        if name not in formats.CUT
    ),
    *calls(
        (f"read @head-{name}", f"head-{name}: .*({SAID})", _try(f"head-{name}")) for name in formats.WHOLE
    ),
    *(
        Case(
            f"swap --timbre @{name} --melody @{name} --out y.wav --steps 1 --device cpu",
            writes=("y.wav",),
        )
        for name in ("f-headerless.mp3", "f-chained.ogg", *["f.m4a"][: formats.HAS_AV])
    ),
]
