"""The Python interface with arguments of other types, shapes and values: an error with words, or a result."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from harness import Case, calls
from library import original, tone

NAN = float("nan")


@functools.cache
def pipeline():
    """The model that ships, one step."""
    from msdae.inference.pipeline import Pipeline, Sampling

    return Pipeline.from_pretrained("embedded", "cpu", Sampling(steps=1))


@functools.cache
def codes():
    return pipeline().encode(wave(), 44100)


def wave(seconds: float = 1.0) -> np.ndarray:
    return tone(seconds)[:, 0].astype(np.float32)


def do(call: Callable[[], Any]) -> Callable:
    return lambda place: call()


def sampling(**settings):
    from msdae.inference.pipeline import Sampling

    return Sampling(**settings)


def mix(*arguments, **others):
    from msdae.inference.pipeline import Mix

    return Mix(*arguments, **others)


def edited(**changes):
    import dataclasses

    return dataclasses.replace(codes(), **changes)


SOUNDS = {  # what is no sound
    "empty": lambda: np.zeros(0, np.float32),
    "nan": lambda: wave() * NAN,
    "inf": lambda: wave() + np.inf,
    "3-dimensional": lambda: np.zeros((2, 3, 100), np.float32),
    "no-channels": lambda: np.zeros((0, 100), np.float32),
    "no-samples": lambda: np.zeros((2, 0), np.float32),
    "scalar": lambda: np.float32(1),
    "complex": lambda: wave().astype(np.complex64),
    "text-array": lambda: np.array(["a", "b"]),
    "objects": lambda: np.array([None, 1], object),
    "bool": lambda: wave() > 0,
    "none": lambda: None,
    "number": lambda: 7,
    "dictionary": lambda: {"a": 1},
    "bytes": lambda: b"RIFF",
    "empty-list": lambda: [],
    "missing-file": lambda: "nowhere.wav",
    "empty-name": lambda: "",
    "nul-name": lambda: "a\0b.wav",
    "torch-empty": lambda: torch.zeros(0),
    "torch-nan": lambda: torch.full((44100,), NAN),
    "torch-complex": lambda: torch.zeros(100, dtype=torch.complex64),
}
GOOD_SOUNDS = {
    "int16": lambda: (wave() * 32767).astype(np.int16),
    "float64": lambda: wave().astype(np.float64),
    "float16": lambda: torch.from_numpy(wave()).half(),
    "big-endian": lambda: wave().astype(">f4"),
    "strided": lambda: np.repeat(wave(), 2)[::2],
    "reversed": lambda: wave()[::-1],
    "fortran": lambda: np.asfortranarray(np.stack([wave(), wave()])),
    "stereo": lambda: np.stack([wave(), wave()]),
    "row": lambda: torch.from_numpy(wave())[None],
    "gradient": lambda: torch.from_numpy(wave()).requires_grad_(),
    "read-only": lambda: np.broadcast_to(wave(), (2, 44100)),
    "path": lambda: original("a.wav"),
    "name": lambda: str(original("a.wav")),
}


def _is_sound(make: Callable[[], Any]) -> Callable:
    def call(place) -> None:
        out = pipeline().swap(wave(), make())
        assert out.shape == (44100,) and bool(torch.isfinite(out).all()) and float(out.abs().max()) > 1e-4

    return call


def _codes_of(change: Callable[[], Any]) -> Callable:
    return do(lambda: pipeline().sample(change()))


CASES = [
    *calls(
        (f"api.encode {name}", ".", do(lambda make=make: pipeline().encode(make())))
        for name, make in SOUNDS.items()
    ),
    *calls(
        (f"api.swap {name}", ".", do(lambda make=make: pipeline().swap(make(), wave())))
        for name, make in list(SOUNDS.items())[:14]
    ),
    *calls((f"api.swap-good {name}", "", _is_sound(make)) for name, make in GOOD_SOUNDS.items()),
    *calls(
        (f"api.rate {value}", "sample_rate|rate", do(lambda value=value: pipeline().encode(wave(), value)))
        for value in (0, -1, NAN, np.inf, "x", [], 10**12, 1)
    ),
    *calls(
        (f"api.samples {value}", "samples", do(lambda value=value: pipeline().encode(wave(), samples=value)))
        for value in (0, -1, NAN, "x", 1.5, 10**12)
    ),
    *calls(
        (f"api.levels {value}", "level", do(lambda value=value: pipeline().encode(wave(), levels=value)))
        for value in ((0,), (4,), (-1,), ("x",), 1, (None,), (1.5,), "1", (True, "2"))
    ),
    *calls(
        (
            f"api.strength {value}",
            "strength",
            do(lambda value=value: pipeline().swap(wave(), wave(), strength=value)),
        )
        for value in (-1, 2, NAN, "x", None, [0.5])
    ),
    *calls(
        (f"api.steps {value}", "steps", do(lambda value=value: sampling(steps=value)))
        for value in (0, -1, 1.5, NAN, "x", 10**9, [1], True and "1")
    ),
    *calls(
        (f"api.seed {value}", "seed", do(lambda value=value: sampling(seed=value)))
        for value in (-1, 1.5, "x", None, 2**64, NAN)
    ),
    *calls(
        (f"api.guidance {value}", "guidance", do(lambda value=value: sampling(guidance=value)))
        for value in ((NAN,), (np.inf,), "x", (None,), ("1",), 1e30, (1e30,))
    ),
    *calls(
        (f"api.sampler {value}", "sampler|x", do(lambda value=value: sampling(sampler=value)))
        for value in ("x", 7, "")
    ),
    *calls(
        (f"api.count {value}", "count", do(lambda value=value: pipeline().interpolate(wave(), wave(), value)))
        for value in (0, 1, -1, 1.5, "x", 10**12)
    ),
    *calls(
        (
            f"api.batch {value}",
            "batch",
            do(lambda value=value: type(pipeline())(pipeline().model, pipeline().codec, batch=value)),
        )
        for value in (0, -1, 1.5, "x", None)
    ),
    *calls(
        (f"api.decode {name}", "latents|NaN|z", do(lambda make=make: pipeline().decode(make())))
        for name, make in {
            "1-dimensional": lambda: torch.zeros(64),
            "channels": lambda: torch.zeros(63, 32),
            "no-frames": lambda: torch.zeros(64, 0),
            "no-batch": lambda: torch.zeros(0, 64, 32),
            "nan": lambda: torch.full((64, 32), NAN),
            "integers": lambda: torch.zeros(64, 32, dtype=torch.int64),
            "complex": lambda: torch.zeros(64, 32, dtype=torch.complex64),
            "4-dimensional": lambda: torch.zeros(1, 1, 64, 32),
            "numpy": lambda: np.zeros(64, np.float32),
            "none": lambda: None,
        }.items()
    ),
    *calls(
        (f"api.mix {name}", ".", do(call))
        for name, call in {
            "level-0": lambda: pipeline().mix(codes(), {0: codes()}),
            "level-9": lambda: pipeline().mix(codes(), {9: codes()}),
            "level-text": lambda: pipeline().mix(codes(), {"1": codes()}),
            "strength": lambda: pipeline().mix(codes(), {1: codes()}, NAN),
            "other-model": lambda: pipeline().mix(codes(), {1: edited(model="other")}),
            "no-codes": lambda: pipeline().mix(codes(), {1: wave()}),
            "none": lambda: pipeline().mix(None, {}),
            "list": lambda: pipeline().mix(codes(), [codes()]),
            "absent-level": lambda: pipeline().mix(codes(), {2: pipeline().encode(wave(), levels=[1])}),
        }.items()
    ),
    *calls(
        (f"api.sample {name}", ".", _codes_of(make))
        for name, make in {
            "no-levels": lambda: edited(levels={}),
            "nan": lambda: edited(levels={k: v * NAN for k, v in codes().levels.items()}),
            "channels": lambda: edited(levels={k: v[:, :3] for k, v in codes().levels.items()}),
            "stride-0": lambda: edited(stride=0),
            "frames-0": lambda: edited(frames=0),
            "length-huge": lambda: edited(length=10**12),
            "none": lambda: None,
            "number": lambda: 7,
            "text": lambda: ["x"],
            "other-model": lambda: edited(model="x"),
        }.items()
    ),
    *calls(
        (f"api.codes {name}", ".", do(call))
        for name, call in {
            "replace-level": lambda: codes().replace(9, torch.zeros(1)),
            "replace-shape": lambda: codes().replace(1, torch.zeros(3, 3, 3)),
            "replace-nothing": lambda: codes().replace(1, None),
            "item": lambda: codes()[9],
            "mean": lambda: codes().mean(0),
            "save-folder": lambda: codes().save("/dev/null"),
            "save-absent": lambda: codes().save("/proc/x/codes.safetensors"),
            "load-missing": lambda: type(codes()).load("missing"),
        }.items()
    ),
    *calls(
        (f"api.load {name}", ".", do(call))
        for name, call in {
            "none": lambda: type(pipeline()).from_pretrained(None),
            "number": lambda: type(pipeline()).from_pretrained(7),
            "device": lambda: type(pipeline()).from_pretrained(device="abacus"),
            "codec": lambda: type(pipeline()).from_pretrained(codec="missing"),
            "empty": lambda: type(pipeline()).from_pretrained(""),
            "file-out": lambda: pipeline().render_file(mix(wave()), "y.txt"),
            "file-absent": lambda: pipeline().render_file(mix(wave()), "absent/y.wav"),
            "mix-none": lambda: pipeline().render(None),
            "mix-levels": lambda: pipeline().render(mix(wave(), {5: wave()})),
            "stream-none": lambda: list(pipeline().stream(None)),
        }.items()
    ),
    Case("api.silence", call=do(lambda: pipeline().swap(wave(), np.zeros(44100, np.float32)))),
    Case("api.one-sample", call=do(lambda: pipeline().swap(wave(), np.full(1, 0.5, np.float32)))),
    Case("api.same", call=do(lambda: pipeline().interpolate(*[wave()] * 2, count=2))),
    Case("api.no-levels", call=do(lambda: pipeline().swap(wave(), wave(), levels=()))),
    Case("api.sample-none", call=do(lambda: pipeline().sample([]))),
]
