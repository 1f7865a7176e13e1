"""Pairs of prepared recordings, cut from a data set of another codec's rate."""

from types import SimpleNamespace

import pytest
import torch

from msdae import audio
from msdae.data import ClipCache
from msdae.errors import UserError
from msdae.evaluation.swapbench.pairs import Pairs


def test_recordings_are_at_the_benchmark_s_rate_whatever_the_codec_s(tmp_path):
    """Everything that scores takes them for 44.1 kHz."""
    seconds, clips = 1.0, []
    for name, hertz in (("a", 441.0), ("b", 882.0)):
        time = torch.arange(2 * 44100) / 44100
        audio.write(tmp_path / f"{name}.wav", 0.5 * torch.sin(2 * torch.pi * hertz * time))
        labels = {"kind": "melody", "notes": [[0.0, 1.0, 69, 100]], "instrument": name, "piece": name}
        clips.append({**labels, "path": str(tmp_path / f"{name}.wav"), "start": 0.5})
    cache = SimpleNamespace(clips=clips, path=tmp_path, clip_seconds=seconds, sample_rate=48000)
    cache.waveform = lambda *arguments: ClipCache.waveform(cache, *arguments)
    pairs = Pairs(cache, 2)
    timbre, melody, _ = pairs(pairs.cases)
    assert timbre.shape == melody.shape == (2, 44100)
    loudest = sorted(int(torch.fft.rfft(sound).abs().argmax()) for sound in melody)  # bins of 1 Hz
    assert loudest == [441, 882]


def test_clips_whose_instrument_is_unknown_are_passed_over(tmp_path):
    """Regression: a KeyError."""
    labels = {"kind": "melody", "notes": [[0.0, 1.0, 69, 100]]}
    known = [{**labels, "instrument": f"i{n}", "piece": f"p{n}"} for n in range(2)]
    assert len(Pairs(SimpleNamespace(clips=[{**labels, "piece": "q"}, *known], path=tmp_path), 9).cases) == 2
    with pytest.raises(UserError, match="has no two clips of known notes"):
        Pairs(SimpleNamespace(clips=[{**labels, "piece": "q"}] * 3, path=tmp_path), 9)


def test_every_clip_is_a_timbre_source_before_one_is_twice(tmp_path):
    labels = {"kind": "melody", "notes": [[0.0, 1.0, 69, 100]]}
    clips = [{**labels, "instrument": f"i{n}", "piece": f"p{n}"} for n in range(20)]
    cases = Pairs(SimpleNamespace(clips=clips, path=tmp_path), 20).cases
    assert len({case.timbre.piece for case in cases}) >= 18  # the last may find only their own left
    assert all(case.timbre.piece != case.melody.piece for case in cases)
