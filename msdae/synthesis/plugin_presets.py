"""Candidate presets for other packages' synthesizers, random or from banks of DX7 voices.

Whether a candidate sounds and is in tune is judged in `plugins`.
"""

import hashlib
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from msdae import files
from msdae.errors import UserError, printable
from msdae.synthesis.effects import logarithmic

BANKS = "/usr/share/hexter"  # the banks of Debian's package hexter
VOICE = 128  # bytes of a DX7 voice in a bank
LARGEST = 1 << 24  # bytes that are read of a bank
_BULK = re.compile(rb"\xf0\x43.\x09\x20\x00(.{4096})", re.DOTALL)  # system exclusive message with 32 voices

# Lowest and highest parameters of a random DX7 voice. For each operator: rates and levels of its envelope,
# keyboard scaling, sensitivities, level, frequency. For the voice: pitch envelope, algorithm, LFO, name.
_OPERATOR = (
    (50, 20, 10, 35, 99, 60, 50, 0, 39, 0, 0, 0, 0, 0, 0, 0, 60, 0, 1, 0, 4),
    (99, 90, 60, 75, 99, 99, 95, 0, 39, 0, 30, 0, 0, 4, 0, 5, 99, 0, 1, 0, 10),
)
_COMMON = (
    (99, 99, 99, 99, 50, 50, 50, 50, 0, 0, 1, 25, 0, 0, 0, 0, 4, 0, 24, *[32] * 10),
    (99, 99, 99, 99, 50, 50, 50, 50, 31, 7, 1, 45, 60, 10, 0, 0, 4, 2, 24, *[32] * 10),
)
_SUSTAIN, _RATIO = 6, 18  # indices among the parameters of an operator
# Frequencies of an operator, in multiples of the note's; 0 stands for a half.
_RATIOS = (0, 1, 1, 1, 1, 2, 2, 3, 4, 5, 7, 9, 14)


@dataclass(frozen=True)
class Preset:
    """A sound of a synthesizer.

    Attributes:
        synthesizer: a name in `SYNTHESIZERS`.
        name: "SYNTHESIZER/KIND"; for a voice of a bank "dx7/bank/VOICE".
        settings: JSON, see `plugin_host`.
        low, high: its range in MIDI pitches, both included.
        polyphonic: whether it may play several notes at once.
        tune: semitones by which it sounds above its keys.
        gain: the factor that brings it to the common level.
    """

    synthesizer: str
    name: str
    settings: str
    low: int = 36
    high: int = 96
    polyphonic: bool = True
    tune: float = 0.0
    gain: float = 1.0

    @property
    def fingerprint(self) -> str:
        """A hash of the synthesizer and its settings."""
        return hashlib.sha256(f"{self.synthesizer} {self.settings}".encode()).hexdigest()[:16]


class Synthesizer(NamedTuple):
    """A synthesizer.

    module: the Python module that plays it. package: the package that contains the module. candidate: draws a
    preset, given a random generator and DX7 voices.
    """

    module: str
    package: str
    candidate: Callable[[random.Random, Sequence[bytes]], Preset]


@lru_cache(maxsize=8)
def voices(banks: Sequence[str]) -> tuple[bytes, ...]:
    """The distinct voices of DX7 banks, packed in 128 bytes each.

    banks: a tuple (the result is cached) of files, and of folders with files ending in .dx7 or .syx. If it is
        empty, the banks of Debian's package hexter are used if they are installed.

    Raises:
        UserError: a bank does not exist or is not a bank of DX7 voices.
    """
    found: dict[bytes, None] = {}
    for bank in banks or [BANKS] * Path(BANKS).is_dir():
        place = Path(bank).expanduser()
        paths = [place]
        if place.is_dir():
            with files.reading(place):
                paths = sorted(p for p in place.iterdir() if p.suffix.lower() in (".dx7", ".syx"))
        for path in paths:
            found |= dict.fromkeys(_bank(path))
        if not paths:
            raise UserError(
                f"{printable(place)}: no DX7 banks in it, files ending in .dx7 or .syx; name another"
            )
    return tuple(found)


def _bank(path: Path) -> list[bytes]:
    """The voices in a file, which are either plain or in system exclusive messages of 32 voices each."""
    with files.reading(path), open(path, "rb") as file:
        data = file.read(LARGEST)
    if data.startswith(b"\xf0"):
        data = b"".join(_BULK.findall(data))
    if not data or len(data) % VOICE or max(data) > 127:
        raise UserError(f"{printable(path)}: not a bank of DX7 voices; take it out")
    return [data[start : start + VOICE] for start in range(0, len(data), VOICE)]


def _dx7(rng: random.Random, banks: Sequence[bytes]) -> Preset:
    """A voice of a bank half of the time; otherwise, and always without banks, a random voice."""
    if banks and rng.random() < 0.5:
        voice = rng.choice(banks)
        name = "".join(chr(c) for c in voice[-10:] if 32 <= c < 127).strip()
        return Preset("dx7", f"dx7/bank/{name}", json.dumps({"voice": voice.hex()}))
    struck, values = rng.random() < 0.5, []
    for _ in range(6):
        operator = [rng.randint(low, high) for low, high in zip(*_OPERATOR, strict=True)]
        operator[_SUSTAIN] *= not struck
        operator[_RATIO] = rng.choice(_RATIOS)
        values += operator
    values += [rng.randint(low, high) for low, high in zip(*_COMMON, strict=True)]
    return Preset("dx7", "dx7/random", json.dumps({"parameters": values}))


