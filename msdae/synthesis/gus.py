"""Converts Gravis Ultrasound patches (.pat), such as those of Debian's freepats, to SFZ files.

Source of the format: Gravis Ultrasound Software Development Kit 2.22, "Patch files".
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from msdae import files
from msdae.audio import temperament
from msdae.errors import UserError, printable

FILE, INSTRUMENT, LAYER, SAMPLE = 129, 63, 47, 96  # bytes of the headers
COUNT = 6  # offset of the number of samples in the header of a layer
WIDE, UNSIGNED, LOOPED, BOTH_WAYS = 1, 2, 4, 8  # bits of a sample's mode
# General MIDI programs that are struck or plucked. They ring as they were recorded, without a loop.
RINGING = {*range(16), *range(24, 40), 46, *range(104, 109), *range(112, 120)}
SHORTEST = 1.0  # seconds; a ringing instrument whose longest sample is shorter is not converted
REACH = 12  # semitones by which a sample is transposed at most
RELEASE = 0.15  # seconds
_PROGRAM = re.compile(r"(\d{3})_")


@dataclass(frozen=True)
class Sample:
    """A sample of a patch.

    waveform: (samples,) int16. rate: Hz. key: its MIDI pitch, with a fraction. loop: the first and last
    sample of its loop.
    """

    waveform: np.ndarray
    rate: int
    key: float
    loop: tuple[int, int] | None


def read(path: Path) -> list[Sample]:
    """The samples of a patch, in order of pitch.

    Raises:
        UserError: the file is not a patch, or is truncated.
    """
    with files.reading(path, "give a GF1 patch"):
        data = path.read_bytes()
    try:
        if not data.startswith(b"GF1PATCH"):
            raise ValueError("no patch")
        return sorted(_samples(data), key=lambda sample: sample.key)
    except (struct.error, IndexError, ValueError) as error:
        raise UserError(f"{printable(path)}: damaged ({error}); give a GF1 patch") from error


def _samples(data: bytes) -> Iterator[Sample]:
    place = FILE + INSTRUMENT + LAYER
    for _ in range(data[FILE + INSTRUMENT + COUNT]):
        size, start, end, rate, _, _, root = struct.unpack_from("<IIIHIII", data, place + 8)
        mode, first = data[place + 55], place + SAMPLE
        if first + size > len(data) or not root or not rate:
            raise ValueError("cut short")
        width = 2 if mode & WIDE else 1
        kind = f"<{'u' if mode & UNSIGNED else 'i'}{width}"
        values = np.frombuffer(data, kind, size // width, first).astype(np.int32)
        if mode & UNSIGNED:
            values -= 1 << (8 * width - 1)
        loop = (start // width, end // width - 1) if mode & LOOPED and not mode & BOTH_WAYS else None
        waveform = (values << (16 - 8 * width)).astype(np.int16)
        yield Sample(waveform, rate, temperament.pitch(root / 1000), loop)
        place = first + size


def convert(path: Path, folder: Path) -> Path | None:
    """Write a patch as FOLDER/NAME.sfz, with its samples in FOLDER/NAME, and return the SFZ file.

    Returns None, and writes nothing, for a patch without samples or a ringing one that is too short (see
    `SHORTEST`). Whether it rings follows from the General MIDI program with which its name begins, as in
    024_Nylon_Guitar.pat.

    Raises:
        UserError: as in `read`, or the folder cannot be written.
    """
    samples, named = read(path), _PROGRAM.match(path.name)
    rings = bool(named) and int(named[1]) in RINGING
    if not samples or (rings and max(len(s.waveform) / s.rate for s in samples) < SHORTEST):
        return None
    files.make_folder(folder / path.stem)
    lines = []
    for index, sample in enumerate(samples):
        name = f"{path.stem}/{index}.wav"
        soundfile.write(folder / name, sample.waveform, sample.rate)
        key = round(sample.key)
        low = max(_between(samples, index - 1), key - REACH)
        high = max(low, min(_between(samples, index) - 1, key + REACH))
        line = f"<region> sample={name} lokey={low} hikey={high}"
        line += f" pitch_keycenter={key} tune={round(100 * (key - sample.key))} ampeg_release={RELEASE}"
        if sample.loop and not rings:
            line += " loop_mode=loop_continuous loop_start={} loop_end={}".format(*sample.loop)
        lines.append(line)
    out = folder / f"{path.stem}.sfz"
    with files.atomic(out) as temporary:
        temporary.write_text("\n".join(lines) + "\n", "utf-8")
    return out


def _between(samples: list[Sample], index: int) -> int:
    """The boundary between samples `index` and `index` + 1: the lowest key that the latter plays."""
    if index < 0:
        return 0
    if index + 1 == len(samples):
        return 128
    return round((samples[index].key + samples[index + 1].key) / 2)
