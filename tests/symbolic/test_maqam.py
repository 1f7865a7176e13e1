import itertools
import random

import numpy as np
import pytest

from msdae.errors import UserError
from msdae.symbolic.maqam import MAQAMAT, TaqsimConfig, Tone, taqsim

STILL = TaqsimConfig(intonation=0, wander=0)


def cents(tone, tonic):
    return (tone.pitch - tonic) * 100 % 1200


def test_scales_differ_and_rise():
    assert len({maqam.degrees for maqam in MAQAMAT.values()}) == 8
    for maqam in MAQAMAT.values():
        assert maqam.degrees[0] == 0 and len(maqam.degrees) == 7
        steps = [b - a for a, b in itertools.pairwise((*maqam.degrees, 1200))]
        assert all(50 <= step <= 300 and step % 50 == 0 for step in steps)


@pytest.mark.parametrize("maqam", MAQAMAT)
def test_pieces_keep_to_their_scales_and_end_on_the_tonic(maqam):
    for seed in range(5):
        sections = taqsim(maqam, 12.0, random.Random(seed), STILL)
        assert [section.maqam == maqam for section in sections[::2]] == [True, True]
        for section in sections:
            for tone in section.tones:
                off = min(
                    abs(cents(tone, section.tonic) - degree)
                    for degree in (*MAQAMAT[section.maqam].degrees, 1200)
                )
                assert off < 1e-6
        assert cents(sections[2].tones[-1], sections[0].tonic) == pytest.approx(0, abs=1e-6)


def test_tones_follow_each_other():
    for seed in range(20):
        tones = [t for section in taqsim("rast", 9.0, random.Random(seed)) for t in section.tones]
        assert all(a.offset <= b.onset + 1e-9 for a, b in itertools.pairwise(tones))
        assert all(tone.offset - tone.onset > 0.05 for tone in tones)
        assert tones[-1].offset == pytest.approx(27.0)


def test_modulation_is_drawn():
    never, always = TaqsimConfig(modulated=0), TaqsimConfig(modulated=1, moved=1)
    assert taqsim("hijaz", 9.0, random.Random(0), never)[1].maqam == "hijaz"
    first, middle, _ = taqsim("hijaz", 9.0, random.Random(0), always)
    assert middle.maqam != "hijaz" and middle.tonic == pytest.approx(first.tonic + 5)


def test_pitches_of_a_tone():
    time = np.linspace(0, 1, 1001)
    plain = Tone(0, 1, 60.5, 90)
    assert (plain.pitches(time) == 60.5).all()
    slide = Tone(0, 1, 60, 90, slide=(-2, 0.2)).pitches(time)
    assert slide[0] == 58 and slide[200] == pytest.approx(60) and (np.diff(slide) > -1e-9).all()
    vibrato = Tone(0, 1, 60, 90, vibrato=(5, 30)).pitches(time)
    assert (
        vibrato.max() == pytest.approx(60.3, abs=1e-3)
        and ((vibrato[:-1] < 60) & (vibrato[1:] >= 60)).sum() >= 4
    )
    assert set(Tone(0, 1, 60, 90, trill=(8, 2)).pitches(time)) == {60, 62}


@pytest.mark.parametrize("wrong", [{"tempo": (0, 60)}, {"tempo": (60, 10_000)}, {"tonic": (48, 500)}])
def test_tempos_and_tonics_that_no_line_has_are_refused(wrong):
    """Regression: no beats a minute, and a pitch above all strings, were a division by zero."""
    with pytest.raises(UserError, match=f"{next(iter(wrong))}.*expected"):
        TaqsimConfig(**wrong)
