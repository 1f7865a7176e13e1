from dataclasses import replace

import pytest

from msdae.audio import SAMPLE_RATE
from msdae.evaluation import speed
from msdae.synthesis.players import PEAK
from tests.inference.test_inference import Toy


def test_medians_are_of_rounds_in_turn_after_one_that_warms_up(monkeypatch):
    clock = iter(range(1000))
    calls = []
    monkeypatch.setattr(speed.time, "perf_counter", lambda: float(next(clock)))

    def slow():
        calls.append("slow")
        next(clock)

    assert speed.medians({"slow": slow, "fast": lambda: calls.append("fast")}, 3) == {"slow": 2, "fast": 1}
    assert calls == ["slow", "fast"] * 4


def test_the_median_of_two_rounds_is_between_them(monkeypatch):
    clock = iter((0.0, 1.0, 2.0, 3.0, 6.0))
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    assert speed.medians({"case": lambda: None}, 2) == {"case": 2}


@pytest.mark.parametrize("seconds", [0.5, 10.0])
def test_recordings_are_two_tunes_that_sound_to_their_ends(seconds):
    timbre, melody = speed.recordings(seconds)
    assert timbre.shape == melody.shape == (round(seconds * SAMPLE_RATE),)
    assert (timbre - melody).abs().max() > 0.1
    for recording in (timbre, melody):
        assert recording.abs().max() == pytest.approx(PEAK, abs=1e-3)
        assert recording[-SAMPLE_RATE // 2 :].abs().max() > 0.1


@pytest.mark.parametrize(("channels", "hop", "rate"), [(64, 2048, 44100), (128, 512, 48000)])
def test_the_published_configuration_works_over_another_codec(channels, hop, rate):
    """Regression: it kept the sizes and the mel of its own, and a benchmark ended with a traceback."""
    codec = Toy(channels, hop, rate)
    pipeline = speed.published(codec)
    trained_on, mel = pipeline.model.config.codec, pipeline.model.config.mel
    assert (trained_on.hop, trained_on.channels, mel.sample_rate) == (hop, channels, rate)
    assert hop % (4 * mel.hop) == 0
    pipeline.sampling = replace(pipeline.sampling, steps=1)
    speed.swap(pipeline, 0.1)()
