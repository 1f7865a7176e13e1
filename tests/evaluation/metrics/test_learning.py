import signal

import numpy as np
import pytest
import torch

from msdae.data.draws import Draws
from msdae.errors import UserError
from msdae.evaluation.metrics import accuracy, classifier, learning, timbre
from msdae.evaluation.metrics.mel import RANGE_DB
from msdae.evaluation.metrics.renditions import Renditions
from msdae.evaluation.metrics.settings import MetricConfig
from msdae.evaluation.swapbench.sounds import merlin
from msdae.symbolic import instruments
from msdae.synthesis import soundfont


def renditions(instruments, pieces, mels=None):
    mels = torch.zeros(len(instruments), 128, 4) if mels is None else mels
    return Renditions(mels.half(), np.array(instruments), np.array(instruments), np.array(pieces))


def by_loops(points, instruments, pieces):
    """Hinges and orders of all triplets, one by one."""
    hinges, shares = [], []
    for a, anchor in enumerate(points):
        right = []
        for p, positive in enumerate(points):
            for n, negative in enumerate(points):
                fits = instruments[a] == instruments[p] and pieces[a] != pieces[p]
                if not fits or instruments[n] == instruments[a]:
                    continue
                near, far = anchor @ positive, anchor @ negative
                hinges.append(max(0.0, learning.MARGIN + far - near))
                right.append(near > far)
        if right:
            shares.append(np.mean(right))
    return np.mean([hinge for hinge in hinges if hinge > 0]), np.mean(shares)


def test_triplets_are_those_of_a_loop_over_all():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(14, 5))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    instruments, pieces = rng.integers(0, 4, 14), rng.integers(0, 5, 14)
    loss, share = by_loops(points, instruments, pieces)
    tensors = [torch.from_numpy(values) for values in (points, instruments, pieces)]
    others = tensors[1][:, None] != tensors[1]
    assert learning.triplet_loss(*tensors, tensors[0], others).item() == pytest.approx(loss)
    assert accuracy.triplet_accuracy(points, instruments, pieces) == pytest.approx(share)


def test_augmentation_changes_clips_within_their_range():
    mel = 20 * torch.rand(64, 128, 10, generator=torch.Generator().manual_seed(0)) - 60
    found = learning.augmented(mel, Draws((1,), 64))
    change = (found - mel).abs().amax(dim=(1, 2))
    assert 0.1 < (change == 0).float().mean() < 0.5  # a quarter stays as it is
    assert change.max() > 3
    assert (found.amax(dim=(1, 2)) - found.amin(dim=(1, 2))).max() <= RANGE_DB + 1e-3
    assert torch.equal(found, learning.augmented(mel, Draws((1,), 64)))


def test_both_networks_learn_repeat_and_continue(tmp_path):
    """Instruments that are spectra of their own, with noise."""
    generator = torch.Generator().manual_seed(0)
    spectra = 40 * torch.rand(6, 128, 1, generator=generator)
    instruments = [number for number in range(6) for _ in range(10)]
    noise = 10 * torch.randn(60, 128, 16, generator=generator)
    clips = renditions(instruments, list(range(60)), spectra[instruments] + noise)
    networks = [learning.fit_timbre(clips, tmp_path / name, steps=12, seed=1) for name in "aba"]
    for network in networks[1:]:  # the last one is read from the state of the first
        assert all(map(torch.equal, *(n.state_dict().values() for n in (networks[0], network))))
    assert accuracy.of(networks[0], clips, {}).nearest > 0.9
    program, family = accuracy.classified(learning.fit_classifier(clips, tmp_path / "c", steps=20), clips)
    assert family >= program > 0.8
    with pytest.raises(UserError, match="saved with another 'data'"):
        learning.fit_timbre(clips.take(np.arange(50)), tmp_path / "a", steps=12, seed=1)


def test_one_instrument_alone_is_told_from_none(tmp_path, monkeypatch):
    font = str(soundfont.default())
    seen, unseen = instruments.voices([font], [font])
    monkeypatch.setattr(learning.instruments, "voices", lambda *fonts: (seen[:2], unseen[:1]))
    rendered = []

    def render(plans, *arguments):
        rendered.extend(plans)
        numbers = [plan.voice.instrument.program for plan in plans for _ in range(plan.clips)]
        noise = torch.randn(len(numbers), 128, 96, generator=torch.Generator().manual_seed(0))
        return renditions(numbers, list(range(len(numbers))), noise)

    monkeypatch.setattr(learning.renditions, "render", render)
    config = MetricConfig(codecs=(), references=3, checked=1)
    table = learning.check(timbre.load(), classifier.load(), [font], config, tmp_path, recorded=unseen[1:2])
    assert [row[0] for row in table.rows] == [f"{soundfont.default().name}, seen"]
    assert {plan.voice for plan in rendered} == set(seen[:2])


@pytest.mark.parametrize("clips", [2, 3, 8])
def test_instruments_of_further_soundfonts_have_two_clips_at_least(tmp_path, monkeypatch, clips):
    """Regression: with one clip of some instruments no triplet was drawn, and the network learnt nothing."""

    class Planned(Exception):
        pass

    def render(plans, *rest):
        assert {plan.clips for plan in plans} == {clips, max(2, clips // 2)}
        raise Planned

    monkeypatch.setattr(learning.renditions, "render", render)
    fonts, config = [str(soundfont.default()), str(merlin())], MetricConfig(clips=clips, codecs=())
    with pytest.raises(Planned):
        learning.fit(fonts, config, tmp_path, tmp_path)


def test_a_stopped_training_of_a_metric_continues(tmp_path, monkeypatch):
    mels = 10 * torch.randn(12, 128, 8, generator=torch.Generator().manual_seed(0))
    clips = renditions([0, 1] * 6, list(range(12)), mels)
    expected = learning.fit_classifier(clips, tmp_path / "a", steps=4)
    losses, steps = learning.MetricTask.losses, []

    def stops(task, batch, draws):
        steps.append(batch)
        if len(steps) == 2:
            signal.raise_signal(signal.SIGINT)
        return losses(task, batch, draws)

    monkeypatch.setattr(learning.MetricTask, "losses", stops)
    with pytest.raises(KeyboardInterrupt):
        learning.fit_classifier(clips, tmp_path / "b", steps=4)
    continued = learning.fit_classifier(clips, tmp_path / "b", steps=4)
    assert all(map(torch.equal, *(network.state_dict().values() for network in (expected, continued))))
