"""Reads SFZ files, texts that map notes to recorded samples, as far as free libraries use their opcodes."""

import logging
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, reduce
from pathlib import Path
from typing import NamedTuple

from msdae import files
from msdae.audio import containers
from msdae.errors import UserError, printable

logger = logging.getLogger(__name__)
LARGEST = 16 << 20  # bytes of one text
INCLUDES, DEPTH = 1000, 16  # largest number of included files, in all and nested
FIX = "repair the SFZ file, or take it out of the library"
MODES = ("no_loop", "one_shot", "loop_continuous", "loop_sustain")
NOTES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
ACCIDENTALS = {"": 0, "#": 1, "s": 1, "♯": 1, "sharp": 1, "b": -1, "♭": -1, "flat": -1}

# Opcodes with numbers as values: (default, lowest, highest).
NUMBERS = {
    "lovel": (0, 0, 127),
    "hivel": (127, 0, 127),
    "lorand": (0, 0, 1),
    "hirand": (1, 0, 1),
    "seq_length": (1, 1, 100),
    "seq_position": (1, 1, 100),
    "offset": (0, 0, 2**40),
    "end": (0, -1, 2**40),
    "loop_start": (0, 0, 2**40),
    "loop_end": (2**40, 0, 2**40),  # by default the sample's last frame
    "tune": (0, -9600, 9600),
    "transpose": (0, -127, 127),
    "pitch_keytrack": (100, -1200, 1200),
    "volume": (0, -144, 48),
    "amplitude": (100, 0, 1000),
    "amp_veltrack": (100, -100, 100),
    "ampeg_attack": (0, 0, 100),
    "ampeg_hold": (0, 0, 100),
    "ampeg_decay": (0, 0, 100),
    "ampeg_sustain": (100, 0, 100),
    "ampeg_release": (0, 0, 100),
}
CONTROLLERS = {"7": 100, "10": 64, "11": 127}  # initial volume, pan and expression; other controllers are 0
KEYS = ("key", "lokey", "hikey", "pitch_keycenter", "sw_last", "sw_default")
OTHERS = {*KEYS, *NUMBERS, "sample", "loop_mode", "trigger"}
# Opcodes without an effect on mono sound.
SILENT = {"pan", "width", "position", "region_label", "group_label", "master_label", "global_label"}
ALIASES = {"loopmode": "loop_mode", "loopstart": "loop_start", "loopend": "loop_end", "pitch": "tune"}
NUMBERED = re.compile(r"(amp_velcurve_|on_locc|on_hicc|locc|hicc|set_cc)(\d+)")
LEVELS = ("global", "master", "group", "region")

