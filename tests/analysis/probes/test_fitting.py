import numpy as np
import pytest
import torch

from msdae.analysis.probes.fitting import constant, fit
from msdae.analysis.probes.scoring import best_constant, score
from msdae.analysis.probes.tasks import CLASSES, FRAMES, VALUE
from msdae.errors import UserError

GROUPS = [f"g{i}" for i in range(400)]


def told_and_blind(shape, y):
    """Features of which the first channel tells `y`, and features that tell nothing."""
    generator = torch.Generator().manual_seed(0)
    told, blind = (torch.randn(*shape, generator=generator) for _ in range(2))
    told[..., 0] += 8 * y
    return told, blind


def scored(kind, x, y, outputs):
    probe = fit(kind, x[:300], y[:300], outputs, GROUPS[:300])
    return score(kind, probe, (x[:300], y[:300]), (x[300:], y[300:]), GROUPS[300:])


def test_classes_are_read_where_they_are_and_nowhere_else():
    y = torch.arange(400) % 4
    told, blind = (scored(CLASSES, x, y, 4) for x in told_and_blind((400, 8), y))
    assert told.score > 0.9 and told.explained > 0.75 and told.low <= told.score <= told.high
    assert blind.score < 0.45 and blind.explained < 0.1
    assert told.floor == 0.25 and told.loss_floor == pytest.approx(np.log(4), abs=1e-3)


def test_values_are_read_where_they_are_and_nowhere_else():
    y = torch.randn(400, 1, generator=torch.Generator().manual_seed(1))
    told, blind = (scored(VALUE, x, y, 1) for x in told_and_blind((400, 8), y[:, 0]))
    assert told.score > 0.8 and told.explained == pytest.approx(told.score) and told.floor == 0
    assert blind.score < 0.1 and blind.low <= blind.score <= blind.high


def test_frames_are_read_where_they_are_and_nowhere_else():
    generator = torch.Generator().manual_seed(2)
    y = (torch.rand(400, 16, 3, generator=generator) < torch.tensor([0.3, 0.05, 0.0])).float()
    told, blind = (scored(FRAMES, x, y, 3) for x in told_and_blind((400, 16, 8), y[..., 0]))
    assert told.score > 0.6 > blind.score  # the second output is not told
    assert told.loss < 0.6 * told.loss_floor and blind.loss > 0.9 * blind.loss_floor
    rate = float(y[300:, :, 0].mean())
    of_always = 2 * rate / (1 + rate + float(y[300:, :, 1].mean()))
    assert told.floor == pytest.approx(of_always)  # output 0 always on, the others never
    assert list(best_constant(y)) == [True, False, False]


def test_the_same_seed_gives_the_same_probe():
    y = torch.arange(120) % 3
    x = told_and_blind((120, 4), y)[1]
    answers = [fit(CLASSES, x, y, 3, GROUPS[:120], seed)(x) for seed in (0, 0, 1)]
    assert torch.equal(answers[0], answers[1]) and not torch.equal(answers[0], answers[2])
    assert torch.allclose(constant(CLASSES, y, 3), torch.full((3,), -float(np.log(3))))


def test_a_tenth_of_the_groups_and_at_least_one_is_kept_from_the_fit():
    x = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    for names, kept in ((GROUPS[:60], 6), (["a"] * 20 + ["b"] * 20 + ["c"] * 20, 20)):
        assert int(fit(VALUE, x, x[:, :1], 1, names).held_out.sum()) == kept


def test_one_group_is_refused():
    with pytest.raises(UserError, match="too few"):
        fit(CLASSES, torch.zeros(4, 2), torch.arange(4) % 2, 2, ["a"] * 4)
