import numpy as np
import pytest

from msdae.analysis.probes.tasks import TASKS
from msdae.audio.files import SAMPLE_RATE
from msdae.data.sources import ClipLength

SECONDS = ClipLength().samples / SAMPLE_RATE
FRAME = SECONDS / 32
CLIP = {
    "dataset": "slakh",
    "notes": [
        [0.0, 0.5, 60, 40],
        [0.5, 1.5, 64, 60],
        [0.51, 1.5, 67, 60],
        [1.0, 1.01, 60, 80],
        [1.5, 2.9, 60, 60],
    ],
}


def test_melody_frames_hold_the_pitches_that_sound():
    roll = TASKS["melody"].answer(CLIP, 32)
    assert roll.shape == (32, 128) and set(np.flatnonzero(roll.any(axis=0))) == {60, 64, 67}
    first = round(0.5 / FRAME)
    assert roll[:first, 60].all() and not roll[first:10, 60].any()
    assert roll[10, 60] and not roll[11, 60]  # a note shorter than a frame still sounds in one
    whole = {"notes": [[SECONDS - 1e-6, SECONDS, 60, 60]]}
    assert TASKS["melody"].answer(whole, 32)[-1, 60]  # the end of the clip is in its last frame


def test_onset_density_interval_and_velocity_of_known_notes():
    onsets = TASKS["onset"].answer(CLIP, 32)
    assert list(np.flatnonzero(onsets)) == [0, 5, 10, 16]  # the chord is one onset
    assert TASKS["density"].answer(CLIP, 32) == pytest.approx(np.log2(5 / SECONDS))
    assert TASKS["interval"].answer(CLIP, 32) == pytest.approx(np.log2(0.5))
    assert TASKS["velocity"].answer({"velocity": 25}, 32) == 25.0
    assert TASKS["interval"].answer({"notes": CLIP["notes"][:3]}, 32) is None  # one interval is no median


def test_what_a_clip_does_not_tell_is_not_asked():
    assert {name for name, task in TASKS.items() if task.answer({"name": "a"}, 32) is not None} == set()
