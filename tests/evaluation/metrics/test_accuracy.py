import numpy as np
import pytest
import torch

from msdae.evaluation.metrics import accuracy
from msdae.evaluation.metrics.renditions import Renditions


def renditions(instruments, pieces):
    return Renditions(
        torch.zeros(len(pieces), 128, 4), np.array(instruments), np.array(instruments), np.array(pieces)
    )


def test_of_a_triplet_whose_clips_are_equally_near_a_half_is_right():
    points = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=float)
    share = accuracy.triplet_accuracy(points, np.array([0, 0, 1, 1]), np.array(["a", "b", "c", "d"]))
    assert share == pytest.approx((0.75 + 0.75 + 0 + 0.5) / 4)


def test_the_nearest_mean_leaves_out_the_clips_own_piece():
    """In piece b instrument 0 sounds more like instrument 1; its own piece would have given it away."""
    points = np.array([[1, 0], [0.6, 0.8], [0, 1], [0, 1], [0.6, 0.8]], dtype=float)
    clips = renditions([0, 0, 1, 1, 0], ["a", "b", "b", "c", "b"])
    assert accuracy.nearest_accuracy(points, clips, points, clips) == pytest.approx(3 / 5)
