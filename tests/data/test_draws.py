import pytest
import torch

from msdae.data.draws import Draws


def test_draws_do_not_depend_on_how_the_batch_is_shared():
    drawn = Draws((1, 2, 3), 8)
    parts = [Draws((1, 2, 3), 8, slice(i, i + 4)) for i in (0, 4)]
    for draw in (lambda d: d.normal(4, 5), lambda d: d.uniform(3), lambda d: d.normal()):
        assert torch.equal(draw(drawn), torch.cat([draw(part) for part in parts]))
    assert drawn.integer(1000) == parts[0].integer(1000)
    assert torch.equal(drawn.again().normal(4, 5), Draws((1, 2, 3), 8).normal(4, 5))
    assert not torch.equal(drawn.again().normal(2), Draws((1, 2, 4), 8).normal(2))
    assert (Draws((0,), 1000).uniform(3) < 0.14).float().mean().item() == pytest.approx(0.14, abs=0.03)


def test_draws_of_some_clips_are_those_that_all_have():
    some = torch.tensor([True, False, True, False])
    whole, part = Draws((5,), 8, slice(4, 8)), Draws((5,), 8, slice(4, 8)).of(some)
    for draw in (lambda d: d.normal(3), lambda d: d.uniform()):
        assert torch.equal(draw(whole)[some], draw(part))
    assert torch.equal(part.again().normal(3), Draws((5,), 8, slice(4, 8)).normal(3)[some])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_draws_its_own_numbers():
    device = torch.device("cuda")
    drawn, part = Draws((1,), 8, device=device), Draws((1,), 8, slice(2, 4), device)
    numbers = drawn.normal(3)
    assert numbers.is_cuda and torch.equal(numbers[2:4], part.normal(3))
