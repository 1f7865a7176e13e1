"""Notes to sound by other packages' synthesizers: DX7 (dexed-py), models of Faust (dawdreamer), Vital (vita).

The packages are an extra, and GPL. They render in a process of their own, see `plugin_host`: where one
crashes, its preset is left out. Presets are drawn at random, and kept where they sound, in tune, unclipped.
"""

import hashlib
import json
import logging
import math
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soxr

from msdae.errors import UserError
from msdae.symbolic.notes import Note
from msdae.synthesis import pitch
from msdae.synthesis.plugin_presets import SYNTHESIZERS, Preset, voices
from msdae.synthesis.soundfont import SAMPLE_RATE

logger = logging.getLogger(__name__)
ATTEMPTS = 200  # presets that are tried for one that can be used
TAIL, FADE = 1.0, 0.05  # seconds of a note after its end, at most, and in which it ends then
HEARD = 1.0  # seconds of the two notes by which a preset is judged
LEVEL = 0.5  # peak of the louder one
SILENT, CLIPPED = 0.02, 0.02  # peak; share of a note that is at its peak
AGREE, EXACT = 0.12, 0.04  # semitones: how far two notes' tunings may be apart, and one from what is in tune
NEAR = 0.5  # semitones from octaves of the keys
PATIENCE = 300.0  # seconds for an answer; the slowest of Faust's models compiles for 15 of them

refused: Counter[str] = Counter()  # presets that this process has left out, by reason


class Crash(Exception):
    """A synthesizer has ended its process, twice; its preset is not to be used any more."""


def require(synthesizers: Sequence[str]) -> None:
    """Raise a UserError unless the synthesizers' packages are installed."""
    for name in synthesizers:
        for module in (SYNTHESIZERS[name].module, "librosa"):
            if find_spec(module) is None:
                fix = "pip install 'msdae[synthesizers]' (for Python 3.11 and later)"
                raise UserError(f"the synthesizer {name} needs {module}: {fix}")


def record(synthesizers: Sequence[str], banks: Sequence[str]) -> dict[str, list]:
    """What decides how presets sound, to be written down: versions of the packages, a hash of the banks.

    Raises:
        UserError: a package is missing, or a bank cannot be read.
    """
    require(synthesizers)
    every = voices(tuple(banks)) if "dx7" in synthesizers else ()
    if "dx7" in synthesizers and not every:
        logger.info("dx7: presets are random; banks=[DIR] adds voices, as Debian's package hexter does")
    return {
        "synthesizers": [[name, version(SYNTHESIZERS[name].package)] for name in synthesizers],
        "banks": [len(every), hashlib.sha256(b"".join(every)).hexdigest()[:16]],
    }


def draw(synthesizer: str, rng: random.Random, banks: Sequence[str] = ()) -> Preset:
    """A preset at random that can be used, see `judge`. banks: see `voices`.

    Raises:
        UserError: none of `ATTEMPTS` can, or a bank cannot be read.
    """
    reasons: Counter[str] = Counter()
    for _ in range(ATTEMPTS):
        preset, reason = judge(SYNTHESIZERS[synthesizer].candidate(rng, voices(tuple(banks))))
        if preset is not None:
            return preset
        reasons[reason] += 1
    said = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    raise UserError(f"{synthesizer}: none of {ATTEMPTS} presets can be used ({said}); leave it out")