_DEFINE = re.compile(r"#define\s+(\$\w+)\s+(\S+)")
_INCLUDE = re.compile(r'#include\s+"([^"]+)"')
_TOKEN = re.compile(r"<(\w+)>|(?:(?<=\s)|(?<=>)|^)(\w+)=")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_NAME = re.compile(r"([a-g])(#|♯|♭|b|s)?(-?\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Envelope:
    """The envelope of a note: attack, hold, decay and release in seconds, sustain as a level from 0 to 1."""

    attack: float = 0.0
    hold: float = 0.0
    decay: float = 0.0
    sustain: float = 1.0
    release: float = 0.0


@dataclass(frozen=True)
class Region:
    """A sample and the notes that it plays.

    Attributes:
        keys, velocities: first and last MIDI key and velocity that it plays.
        centre: MIDI pitch at which the sample sounds as recorded.
        track: semitones of transposition per key. shift: semitones of transposition at every key.
        gain: factor. veltrack: effect of the velocity, from none at 0 to full at 1; inverse below 0.
        curve: (velocity, gain) in order, to be interpolated; if empty, the gain is the velocity squared.
        loop: first and last frame; one after the sample's end means its end. mode: one of MODES.
        start, end: first frame, and the one after the last; 0 means the end of the sample.
        turn: plays the turn[0]-th (from 0) of every turn[1] notes. chance: plays for random numbers in it.
    """

    sample: Path
    keys: tuple[int, int] = (0, 127)
    velocities: tuple[int, int] = (0, 127)
    centre: float = 60
    track: float = 1.0
    shift: float = 0.0
    gain: float = 1.0
    veltrack: float = 1.0
    curve: tuple[tuple[float, float], ...] = ()
    loop: tuple[int, int] | None = None
    mode: str = "no_loop"
    start: int = 0
    end: int = 0
    turn: tuple[int, int] = (0, 1)
    chance: tuple[float, float] = (0.0, 1.0)
    envelope: Envelope = Envelope()

    def semitones(self, key: int) -> float:
        """The transposition of the sample for a key, in semitones."""
        return (key - self.centre) * self.track + self.shift


class Contents(NamedTuple):
    """The contents of an SFZ file: the regions whose samples exist, and the folders of all samples."""

    regions: list[Region]
    folders: set[Path]


def read(path: str | Path, root: str | Path | None = None) -> Contents:
    """The contents of an SFZ file, which may have no regions; logs what is left out.

    root: the library's folder, which no path may leave; by default the folder of the file.

    Raises:
        UserError: the file is unreadable, has an invalid value, or names a path outside of `root`.
    """
    path = Path(path)
    library = _Library(path, Path(root or path.parent))
    with files.reading(path, FIX):
        regions = list(library.regions())
    library.report()
    return Contents(regions, library.folders)


def included(path: Path) -> set[Path]:
    """The files that an SFZ file includes directly.

    Raises:
        UserError: it cannot be read.
    """
    names = _INCLUDE.findall(_text(path))
    return {Path(os.path.normpath(path.parent / name.replace("\\", "/"))) for name in names}


def key_number(text: str) -> int:
    """The MIDI key that a number or the name of a note stands for: 60 for "60" and "c4".

    Raises:
        ValueError: the text is neither.
    """
    if match := _NAME.fullmatch(text.strip()):
        letter, accidental, octave = match.groups()
        return note_number(letter, accidental or "", int(octave))
    return int(text)


def note_number(letter: str, accidental: str, octave: int) -> int:
    """The MIDI pitch of a note name; C4 is 60."""
    return 12 * (octave + 1) + NOTES[letter.lower()] + ACCIDENTALS[accidental.lower()]


class _Library:
    """The state of reading one SFZ file: its definitions and controls, and what is left out."""

    def __init__(self, path: Path, root: Path):
        self.path, self.root = path, root
        self.defined: dict[str, str] = {}
        self.included = 0
        self.unknown: Counter[str] = Counter()
        self.missing: list[str] = []
        self.controls: dict[str, str] = {}
        self.folders: set[Path] = set()

    def regions(self) -> Iterator[Region]:
        """The regions that a note-on plays with all controllers at rest, in the order of the text."""
        nested: list[tuple[list[dict[str, str]], dict[str, str]]] = []
        levels: dict[str, dict[str, str]] = {}
        block: dict[str, str] = {}
        for header, opcode, value in self._tokens(self.path, 0):
            if header == "control":
                block = self.controls = dict(self.controls)  # earlier regions keep the old ones
            elif header in LEVELS:
                block = {}
                outer = LEVELS[: LEVELS.index(header)]
                levels = {name: level for name, level in levels.items() if name in outer}
                if header == "region":
                    nested.append(([*levels.values(), block], self.controls))
                else:
                    levels[header] = block
            elif header:
                block = {}  # the opcodes of <curve>, <effect> and others are dropped
            else:
                block[opcode] = value
        blocks = [(reduce(_over, headers), controls) for headers, controls in nested]
        default = next((block["sw_default"] for block, _ in blocks if "sw_default" in block), None)
        default = default or next((block["sw_last"] for block, _ in blocks if "sw_last" in block), None)
        for opcodes, controls in blocks:
            self.folders.add(self._path(controls.get("default_path", "") + opcodes.get("sample", "")).parent)
            if self._plays(opcodes, controls, default) and (sample := self._sample(opcodes, controls)):
                yield _region(opcodes, controls, sample)

    def report(self) -> None:
        """Log opcodes that are not supported, and missing samples."""
        if self.unknown:
            names = ", ".join(f"{name} ({count})" for name, count in self.unknown.most_common(5))
            more = f" and {len(self.unknown) - 5} more" if len(self.unknown) > 5 else ""
            logger.info("%s: opcodes that are not played: %s%s", printable(self.path.name), names, more)
        if self.missing:
            example, count = printable(self.missing[0]), len(self.missing)
            logger.info("%s: %d samples are missing, such as %s", printable(self.path.name), count, example)

    def _tokens(self, path: Path, depth: int) -> Iterator[tuple[str, str, str]]:
        """(header, "", "") or ("", opcode, value), with definitions expanded and included files inserted."""
        if depth > DEPTH or self.included > INCLUDES:
            raise ValueError("it includes too many files, or itself")
        for line in _text(path).splitlines():
            line = line.partition("//")[0]
            line = self._expanded(_DEFINE.sub(self._define, line))
            if include := _INCLUDE.search(line):
                self.included += 1
                yield from self._tokens(self._inside(include.group(1)), depth + 1)
                continue
            matches = list(_TOKEN.finditer(line))
            ends = [match.start() for match in matches[1:]]
            for match, end in zip(matches, [*ends, len(line)], strict=False):
                header, opcode = match.groups()
                if header:
                    yield header.lower(), "", ""
                else:
                    name = ALIASES.get(opcode.lower(), opcode.lower())
                    yield "", name, line[match.end() : end].strip()

    def _define(self, match: re.Match) -> str:
        value = self._expanded(match.group(2))
        if len(value) > 1000 or len(self.defined) > 10_000:
            raise ValueError(f"{match.group(1)} is too long")
        self.defined[match.group(1)] = value
        return ""

    def _expanded(self, text: str) -> str:
        if "$" in text:
            for name in sorted(self.defined, key=len, reverse=True):
                text = text.replace(name, self.defined[name])
        return text

    def _plays(self, opcodes: Mapping[str, str], controls: Mapping[str, str], switch: str | None) -> bool:
        """Whether a note-on plays a region with every controller at its default; counts unknown opcodes."""
        for name in opcodes:
            if name not in OTHERS | SILENT and not NUMBERED.fullmatch(name):
                self.unknown[name] += 1
            match = NUMBERED.fullmatch(name)
            if match and match.group(1) in ("on_locc", "on_hicc"):
                return False
            if match and match.group(1) in ("locc", "hicc"):
                number = match.group(2)
                controller = float(controls.get(f"set_cc{number}", CONTROLLERS.get(number, 0)))
                limit = float(opcodes[name])
                if controller < limit if match.group(1) == "locc" else controller > limit:
                    return False
        if opcodes.get("trigger", "attack") not in ("attack", "first") or opcodes.get("end") == "-1":
            return False
        return "sw_last" not in opcodes or key_number(opcodes["sw_last"]) == key_number(switch or "")

    def _sample(self, opcodes: Mapping[str, str], controls: Mapping[str, str]) -> Path | None:
        """The sample of a region; None if it is missing or generated (such as *sine)."""
        name = opcodes.get("sample", "")
        if not name or name.startswith("*"):
            self.unknown["sample=*"] += 1
            return None
        relative = controls.get("default_path", "") + name
        sample = _existing(self._inside(relative))
        if sample is None:
            self.missing.append(relative)
        return sample

    def _path(self, name: str) -> Path:
        return Path(os.path.normpath(self.path.parent / name.replace("\\", "/")))

    def _inside(self, name: str) -> Path:
        """The path of a file named in the text.

        Raises:
            UserError: it is outside of the library's folder.
        """
        if "\0" in name:
            raise ValueError("a name with a null character")
        path = self._path(name)
        real = Path(os.path.realpath(path))
        if ":" in name or not real.is_relative_to(os.path.realpath(self.root)):
            raise UserError(
                f"{printable(self.path)}: '{printable(name)[:100]}' is outside of {printable(self.root)}; "
                "give the folder above that has it all"
            )
        return path


def _text(path: Path) -> str:
    with files.reading(path, FIX):
        file = _existing(path) or path
        if file.stat().st_size > LARGEST:
            raise UserError(f"{printable(path)}: larger than {LARGEST >> 20} MB; {FIX}")
        data = file.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    return _COMMENT.sub(" ", text)


def _existing(path: Path) -> Path | None:
    """`path`, or a file whose path differs from it only in upper and lower case; None if neither exists."""
    if path.is_file():
        return path
    place = Path(path.anchor)
    for part in path.parts[1:] if path.is_absolute() else path.parts:
        if not (place / part).exists():
            part = _names(place).get(part.casefold(), part)
        place /= part
    return place if place.is_file() else None


@lru_cache(maxsize=1024)
def _names(folder: Path) -> dict[str, str]:
    try:
        return {name.casefold(): name for name in sorted(os.listdir(folder))}
    except OSError:
        return {}


def _over(outer: dict[str, str], inner: dict[str, str]) -> dict[str, str]:
    """The opcodes of a header and of one inside it, whose `key` replaces the outer range and centre."""
    if "key" in inner:
        outer = {k: v for k, v in outer.items() if k not in ("lokey", "hikey", "pitch_keycenter")}
    return outer | inner


def _region(opcodes: Mapping[str, str], controls: Mapping[str, str], sample: Path) -> Region:
    root, loop = _header(sample)
    if loop:
        opcodes = {"loop_start": str(loop[0]), "loop_end": str(loop[1]), **opcodes}
    number = {name: _number(opcodes, name) for name in NUMBERS}
    moved = int(controls.get("note_offset", 0)) + 12 * int(controls.get("octave_offset", 0))
    keys = {
        name: key_number(opcodes[name]) + moved
        for name in KEYS
        if name in opcodes and opcodes[name] != "sample"
    }
    if root is not None and opcodes.get("pitch_keycenter") == "sample":
        keys["pitch_keycenter"] = root
    key = keys.get("key")
    low, high = (
        keys.get(name, default if key is None else key) for name, default in (("lokey", 0), ("hikey", 127))
    )
    mode = opcodes.get("loop_mode", "loop_continuous" if "loop_end" in opcodes else "no_loop").lower()
    curve = [
        (int(match.group(2)), float(opcodes[match.group()]))
        for match in map(NUMBERED.fullmatch, opcodes)
        if match and match.group(1) == "amp_velcurve_"
    ]
    return Region(
        sample=sample,
        keys=(low, high),
        velocities=(int(number["lovel"]), int(number["hivel"])),
        centre=keys.get("pitch_keycenter", 60 if key is None else key),
        track=number["pitch_keytrack"] / 100,
        shift=number["transpose"] + number["tune"] / 100,
        gain=10 ** (number["volume"] / 20) * number["amplitude"] / 100,
        veltrack=number["amp_veltrack"] / 100,
        curve=tuple(sorted({0: 0.0, 127: 1.0, **dict(curve)}.items())) if curve else (),
        loop=(int(number["loop_start"]), int(number["loop_end"])) if mode.startswith("loop") else None,
        mode=mode if mode in MODES else "no_loop",
        start=int(number["offset"]),
        end=int(number["end"]) + 1 if number["end"] > 0 else 0,
        turn=(int(number["seq_position"]) - 1, int(number["seq_length"])),
        chance=(number["lorand"], number["hirand"]),
        envelope=Envelope(
            *(number[f"ampeg_{name}"] for name in ("attack", "hold", "decay")),
            number["ampeg_sustain"] / 100,
            number["ampeg_release"],
        ),
    )


def _header(sample: Path) -> tuple[float | None, tuple[int, int] | None]:
    """The MIDI pitch and the loop in a sample's header; None for each that it lacks."""
    with suppress(OSError), open(sample, "rb") as file:  # unreadable samples are left out later
        return containers.sampling(file)
    return None, None


def _number(opcodes: Mapping[str, str], name: str) -> float:
    """The value of an opcode, clipped to its limits; a ValueError if it is not a finite number."""
    default, low, high = NUMBERS[name]
    value = float(opcodes.get(name, default))
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return min(max(value, low), high)