class _Model(NamedTuple):
    """A physical model of Faust.

    ranges: of its sliders, by name. gain: its lowest gain. lag: samples, see `plugin_host`. polyphonic:
    whether it may play several notes at once.
    """

    name: str
    ranges: dict[str, tuple[float, float]]
    gain: float
    lag: float
    polyphonic: bool


_PLUCK = {"pluckPosition": (0.1, 0.95)}
_BREATH = {"vibratoFreq": (4, 7), "vibratoGain": (0, 0.4), "envAttack": (1, 30)}
_BOW = {"pressure": (0.2, 0.7), "position": (0.3, 0.9), "vibratoFrequency": (4, 7), "vibratoGain": (0, 0.4)}
_REED = {"reedStiffness": (0.4, 0.9), "bellOpening": (0.1, 0.9), **_BREATH}
_VOICE = {"voiceType": (0, 4), "vowel": (0, 4), "fricative": (0, 0), **_BREATH, "vibratoGain": (0, 0.2)}
# Flute and brass are missing because they play other notes than they are given. The lags are measured.
FAUST = {
    "string": _Model("ks", {"damping": (0, 0.3)}, 0, 0, True),
    "electric guitar": _Model("elecGuitar", _PLUCK, 0, 2.85, True),
    "guitar": _Model("guitar", _PLUCK, 0, 1.08, True),
    "nylon guitar": _Model("nylonGuitar", _PLUCK, 0, 1.0, True),
    "violin": _Model("violin", {**_BOW, "envAttack": (1, 30)}, 0.5, 1.55, False),
    "clarinet": _Model("clarinet", _REED, 0.5, 0.3, False),
    "voice": _Model("SFFormantModelBP", _VOICE, 0.5, 0, False),
}


def _faust(rng: random.Random, _: Sequence[bytes]) -> Preset:
    """A random model with random values of its sliders."""
    kind = rng.choice(list(FAUST))
    model = FAUST[kind]
    values = {name: round(rng.uniform(*span), 4) for name, span in model.ranges.items()}
    if "voiceType" in values:
        values["voiceType"] = round(values["voiceType"])
    settings = {"model": model.name, "values": values, "gain": model.gain, "lag": model.lag}
    return Preset("faust", f"faust/{kind}", json.dumps(settings), 40, 80, model.polyphonic)


def _vita(rng: random.Random, _: Sequence[bytes]) -> Preset:
    """Random settings of Vital: two oscillators with random waves, a filter, and envelopes."""
    struck = rng.random() < 0.5
    controls: dict[str, float] = {
        "velocity_track": 1,
        "env_1_attack": 0.2 if struck else rng.uniform(0.2, 0.7),
        "env_1_decay": rng.uniform(0.7, 1.4),
        "env_1_sustain": 0 if struck else rng.uniform(0.4, 1),
        "env_1_release": rng.uniform(0.4, 0.9),
        "env_2_decay": rng.uniform(0.5, 1.3),
        "env_2_sustain": rng.uniform(0, 0.5),
        "env_3_attack": rng.uniform(0, 1),
        "filter_1_on": 1,
        "filter_1_cutoff": rng.uniform(40, 110),
        "filter_1_keytrack": rng.uniform(0, 1),
        "filter_1_resonance": rng.uniform(0, 0.6),
        "filter_1_model": rng.randrange(5),
        "filter_1_drive": _seldom(rng, 0.3, rng.uniform(0, 10)),
        "chorus_on": _seldom(rng, 0.2, 1),
    }
    for number in (1, 2):
        each: dict[str, float] = {
            "on": 1 if number == 1 else _seldom(rng, 0.6, 1),
            "level": rng.uniform(0.4, 0.7),
            "random_phase": 0,
            "transpose": 0 if number == 1 else rng.choice((-12, 0, 0, 12, 19)),
            "wave_frame": rng.uniform(0, 128),
            "unison_voices": rng.choice((1, 1, 1, 2, 3, 5)),
            "unison_detune": rng.uniform(0.5, 2.5),
            "spectral_morph_type": _seldom(rng, 0.3, rng.choice((1, 2, 5, 7, 8, 9))),
            "spectral_morph_amount": rng.random(),
            "distortion_type": _seldom(rng, 0.4, rng.randint(1, 6)),
            "distortion_amount": rng.random(),
        }
        controls |= {f"osc_{number}_{name}": value for name, value in each.items()}
    settings = {
        "controls": {name: round(value, 4) for name, value in controls.items()},
        "modulations": [
            ("env_2", "filter_1_cutoff", round(rng.uniform(-0.2, 0.6), 4)),
            ("env_3", "osc_1_wave_frame", round(rng.uniform(-0.5, 0.5), 4)),
        ],
        "waves": [[_partials(rng) for _ in range(3)] for _ in range(2)],
    }
    return Preset("vita", "vita/random", json.dumps(settings))


def _seldom(rng: random.Random, share: float, value: float) -> float:
    """`value` with probability `share`, otherwise 0."""
    return value if rng.random() < share else 0


def _partials(rng: random.Random) -> list[float]:
    """Random amplitudes of sixteen partials, falling by about 3 to 15 dB an octave; even ones may be weak."""
    slope, even, rough = rng.uniform(0.5, 2.5), rng.choice((1, 1, rng.random())), rng.uniform(0, 1)
    loudness = [k**-slope * (1 if k % 2 else even) for k in range(1, 17)]
    return [round(level * logarithmic(rng, (1, 10)) ** rng.uniform(-rough, rough), 5) for level in loudness]


SYNTHESIZERS = {
    "dx7": Synthesizer("dexed", "dexed-py", _dx7),
    "faust": Synthesizer("dawdreamer", "dawdreamer", _faust),
    "vita": Synthesizer("vita", "vita", _vita),
}
