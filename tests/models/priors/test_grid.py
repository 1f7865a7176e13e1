"""The codes of all levels as one tensor."""

import pytest
import torch

from msdae.errors import UserError
from msdae.models.config import ModelConfig
from msdae.models.msdae import MSDAE
from msdae.models.priors.grid import Grid, Level

GRID = Grid((Level(3, 0), Level(4, 4), Level(2, 1)))


def codes(frames=8, batch=2):
    generator = torch.Generator().manual_seed(0)
    shapes = enumerate(GRID.shapes(frames), 1)
    return {number: torch.randn(batch, *shape, generator=generator) for number, shape in shapes}


def test_what_is_spread_is_gathered_again():
    known = codes()
    x = GRID.spread(known, 8)
    assert x.shape == (2, 9, 8) and GRID.channels == 9 and GRID.step == 4
    assert (x[:, :3] == known[1]).all() and (x[:, 3:7, 4:] == known[2][..., 1:]).all()
    for level, code in GRID.gather(x).items():
        torch.testing.assert_close(code, known[level])


def test_the_nearest_tensor_that_codes_have_is_their_mean():
    x = torch.randn(2, 9, 8, generator=torch.Generator().manual_seed(1))
    nearest = GRID.project(x)
    torch.testing.assert_close(GRID.project(nearest), nearest)
    assert torch.equal(nearest[:, 7:], x[:, 7:])
    torch.testing.assert_close(
        nearest[:, 3:7, :4], x[:, 3:7, :4].mean(dim=-1, keepdim=True).expand(-1, -1, 4)
    )


def test_what_holds_for_levels_holds_for_their_channels():
    flags = torch.tensor([[True, False, True]])
    assert GRID.by_channel(flags).tolist() == [[True] * 3 + [False] * 4 + [True] * 2]


def test_sizes_come_from_the_model():
    """A wider model, of other depths and rates, has a wider grid."""
    config = ModelConfig(widths=(8, 8, 8, 8), code_channels=(6, 5, 7), inject=(3, 3, 1), encoder="conv")
    grid = Grid.of(MSDAE(config))
    assert grid.levels == (Level(6, 0), Level(5, 8), Level(7, 2))
    assert (grid.step, grid.pooled, grid.timed) == (8, (1,), (2, 3))


def test_a_model_without_codes_over_time_has_no_prior():
    config = ModelConfig(widths=(8, 8), code_channels=(6, 5, 7), inject=(1, 1, 0), pooled=(1, 2, 3))
    with pytest.raises(UserError, match="none but pooled ones"):
        Grid.of(MSDAE(config))
