"""Codes of which it is known what they hold: the first the instrument, the others the notes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from msdae.analysis import leakage
from msdae.analysis.leakage import CHANGES, INSTRUMENT, PITCH, PLAIN, TEMPO, Melody, Renditions
from msdae.audio.files import SAMPLE_RATE
from msdae.errors import UserError
from msdae.evaluation.swapbench.cases import CLIP_SAMPLES, CLIP_SECONDS, Performance
from msdae.evaluation.tables import EMPTY
from msdae.inference.pipeline import Pipeline
from msdae.symbolic import instruments
from tests.inference.test_inference import Toy, random_model

FRAMES = 32
FAMILIES = ("keyboard", "guitar", "brass")
PLAYERS = [next(kind for kind in instruments.seen() if kind.family == name) for name in FAMILIES]


def drawn(split: str, count: int = 48) -> list[Melody]:
    """Even notes as long as the clip, of three instruments."""
    rng = np.random.default_rng(len(split))
    melodies = []
    for number in range(count):
        player, other = PLAYERS[number % 3], PLAYERS[(number + 1) % 3]
        step = rng.uniform(0.2, 0.5)
        pitches = rng.integers(55, 75, size=int(CLIP_SECONDS / step))
        notes = tuple((k * step, (k + 1) * step, int(pitch), 80) for k, pitch in enumerate(pitches))
        plain = Performance(player.name, player.program, "a.sf2", f"{split} {number}", notes)
        semitones, tempo = int(rng.choice([-5, -3, -1, 1, 3, 5])), float(rng.uniform(0.8, 1.25))
        played = {
            PLAIN: plain,
            PITCH: replace(plain, notes=leakage._transposed(notes, semitones)),
            TEMPO: replace(plain, notes=leakage._at_tempo(notes, tempo)),
            INSTRUMENT: replace(plain, instrument=other.name, program=other.program),
        }
        melodies.append(Melody(played, semitones, tempo))
    return melodies


def of_instrument(performance: Performance) -> torch.Tensor:
    place = [kind.program for kind in PLAYERS].index(performance.program)
    return torch.eye(3)[place][:, None]


def of_notes(performance: Performance) -> torch.Tensor:
    """The pitch that sounds, and twice each onset."""
    code = torch.zeros(2, FRAMES)
    for onset, offset, pitch, _ in performance.notes:
        start, end = (round(FRAMES * second / CLIP_SECONDS) for second in (onset, offset))
        code[0, start:end] = (pitch - 65) / 10
        code[1, start : start + 1] = 2
    return code


def renditions(split: str, levels=(of_instrument, of_notes, of_notes)) -> Renditions:
    melodies = drawn(split)
    codes = {
        change: [torch.stack([of(melody.played[change]) for melody in melodies]) for of in levels]
        for change in CHANGES
    }
    return Renditions(melodies, codes)


@pytest.fixture(scope="module")
def found():
    """{(code, column): value} of both tables."""
    tables = leakage.tables("fake", renditions("valid"), renditions("test"), "a command")
    assert [t.title for t in tables] == ["What levels of fake tell", "What changes in codes of fake"]
    return {
        (row, name): cell for t in tables for name in t.header[1:] for row, cell in t.column(name).items()
    }


def test_each_level_tells_what_it_holds_and_no_more(found):
    instrument, pitch, tempo = "instrument's family, % ↑", "mean pitch, R2 ↑", "tempo, R2 ↑"
    assert found["h1", instrument].value == 1
    assert found["h3", instrument].value < 0.6 and found["h2 + h3", instrument].value < 0.6
    assert found["h1", pitch].value < 0.1 and found["h1", tempo].value < 0.1
    assert found["h2 + h3", pitch].value > 0.8 and found["h2 + h3", tempo].value > 0.4
    for column in (instrument, pitch, tempo):
        assert abs(found["Delta", column].value) < 0.1
    assert str(found["h1", instrument]) == "100 [100, 100]"


def test_a_level_that_tells_of_what_another_should_hold_shows():
    def both(performance):
        return torch.cat([of_notes(performance), of_instrument(performance).expand(-1, FRAMES)])

    def half(performance):
        return of_instrument(performance) * (performance.notes[0][2] % 2)

    levels = (half, both, both)
    table = leakage.told_table("fake", renditions("valid", levels), renditions("test", levels))
    delta = table.column("instrument's family, % ↑")["Delta"]
    assert delta.value > 0.15 and delta.low > 0


def test_codes_stay_where_what_they_hold_stays(found):
    assert found["h1", "pitch: cosine"].value == found["h1", "tempo: cosine"].value == pytest.approx(1)
    assert found["h1", "instrument: cosine"].value < 0
    assert found["h3", "instrument: cosine"].value == pytest.approx(1)
    assert found["h3", "tempo: cosine"].value > 0.6
    assert abs(found["h3", "another melody: cosine"].value) < 0.3 < found["h1", "pitch: cosine"].low


def test_what_changes_is_read_and_foretold(found):
    assert found["h3", "pitch: read, R2"].value > 0.9 and found["h1", "pitch: read, R2"].value < 0.1
    assert found["h3", "pitch: foretold"].value > 0.8 and found["h1", "pitch: foretold"] == EMPTY
    assert found["h3", "tempo: read, R2"].low > 0.05 > found["h1", "tempo: read, R2"].value


def test_codes_of_other_tempi_are_compared_in_time():
    own = torch.arange(FRAMES).float()[None]
    for tempo in (0.8, 1.0, 1.25):
        other = ((torch.arange(FRAMES) + 0.5) * tempo - 0.5)[None]  # the same ramp, `tempo` times as fast
        kept, aligned = leakage._in_time(own, other, tempo)
        torch.testing.assert_close(kept, aligned, atol=1e-4, rtol=0)
        assert kept.shape[-1] >= 0.75 * FRAMES


def test_a_model_of_one_level_is_refused():
    with pytest.raises(UserError, match="between levels"):
        renditions("test", (of_instrument,))


@pytest.mark.parametrize(("channels", "hop", "rate"), [(128, 512, 48000), (64, 2048, 24000)])
def test_codecs_of_another_rate_hear_the_melodies_at_their_pitch_and_tempo(channels, hop, rate):
    """Regression: a codec of 24 kHz heard them an octave lower and at half the tempo."""
    codec = Toy(channels, hop, rate)
    pipeline = Pipeline(random_model(codec), codec)

    def tone(samples: int, rate: int) -> torch.Tensor:
        waves = torch.sin(2 * torch.pi * 440 * torch.arange(samples).double() / rate)
        return (waves * torch.hann_window(samples)).float()[None]

    found = leakage.codes(pipeline, {PLAIN: tone(CLIP_SAMPLES, SAMPLE_RATE)})[PLAIN]
    wanted = tone(round(CLIP_SECONDS * rate), rate)
    with torch.inference_mode():
        heard = pipeline.model.encode(codec.encode(wanted), pipeline.log_mel(wanted))
    for code, other in zip(found, heard, strict=True):
        torch.testing.assert_close(code, other, atol=0.01, rtol=0)


def test_melodies_stay_in_range_and_in_the_clip():
    ranges = {kind.program: kind for kind in instruments.seen()}
    melodies = leakage.melodies("test", 6)
    assert len(melodies) >= 5
    for melody in melodies:
        kind, plain = ranges[melody.played[PLAIN].program], melody.played[PLAIN].notes
        moved = melody.played[PITCH].notes
        assert 1 <= abs(melody.semitones) <= 6 and 0.8 <= melody.tempo <= 1.25
        assert [b[2] - a[2] for a, b in zip(plain, moved, strict=True)] == [melody.semitones] * len(plain)
        assert all(kind.low <= note[2] <= kind.high for note in moved)
        assert all(note[0] < note[1] <= CLIP_SECONDS for note in melody.played[TEMPO].notes)
        assert melody.played[INSTRUMENT].notes == plain
        assert melody.played[INSTRUMENT].program != melody.played[PLAIN].program
    assert leakage.melodies("test", 6) == melodies
