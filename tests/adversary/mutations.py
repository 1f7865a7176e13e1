"""Files that are changed at random, read by what reads them; a process of its own, which may die of it.

`python mutations.py START COUNT KIND ...` reads the mutations from number START on of each kind. It says, a
JSON list a line, what it begins, [kind, number], and what went wrong, [kind, number, why].
"""

import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import evaluated
import library
import trees
import weights
from harness import FORBIDDEN, LONGEST, TooLong, limited, memory_limit

from msdae import audio, codecs, config
from msdae.audio.mel import MelConfig
from msdae.checkpoint import load as load_checkpoint
from msdae.data import ClipCache
from msdae.data.encode import read_json
from msdae.data.sets import nsynth, slakh, squares
from msdae.data.sources import read_notes
from msdae.data.tally import Tally
from msdae.errors import of_system
from msdae.evaluation import tables
from msdae.evaluation.swapbench.results import Results
from msdae.inference.codes import Codes
from msdae.models.autoencoder import Autoencoder
from msdae.training.autoencoder import TrainConfig

SECONDS, ROOM, HANGING = 2.0, 1 << 30, 30  # of a file: time, bytes of memory; without a sign of life
WORDS = (
    b"null",
    b"-1",
    b"0",
    b"1e999",
    b"9" * 40,
    b"[]",
    b"{}",
    b"NaN",
    b'"x"',
    b"true",
    b"[[[[",
    b"\xff",
    b"&a",
    b"*a",
    b"!!x",
    b"\t",
    b"2020-13-45",
)

# -- what is read


def _sound(path: Path) -> None:
    recording = audio.open_recording(path)
    if recording.samples < 10**7:
        assert sum(map(len, recording.blocks())) == recording.samples, "another length than it says"


def _scan(module: Any) -> Callable[[Path], None]:
    return lambda folder: module.scan(folder, Tally())


def _cache(folder: Path) -> None:
    cache = ClipCache(folder / "train")
    cache.require(codecs.load("spectral"), MelConfig()) if cache.manifest["codec"] == 7 else cache.batch(
        [0, 7]
    )


def _npz(path: Path) -> None:
    read_json(path, "labels")


def _npz_file(path: Path) -> None:
    import numpy as np

    np.savez(path, labels=np.frombuffer(b'[{"name": "a"}]', np.uint8), tally=np.zeros(3, np.uint8))


library.MAKERS["part.npz"] = _npz_file
library.content(
    "train.yaml",
    "# settings\nlearning_rate: 1.0e-3\nsteps: [10, 10, 10]\nmodel:\n  widths: [16, 16]\n"
    "  inject: [1, 1, 0]\nviews: {timbre: same}\n",
)
library.content("t.mid", trees.MIDI)
# kind: (file or folder of the library, the file in it that is changed, its reader)
KINDS: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
    **{form: (f"whole.{form}", "", _sound) for form in ("wav", "flac", "ogg", "mp3", "aiff")},
    "mid": ("t.mid", "", read_notes),
    "settings": ("train.yaml", "", lambda path: config.load(TrainConfig, path)),
    "slakh": ("slakh", "train/Track00001/metadata.yaml", _scan(slakh)),
    "nsynth": ("nsynth", "nsynth-train/examples.json", _scan(nsynth)),
    "squares": ("squares", "train/Square00000/square.json", _scan(squares)),
    "manifest": ("cache", "train/manifest.json", _cache),
    "clips": ("cache", "train/clips.jsonl", _cache),
    "latents": ("cache", "train/latents.npy", _cache),
    "part": ("part.npz", "", _npz),
    "results": (evaluated.NAME, "manifest.json", Results.read),
    "cases": (evaluated.NAME, "cases.jsonl", Results.read),
    "scores": (evaluated.NAME, "scores.jsonl", Results.read),
    "tables": (evaluated.NAME, "tables.json", lambda folder: tables.read(folder / "tables.json")),
    "model": (weights.MODEL, "", Autoencoder.load),
    "codec": (weights.CODEC, "", codecs.load),
    "codes": (weights.CODES, "", Codes.load),
    "student": (weights.STUDENT, "", weights.read_student),
    "state": (weights.STATE, "", lambda path: load_checkpoint(path, "training state")),
}  # fmt: skip

# -- how it is changed


def mutated(data: bytes, kind: str, number: int) -> bytes:
    """The mutation `number` of a file; the same for the same number."""
    rng = random.Random(f"{kind}/{number}")
    if (
        kind in ("model", "codec", "codes", "state", "student") and rng.random() < 0.7
    ):  # a header whose length is right
        size = struct.unpack("<Q", data[:8])[0]
        header = _changed(data[8 : 8 + size], rng)
        return struct.pack("<Q", len(header)) + header + data[8 + size :]
    return _changed(data, rng)


def _changed(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        data = rng.choice(CHANGES)(data, rng)
    return data


def _place(data: bytes, rng: random.Random) -> int:
    """A place, by preference in the beginning, where headers are."""
    return rng.randrange(max(1, min(len(data), rng.choice((16, 64, 256, len(data), len(data))))))


def _flip(data: bytes, rng: random.Random) -> bytes:
    place = _place(data, rng)
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :] if data else data


