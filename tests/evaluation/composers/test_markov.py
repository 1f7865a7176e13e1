import numpy as np
import pytest

from msdae.evaluation.composers.markov import Markov


def test_probabilities_add_up_to_one():
    model = Markov([list("abcabd"), list("abe")], 2, 6)
    for context in (["a", "b"], ["begin", "begin"], ["x", "y"]):
        assert sum(model.probability(context, s) for s in "abcdef") == pytest.approx(1)


def test_longer_contexts_tell_more_where_there_is_order():
    train = [list("abcd" * 20)]
    nats = [Markov(train, order, 4).nll(list("abcd" * 5)) for order in (0, 1, 5)]
    assert nats[0] == pytest.approx(20 * np.log(4), rel=0.01)
    assert nats[1] < 0.2 * nats[0] and nats[2] < 0.5 * nats[0]


def test_samples_follow_the_counts():
    model = Markov([list("ab" * 50)], 1, 4)
    drawn = model.sample(400, np.random.default_rng(0))
    pairs = [a + b for a, b in zip(drawn[:-1], drawn[1:], strict=True)]
    assert sum(pair in ("ab", "ba") for pair in pairs) / len(pairs) > 0.95
    assert "b" not in model.sample(50, np.random.default_rng(0), ends=["b"])
