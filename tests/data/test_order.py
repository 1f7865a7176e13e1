import itertools

import numpy as np
import pytest

from msdae.data import order
from msdae.errors import UserError


def _take(count, **changes):
    settings = {"clips": 10, "batch_size": 4, "seed": 0, "start": 0, "rank": 0, "world": 1, **changes}
    return [batch.tolist() for batch in itertools.islice(order.batches(**settings), count)]


def test_each_epoch_has_every_clip_once_and_epochs_follow_without_a_gap():
    stream = sum(_take(5), [])
    assert sorted(stream[:10]) == sorted(stream[10:20]) == list(range(10))
    assert stream[:10] != stream[10:20]


def test_a_batch_depends_on_seed_and_step_only():
    assert _take(3, start=7) == _take(10)[7:]
    assert _take(3) == _take(3)
    assert _take(3, seed=1) != _take(3)


def test_ranks_share_the_global_batch():
    first, second = _take(6, rank=0, world=2), _take(6, rank=1, world=2)
    assert [a + b for a, b in zip(first, second, strict=True)] == _take(6)


def test_a_batch_may_be_larger_than_the_set():
    (batch,) = _take(1, clips=3, batch_size=8)
    assert sorted(batch[:3]) == sorted(batch[3:6]) == [0, 1, 2]


def test_a_far_step_is_reached_at_once():
    (batch,) = _take(1, clips=100, start=10**9)
    assert len(set(batch)) == 4
    assert np.array(batch).max() < 100


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(UserError, match="5 clips cannot be divided among 2"):
        _take(1, batch_size=5, world=2)
    with pytest.raises(UserError, match="0 clips"):
        _take(1, batch_size=0)
