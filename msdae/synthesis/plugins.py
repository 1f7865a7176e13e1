"""Plays notes with other packages' synthesizers: DX7 (dexed-py), Faust's models (dawdreamer), Vital (vita).

The packages are optional, and licensed under the GPL. They render in a separate process (`plugin_host`), so
that a crash only costs the preset. Presets are drawn at random and kept if they are audible, in tune and not
clipped.
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
ATTEMPTS = 200  # presets that are tried to find a usable one
TAIL, FADE = 1.0, 0.05  # longest release of a note in seconds, and the fade at its end
HEARD = 1.0  # seconds of each of the two notes by which a preset is judged
LEVEL = 0.5  # peak of the louder of these notes, after the preset's gain
SILENT, CLIPPED = 0.02, 0.02  # largest peak of a silent note; largest share of samples at the peak
AGREE, EXACT = 0.12, 0.04  # semitones: largest difference of two tunings; largest tuning taken for none
NEAR = 0.5  # semitones by which a preset may be off the keys or an octave of them
PATIENCE = 300.0  # seconds to wait for an answer; the slowest model of Faust compiles for 15 s

refused: Counter[str] = Counter()  # {reason: number of presets that this process has left out}


class Crash(Exception):
    """A preset has crashed the synthesizers' process twice and must not be used again."""


def require(synthesizers: Sequence[str]) -> None:
    """Raise a UserError unless the synthesizers' packages are installed."""
    for name in synthesizers:
        for module in (SYNTHESIZERS[name].module, "librosa"):
            if find_spec(module) is None:
                fix = "pip install 'msdae[synthesizers]' (for Python 3.11 and later)"
                raise UserError(f"the synthesizer {name} needs {module}: {fix}")


def record(synthesizers: Sequence[str], banks: Sequence[str]) -> dict[str, list]:
    """What decides how presets sound, for the records of a data set.

    {"synthesizers": [[name, version of its package]], "banks": [number of voices, their hash]}

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
    """A random preset that passes `judge`.

    synthesizer: a key of `SYNTHESIZERS`. banks: see `voices`.

    Raises:
        UserError: none of `ATTEMPTS` presets passes, or a bank cannot be read.
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
    """The preset with its tuning and gain, and ""; or, if it is unusable, None and the reason.

    The reasons are "crashed", "silent", "clipped" and "out of tune". The preset plays two notes, a quarter of
    its range from either end. Their pitches must be clear, and equally far from the keys or their octaves.
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
        # An offset of exactly 0 means that `measure` was unsure and returned the key.
        sure = all(offsets) and abs(offsets[0] - offsets[1]) < AGREE
        if sure and abs(tune - octaves) < NEAR:
            tune = octaves if abs(tune - octaves) < EXACT else round(tune, 3)
            return replace(preset, tune=tune, gain=LEVEL / max(peaks)), ""
        reason = "out of tune"
    refused[reason] += 1
    return None, reason


def render(notes: Sequence[Note], preset: Preset, samples: int) -> np.ndarray:
    """The sound of `notes`: float32, (samples,), mono at 44 100 Hz. Pitches may have fractions.

    Raises:
        Crash: the preset has crashed its process twice.
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
    """The sound of each of the notes (key, velocity, seconds held, samples): float32. Raises as `render`."""
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
    """The process in which synthesizers render; it is killed with this object, and ends with its stdin."""

    def __init__(self):
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 open as long as the process
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
        """The answer of `size` bytes; None if the process has crashed or hung, and is gone."""
        timer, answer = threading.Timer(PATIENCE, self.process.kill), None
        timer.start()
        try:
            self.process.stdin.write(request.encode() + b"\n")
            self.process.stdin.flush()
            answer = self.process.stdout.read(size)
        except OSError:  # the process was already gone
            pass
        finally:  # also after an interrupt, as the rest of this answer would be read as the next one
            timer.cancel()
            if answer is None or len(answer) < size:
                answer = None
                self.process.kill()
                self.process.wait()
        return answer

    def last_words(self) -> str:
        """The last line that the process printed, or else its exit code."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").split("\n")
        return next(
            (line.strip() for line in reversed(lines) if line.strip()), f"code {self.process.returncode}"
        )


@lru_cache(maxsize=1)
def _host() -> _Host:
    return _Host()
