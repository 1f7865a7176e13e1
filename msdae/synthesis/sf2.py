"""Checks that the indices in a SoundFont's tables are valid, which the synthesiser does not check itself.

Source of the format: SoundFont Technical Specification 2.04, section 7.
"""

import struct
from pathlib import Path

import numpy as np

COMPRESSED = 0x10  # bit of the type of a compressed sample (sf3)
INSTRUMENT, SAMPLE = 41, 53  # generators whose amounts are indices of instruments and samples
RECORDS = {"phdr": 38, "pbag": 4, "pgen": 4, "inst": 22, "ibag": 4, "igen": 4, "shdr": 46}  # bytes of a row


def check(path: Path) -> None:
    """Check the chunks of an sf2 or sf3 file and all indices in its tables.

    Raises:
        ValueError, LookupError: the file is not a SoundFont, is truncated, or has an index out of range.
    """
    chunks = _opened(path)
    tables = {name: _table(chunks[name], size) for name, size in RECORDS.items()}
    samples = len(chunks["smpl"])
    for header, bag, generators, oper, rows in (
        ("phdr", "pbag", "pgen", INSTRUMENT, "inst"),
        ("inst", "ibag", "igen", SAMPLE, "shdr"),
    ):
        place = 24 if header == "phdr" else 20  # after the name and, in a preset, program and bank
        _check_ascending(_number(tables[header], place), len(tables[bag]), header)
        _check_ascending(_number(tables[bag], 0), len(tables[generators]), bag)
        amounts = _number(tables[generators], 2)[_number(tables[generators], 0) == oper]
        if len(amounts) and amounts.max() >= len(tables[rows]) - 1:  # the last row only ends the table
            raise ValueError(f"{generators} leads out of {rows}")
    _check_samples(tables["shdr"][:-1], samples)


def programs(path: Path) -> set[int]:
    """The General MIDI programs (0-127) in bank 0 of a SoundFont that has passed `check`."""
    presets = _table(_opened(path)["phdr"], RECORDS["phdr"])[:-1]
    return set(_number(presets, 20)[_number(presets, 22) == 0].tolist())


def _opened(path: Path) -> dict[str, np.ndarray]:
    data = np.memmap(path, np.uint8, "r")
    if bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"sfbk":
        raise ValueError("no SoundFont")
    return _chunks(data, 12, len(data))


def _chunks(data: np.ndarray, start: int, end: int) -> dict[str, np.ndarray]:
    """{name: content} of the chunks between two offsets, including those inside lists."""
    chunks: dict[str, np.ndarray] = {}
    while start + 8 <= end:
        name, size = struct.unpack("<4sI", bytes(data[start : start + 8]))
        if start + 8 + size > end:
            raise ValueError("cut short, or a chunk of false size")
        if name == b"LIST":
            chunks |= _chunks(data, start + 12, start + 8 + size)
        else:
            chunks[name.decode("latin-1")] = data[start + 8 : start + 8 + size]
        start += 8 + size
        if size % 2 and start < end and data[start] == 0:
            start += 1  # sf2 pads an odd chunk; some programs that write sf3 do not
    return chunks


def _table(chunk: np.ndarray, size: int) -> np.ndarray:
    """A chunk as a table: uint8, (rows, size)"""
    if len(chunk) == 0 or len(chunk) % size:
        raise ValueError("a table of no whole rows")
    return np.asarray(chunk).reshape(-1, size)


def _number(table: np.ndarray, place: int, kind: str = "<u2") -> np.ndarray:
    """The numbers at offset `place` of each row: int64, (rows,)"""
    width = np.dtype(kind).itemsize
    return np.ascontiguousarray(table[:, place : place + width]).view(kind)[:, 0].astype(np.int64)


def _check_ascending(numbers: np.ndarray, rows: int, name: str) -> None:
    if np.any(np.diff(numbers) < 0) or numbers[-1] >= rows:
        raise ValueError(f"{name} leads out of its table")


def _check_samples(headers: np.ndarray, size: int) -> None:
    """Raise a ValueError for a sample that ends before it starts or after the sound data.

    size: bytes of the sound data. Compressed samples are located in bytes, others in 16-bit numbers.
    """
    start, end = _number(headers, 20, "<u4"), _number(headers, 24, "<u4")
    unit = np.where(_number(headers, 44) & COMPRESSED, 1, 2)
    if np.any(start > end) or np.any(end * unit > size):
        raise ValueError("a sample leads out of the sound")