def _set(data: bytes, rng: random.Random) -> bytes:
    place, count = _place(data, rng), rng.choice((1, 1, 2, 4, 8))
    return (
        data[:place]
        + bytes([rng.choice((0, 255, 127, 128, rng.randrange(256)))]) * count
        + data[place + count :]
    )


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: _place(data, rng)] if rng.random() < 0.7 else data[_place(data, rng) :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    place = _place(data, rng)
    return (
        data[:place]
        + rng.choice((rng.randbytes(rng.randrange(1, 40)), bytes(rng.randrange(1, 5000))))
        + data[place:]
    )


def _repeat(data: bytes, rng: random.Random) -> bytes:
    place, size = _place(data, rng), rng.randrange(1, 200)
    return data[:place] + data[place : place + size] * rng.choice((2, 3, 100)) + data[place + size :]


def _drop(data: bytes, rng: random.Random) -> bytes:
    place = _place(data, rng)
    return data[:place] + data[place + rng.randrange(1, 64) :]


def _length(data: bytes, rng: random.Random) -> bytes:
    """A number in a header that is not true."""
    form = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
    value = rng.choice(
        (0, 1, 2 ** (8 * struct.calcsize(form)) - 1, 2 ** (8 * struct.calcsize(form) - 1), len(data) + 1)
    )
    place = rng.randrange(max(1, min(64, len(data))))
    packed = struct.pack(form, value % 2 ** (8 * struct.calcsize(form)))
    return data[:place] + packed + data[place + len(packed) :]


def _word(data: bytes, rng: random.Random) -> bytes:
    """Another value in a text."""
    values = list(re.finditer(rb'"[^"]*"|-?\d[\d.e+-]*|\b[a-z_]+\b', data[:20000]))
    if not values:
        return data
    place = rng.choice(values)
    return data[: place.start()] + rng.choice(WORDS) + data[place.end() :]


CHANGES = (_flip, _set, _cut, _insert, _repeat, _drop, _length, _word, _word)

# -- the process


def work(start: int, count: int, kinds: Sequence[str]) -> None:
    """Read mutations and say what goes wrong; see the module."""
    with tempfile.TemporaryDirectory() as place:
        for kind in kinds:
            base, inner, read = KINDS[kind]
            target = Path(place) / kind / library.put(base, Path(place) / kind)
            file = target / inner if inner else target
            data = file.read_bytes()
            for number in range(start, start + count):
                print(json.dumps([kind, number]), flush=True)
                file.write_bytes(mutated(data, kind, number))
                os.utime(file, ns=(number, number))  # clocks of disks do not tell quick changes apart
                if reason := wrong(read, target):
                    print(json.dumps([kind, number, reason[:600]]), flush=True)
            shutil.rmtree(Path(place) / kind)


def wrong(read: Callable[[Path], Any], target: Path) -> str:
    """What is wrong with how a file is read; empty: it is read, or refused in a line."""
    try:
        with limited(SECONDS), memory_limit(ROOM):
            read(target)
    except TooLong:
        return f"more than {SECONDS} s"
    except Exception as error:
        said = of_system(error)
        if said is None:
            frames = [f for f in traceback.extract_tb(error.__traceback__) if "/msdae/" in f.filename]
            place = f"{frames[-1].filename.rpartition('/msdae/')[2]}:{frames[-1].lineno}" if frames else ""
            return f"{type(error).__name__}: {error} ({place})"
        first = str(said).partition("\n")[0]
        if "out of memory" in first:
            return f"takes memory: {first}"
        if len(first) > LONGEST or any(word in first for word in FORBIDDEN) or target.name not in first:
            return f"words: {first}"
    return ""


def failures(start: int, count: int, kinds: Sequence[str]) -> tuple[int, list[str]]:
    """(files that were read, what went wrong) with mutations of `kinds`, in processes that are replaced."""
    read, reasons, waiting = 0, [], [(start, count, list(kinds))]
    while waiting:
        begin, number, names = waiting.pop()
        last = (names[0], begin - 1)
        status, lines = _process(begin, number, names)
        for line in lines:
            if len(line) == 3:
                reasons.append("{} {}: {}".format(*line))
            else:
                read, last = read + 1, tuple(line)
        if status and len(reasons) < 200:
            reasons.append(f"{last[0]} {last[1]}: the process ended with {status}")
            rest, done = names[names.index(last[0]) + 1 :], last[1] + 1 - begin
            if rest:
                waiting.append((start, count, rest))
            if done < number:
                waiting.append((last[1] + 1, number - done, [last[0]]))
    return read, reasons


def _process(begin: int, number: int, names: Sequence[str]) -> tuple[int, Iterator[list]]:
    """Exit status and lines of a process; one that says nothing for `HANGING` seconds is killed."""
    command = [sys.executable, __file__, str(begin), str(number), *names]
    limit = 60 + HANGING + 0.2 * number * len(names)
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        out.seek(0)
        return status, [json.loads(line) for line in out.read().splitlines() if line.endswith("]")]


if __name__ == "__main__":
    work(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
