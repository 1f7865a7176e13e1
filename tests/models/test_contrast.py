import math

import torch

from msdae.models.contrast import info_nce


def test_equals_cross_entropy_written_out():
    torch.manual_seed(0)
    a, p, n = torch.randn(3, 5), torch.randn(3, 5), torch.randn(2, 5)
    unit = lambda x: x / x.norm(dim=1, keepdim=True)  # noqa: E731
    for i, loss in enumerate(info_nce(a, p, n, temperature=0.5)):
        scores = [float(unit(a)[i] @ c) / 0.5 for c in torch.cat([unit(p), unit(n)])]
        expected = -scores[i] + math.log(sum(math.exp(score) for score in scores))
        assert math.isclose(float(loss), expected, rel_tol=1e-5)


def test_candidates_of_the_same_sound_are_no_negatives_and_the_positive_stays():
    a = torch.eye(3)
    same = torch.ones(3, 3, dtype=torch.bool)
    assert torch.allclose(info_nce(a, a, same=same), torch.zeros(3))
    assert (info_nce(a, a.flip(0), same=None) > 1).any()
