"""Figures of notes whose values are known."""

import numpy as np
import pytest

from msdae.evaluation.priors import notes as of


def line(*pitches, gap=0.5):
    return np.array([[gap * n, gap * n + 0.4, pitch] for n, pitch in enumerate(pitches)], float).reshape(
        -1, 3
    )


def test_figures_of_a_scale():
    scale = line(60, 62, 64, 65, 67, 69, 71, 72)
    assert of.density(scale, 4) == 2 and of.in_scale(scale, 4) == 1
    assert of.pitch(scale, 4) == 66 and of.length(scale, 4) == pytest.approx(0.4)
    shares = np.array([2, 1, 1, 1, 1, 1, 1]) / 8
    assert of.pitch_class_entropy(scale, 4) == pytest.approx(-(shares * np.log2(shares)).sum())


def test_all_twelve_pitches_fit_no_scale():
    assert of.in_scale(line(*range(60, 72)), 6) == pytest.approx(7 / 12)


def test_what_was_heard_before_is_repetition_in_any_key():
    assert of.repetition(line(60, 62, 64, 65, 67), 4) == 0
    twice = line(60, 62, 64, 65, 67, 62, 64, 66, 67, 69)
    assert of.repetition(twice, 4) == pytest.approx(1 / 6)
    assert of.repetition(line(*[60] * 9), 4) == pytest.approx(4 / 5)


def test_of_silence_nothing_is_said():
    silence = line()
    assert of.density(silence, 4) == 0
    others = (of.pitch_class_entropy, of.in_scale, of.length, of.pitch, of.repetition)
    assert all(np.isnan(figure(silence, 4)) for figure in others)


def test_thirds_have_their_own_time():
    parts = of.thirds(line(60, 61, 62, 63, 64, 65, gap=1.0), 6)
    assert [part[:, 2].tolist() for part in parts] == [[60, 61], [62, 63], [64, 65]]
    assert [part[0, 0] for part in parts] == [0, 0, 0]