@lru_cache(maxsize=4096)
def judge(preset: Preset) -> tuple[Preset | None, str]:
    """The preset, tuned and at the common level; or None and why: crashed, silent, clipped or out of tune.

    Two notes, a quarter of the range from its ends, have sure pitches, both as far from an octave of the key.
    """
    quarter = (preset.high - preset.low) // 4
    keys = preset.low + quarter, preset.high - quarter
    try:
        tones = _play(preset, [(key, 127, 0.8 * HEARD, round(HEARD * SAMPLE_RATE)) for key in keys])
    except Crash:
        return None, "crashed"
    peaks = [float(np.abs(tone).max()) for tone in tones]
    if not all(SILENT < peak < math.inf for peak in peaks):
        reason = "silent"
    elif any(np.mean(np.abs(tone) == peak) > CLIPPED for tone, peak in zip(tones, peaks, strict=True)):
        reason = "clipped"
    else:
        pairs = zip(tones, keys, strict=True)
        offsets = [pitch.measure(tone, SAMPLE_RATE, float(key)) - key for tone, key in pairs]
        tune = sum(offsets) / 2
        octaves = 12 * round(tune / 12)
        sure = all(offsets) and abs(offsets[0] - offsets[1]) < AGREE  # the key itself: its pitch is not sure
        if sure and abs(tune - octaves) < NEAR:
            tune = octaves if abs(tune - octaves) < EXACT else round(tune, 3)
            return replace(preset, tune=tune, gain=LEVEL / max(peaks)), ""
        reason = "out of tune"
    refused[reason] += 1
    return None, reason


def render(notes: Sequence[Note], preset: Preset, samples: int) -> np.ndarray:
    """Play `notes`: (samples,), float32, mono at 44 100 Hz. Pitches may have fractions.

    Raises:
        Crash: see there.
    """
    out = np.zeros(samples, np.float32)
    asked, places = [], []
    for onset, offset, height, velocity in notes:
        start = max(0, round(onset * SAMPLE_RATE))
        key = round(height - preset.tune)
        speed = 2 ** ((height - preset.tune - key) / 12)
        held = max(offset - onset, 0.01)
        length = min(samples - start, round((held + TAIL) * SAMPLE_RATE))
        if length > 0:
            asked.append((key, round(velocity), held * speed, math.ceil(length * speed) + 8))
            places.append((start, length, speed))
    for tone, (start, length, speed) in zip(_play(preset, asked), places, strict=True):
        if speed != 1:
            tone = soxr.resample(tone, SAMPLE_RATE * speed, SAMPLE_RATE)
        tone = tone[:length] * np.float32(preset.gain)
        if start + length < samples:
            fade = min(length, round(FADE * SAMPLE_RATE))
            tone[len(tone) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        out[start : start + len(tone)] += tone
    return out


def _play(preset: Preset, notes: Sequence[tuple[int, int, float, int]]) -> list[np.ndarray]:
    """Each of (key, velocity, seconds held, samples), float32; raises as `render`."""
    if not notes:
        return []
    request = {"synthesizer": preset.synthesizer, "settings": json.loads(preset.settings), "notes": notes}
    size = sum(note[3] for note in notes)
    for _ in range(2):
        host = _host()
        answer = host.ask(json.dumps(request), 4 * size)
        if answer is not None:
            tones = np.frombuffer(answer, np.float32)
            return np.split(tones, np.cumsum([note[3] for note in notes])[:-1])
        _host.cache_clear()
    refused["crashed"] += 1
    said = host.last_words()
    logger.warning("%s crashed and is left out, %d so far (%s)", preset.name, refused["crashed"], said)
    raise Crash(said)


class _Host:
    """The process in which synthesizers render; it ends with this one, or with its input."""

    def __init__(self):
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 it lasts as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-m", "msdae.synthesis.plugin_host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )

    def __del__(self):
        self.process.kill()
        self.process.wait()

    def ask(self, request: str, size: int) -> bytes | None:
        """The answer, `size` bytes; None where it crashes or hangs, and is not there any more."""
        timer, answer = threading.Timer(PATIENCE, self.process.kill), None
        timer.start()
        try:
            self.process.stdin.write(request.encode() + b"\n")
            self.process.stdin.flush()
            answer = self.process.stdout.read(size)
        except OSError:  # it was gone before
            pass
        finally:  # interrupted, too: the rest of an answer would be taken for the next
            timer.cancel()
            if answer is None or len(answer) < size:
                answer = None
                self.process.kill()
                self.process.wait()
        return answer

    def last_words(self) -> str:
        """The last line that it said, or the code that it ended with."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").split("\n")
        return next(
            (line.strip() for line in reversed(lines) if line.strip()), f"code {self.process.returncode}"
        )


@lru_cache(maxsize=1)
def _host() -> _Host:
    return _Host()
