import dataclasses

import pytest
import torch

from msdae.data.draws import Draws
from msdae.models import condition_dropout
from msdae.models.config import ModelConfig

POOLED = (True, False, False)


def test_conditions_are_dropped_exclusively():
    config = ModelConfig(dropped=(0.1, 0.2, 0.2))
    drop = condition_dropout.dropped_levels(Draws((0,), 20000), POOLED, config)
    kinds = {}
    for row in drop.tolist():
        kinds[tuple(row)] = kinds.get(tuple(row), 0) + 1 / 20000
    expected = {
        (True, True, True): 0.1,
        (True, False, False): 0.2,
        (False, True, True): 0.1,
        (False, True, False): 0.05,
        (False, False, True): 0.05,
        (False, False, False): 0.5,
    }
    assert kinds.keys() == expected.keys()
    assert all(share == pytest.approx(expected[kind], abs=0.01) for kind, share in kinds.items())


def test_shares_of_a_model_of_one_level():
    drop = condition_dropout.dropped_levels(Draws((0,), 20000), (True,), ModelConfig(dropped=(0.1, 0.2, 0.2)))
    assert drop.shape == (20000, 1) and drop.float().mean().item() == pytest.approx(0.3, abs=0.01)


def test_without_shares_each_level_is_dropped_by_itself():
    drop = condition_dropout.dropped_levels(Draws((0,), 20000), POOLED, ModelConfig(dropout=0.14)).float()
    assert drop.mean(dim=0).tolist() == pytest.approx([0.14] * 3, abs=0.01)
    assert drop.prod(dim=1).mean().item() == pytest.approx(0.14**3, abs=0.002)


def test_noise_is_in_proportion_to_codes_that_are_not_pooled():
    codes = [torch.ones(400, 8, 1), 3 * torch.ones(400, 8, 4), 5 * torch.ones(400, 8, 16)]
    noisy = condition_dropout.with_noise(Draws((0,), 400), codes, POOLED, 0.2)
    assert torch.equal(noisy[0], codes[0])
    for code, changed in zip(codes[1:], noisy[1:], strict=True):
        assert (changed - code).std().item() == pytest.approx(0.2 * code.mean().item(), rel=0.05)
    assert condition_dropout.with_noise(Draws((0,), 400), codes, POOLED, 0.0) == codes


def test_some_tokens_are_any_share_of_them_and_at_times_none():
    kept = condition_dropout.kept_tokens(Draws((0,), 5000), 64).float().mean(dim=1)
    assert (kept == 0).float().mean().item() == pytest.approx(condition_dropout.NO_TOKENS, abs=0.02)
    assert kept.max() > 0.95 and kept[kept > 0].min() < 0.25


def test_settings_of_training_alone_do_not_change_a_model():
    fields = {field.name for field in dataclasses.fields(ModelConfig)}
    assert {"dropped", "noise", "tokens", "heads", "around"} <= fields
    plain = ModelConfig()
    assert (plain.dropped, plain.noise, plain.tokens, plain.heads, plain.around) == ((), 0.0, 0, 0, 0)
