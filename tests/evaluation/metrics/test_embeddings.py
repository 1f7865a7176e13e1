import copy

import numpy as np
import pytest
import torch

from msdae.errors import UserError
from msdae.evaluation.metrics import classifier, embeddings
from msdae.symbolic.instruments import HELD_OUT, PROGRAMS, family, seen
from msdae.synthesis import soundfont


def clip(program, pitch):
    notes = [(0.0, 1.0, pitch, 100), (1.2, 2.5, pitch + 4, 80)]
    return soundfont.render(notes, soundfont.default(), program, 3 * 44100)


def test_the_embedded_one_is_the_classifiers():
    embedding = embeddings.load("embedded")
    assert embedding.name == "embedded"
    points = embedding.embed(torch.stack([clip(0, 60), clip(73, 75)]), 44100)
    assert points.shape == (2, classifier.DIM) and points.dtype == torch.float32
    assert len(embedding.fingerprint) == 64


def test_the_classifier_knows_the_seen_and_recorded_instruments_only_and_answers_with_seen_ones():
    network = copy.deepcopy(classifier.load())
    known = {program for program in network.programs if program < PROGRAMS}
    assert known == {instrument.program for instrument in seen()} and not known & set(HELD_OUT)
    recorded = network.programs.index(PROGRAMS)
    with torch.no_grad():
        network.answer.bias[recorded] += 1000
    assert network.program(clip(0, 60)[None], 44100) == classifier.load().program(clip(0, 60)[None], 44100)


def test_the_classifier_hears_families():
    wanted = [(0, 60), (24, 60), (48, 64), (56, 66), (73, 75), (33, 40), (12, 65), (18, 60)]
    answers = classifier.load().program(torch.stack([clip(*note) for note in wanted]), 44100)
    right = [family(answer) == family(program) for answer, (program, _) in zip(answers, wanted, strict=True)]
    assert np.mean(right) >= 0.75


def test_a_saved_classifier_is_the_same(tmp_path):
    classifier.save(classifier.load(), tmp_path / "a.safetensors", {})
    assert classifier.load(tmp_path / "a.safetensors").fingerprint == classifier.load().fingerprint


def test_another_name_is_refused():
    with pytest.raises(UserError, match="'vggish'.*embedded, clap"):
        embeddings.load("vggish")
