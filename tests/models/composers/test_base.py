"""What holds for every composer."""

import numpy as np
import pytest
import torch

from msdae import checkpoint, folders
from msdae.data.draws import Draws
from msdae.errors import UserError
from msdae.evaluation.composers.copying import TrainingRuns
from msdae.models.composers import COMPOSERS, ComposerSampling
from msdae.models.composers.base import ExcerptBatch, asset, find, load, shipped
from msdae.symbolic.notes import Score, ScoreNote
from msdae.symbolic.runs import RUN, Runs
from msdae.symbolic.tokens import part_of

KINDS = [*COMPOSERS]


@pytest.mark.parametrize("kind", KINDS)
def test_it_composes_bars_that_follow_from_the_seed(small, kind):
    composer, _ = small(kind)
    first, again, other = (
        composer.compose(3, torch.Generator().manual_seed(seed)).parts for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other or not first
    assert all(
        0 <= n.pitch < 128 and n.duration > 0 and n.onset + n.duration <= 12.01 for p in first for n in p
    )


@pytest.mark.parametrize("kind", KINDS)
def test_excerpts_have_one_shape_and_losses_one_value_a_clip(small, kind):
    composer, pieces = small(kind)
    rng = np.random.default_rng(0)
    values = [composer.excerpt(composer.encode(piece), rng) for piece in pieces]
    batch = ExcerptBatch(torch.from_numpy(np.stack(values)), torch.full((4,), 5), ["x"] * 4)
    for network in composer.turns().values():
        terms = network(batch, Draws((0,), 4))
        assert all(term.shape == (4,) and term.isfinite().all() for term in terms.values())
        sum(terms.values()).mean().backward()
        assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_brings_it_back(small, kind, tmp_path):
    composer, pieces = small(kind)
    composer.save(tmp_path / "a.safetensors")
    back = load(tmp_path / "a.safetensors")
    generator = torch.Generator
    if composer.guarded:
        assert len(composer.runs.hashes) and np.array_equal(back.runs.hashes, composer.runs.hashes)
    assert back.compose(2, generator().manual_seed(0)) == composer.compose(2, generator().manual_seed(0))
    if composer.likelihood:
        assert back.nll(pieces[0]) == pytest.approx(composer.nll(pieces[0]))
    else:
        with pytest.raises(UserError, match="has no likelihood"):
            composer.nll(pieces[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_is_continued_or_refused(small, kind):
    composer, pieces = small(kind)
    if not composer.prompted:
        with pytest.raises(UserError, match="continues no tune; take"):
            composer.compose(1, torch.Generator(), pieces[0])
        return
    score = composer.compose(2, torch.Generator().manual_seed(0), pieces[0])
    assert score.quarters <= 20 + 8
    first = [(n.onset, n.pitch) for n in score.parts[0] if n.onset < 4]
    assert {pitch for _, pitch in first} == {n.pitch for n in pieces[0].parts[0] if n.onset < 4}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if COMPOSERS[kind].prompted])
def test_a_prompt_stays_as_it_is_written(small, kind):
    """Regression: it began without its pickup's rest, notes of more than two bars were cut, repeated notes of
    chorales were one, and its first tempo was that of all."""
    composer, _ = small(kind)
    part = [ScoreNote(3, 1, 60), ScoreNote(4, 1, 60), ScoreNote(5, 9, 62), ScoreNote(24, 2, 64)]
    low = [[note._replace(pitch=note.pitch - 8 * n) for note in part] for n in range(1, composer.voices)]
    prompt = Score((part, *low), 60.0, ((4.0, 120.0),))
    score = composer.compose(2, torch.Generator().manual_seed(0), prompt)
    assert (score.tempo, score.changes) == (60.0, ((4.0, 120.0),))
    for own, other in zip(score.parts, prompt.parts, strict=True):
        assert own[:3] == other[:3] and own[3][::2] == other[3][::2]  # the last one may be held
        assert all(note.onset >= 26 for note in own[4:])
    assert score.quarters <= 26 + 8


def test_numbers_out_of_range_are_refused(small):
    composer, _ = small("lstm")
    for bars in (0, 257):
        with pytest.raises(UserError, match="bars: is"):
            composer.compose(bars, torch.Generator())
    for wrong in ({"temperature": 0.0}, {"top_p": 0.0}, {"top_p": 1.5}, {"temperature": float("nan")}):
        with pytest.raises(UserError, match="expected above 0"):
            ComposerSampling(**wrong)


def test_a_manner_draws_what_is_likely():
    logits = torch.tensor([[0.0, 2.0, 1.0, -5.0]]).repeat(500, 1)
    generator = torch.Generator().manual_seed(0)
    assert set(ComposerSampling(1.0, 0.5).draw(logits, generator).tolist()) == {1}
    assert set(ComposerSampling(1.0, 0.9).draw(logits, generator).tolist()) == {1, 2}
    assert set(ComposerSampling(9.0, 1.0).draw(logits, generator).tolist()) == {0, 1, 2, 3}
    shares = torch.bincount(ComposerSampling(1.0, 1.0).draw(logits, generator), minlength=4) / 500
    torch.testing.assert_close(shares, logits[0].softmax(-1), atol=0.06, rtol=0)


LARGER = {
    "transformer": {"width": 32, "window": 64},
    "lstm": {"embedding": 64, "hidden": 128, "window": 80},
    "four_voices": {"width": 32, "window": 64},
}
HEART = [60, 62, 64, 67, 65, 62, 59, 60, 64, 69, 67, 71, 72, 69, 65, 64, 62, 65, 60, 67, 66, 69, 62, 64]


@pytest.mark.parametrize(
    ("kind", "more"), [("transformer", {}), ("lstm", {}), ("lstm", {"tokens": "1d"}), ("four_voices", {})]
)
def test_one_that_has_learnt_a_piece_by_heart_does_not_copy_it(small, kind, more):
    """The longest runs that four samples have of it, with and without --copies."""
    composer, _ = small(kind, **{**LARGER[kind], **more})
    voices = range(composer.voices)
    piece = Score(tuple([ScoreNote(0.5 * n, 0.5, p - 7 * v) for n, p in enumerate(HEART)] for v in voices))
    composer.runs, known = Runs.of([piece]), TrainingRuns([piece])
    _learn(composer, piece)
    longest = {}
    for copies in (True, False):
        sampling, generator = ComposerSampling(0.2, 0.9, copies), torch.Generator().manual_seed(0)
        scores = composer.compose_many(4, 3, generator, None, sampling)
        longest[copies] = [known.copied(score).longest for score in scores]
    assert min(longest[True]) > RUN >= max(longest[False])


def _learn(composer, piece):
    rng, optimizer = np.random.default_rng(0), torch.optim.Adam(composer.train().parameters(), 1e-2)
    for step in range(200):
        values = np.stack([composer.excerpt(composer.encode(piece), rng) for _ in range(8)])
        batch = ExcerptBatch(torch.from_numpy(values), torch.full((8,), step), ["x"] * 8)
        optimizer.zero_grad()
        sum(composer(batch, Draws((step,), 8)).values()).mean().backward()
        optimizer.step()


def test_where_only_copies_are_left_one_is_written(small):
    composer, _ = small("lstm")
    symbols = [(60 + n, 12) for n in range(RUN + 1)]
    composer.runs = Runs.of([Score((part_of(symbols),))])
    logits = torch.full((1, 131), -torch.inf)
    logits[0, 60 + RUN] = 0.0
    assert composer._without_copies(logits, [symbols[:RUN]], ComposerSampling()).equal(logits)
    logits[0, 40] = -9.0
    assert composer._without_copies(
        logits, [symbols[:RUN]], ComposerSampling()
    ).isfinite().nonzero().tolist() == [[0, 40]]
    assert composer._without_copies(logits, [symbols[:RUN]], ComposerSampling(copies=True)).equal(logits)


def test_files_of_others_are_refused(small, tmp_path):
    composer, _ = small("lstm")
    composer.save(tmp_path / "composer.safetensors")
    with pytest.raises(UserError, match="holds a lstm, expected a transformer"):
        find("transformer", tmp_path)
    with pytest.raises(UserError, match="composer 'lstn': choose one of .*did you mean 'lstm'"):
        find("lstn")
    checkpoint.save(tmp_path / "other.safetensors", "model", {}, {})
    with pytest.raises(UserError, match="holds a model, expected a composer"):
        load(tmp_path / "other.safetensors")
    tensors, header = checkpoint.load(tmp_path / "composer.safetensors", "composer")
    header = {key: value for key, value in header.items() if key not in ("format", "kind")}
    header["vocabulary"] = {"ticks": [6, 12]}
    checkpoint.save(tmp_path / "vocabulary.safetensors", "composer", tensors, header)
    with pytest.raises(UserError, match="do not fit its settings"):
        load(tmp_path / "vocabulary.safetensors")
    header["vocabulary"] = {}
    checkpoint.save(tmp_path / "vocabulary.safetensors", "composer", tensors, header)
    with pytest.raises(UserError, match="vocabulary.safetensors: damaged"):
        load(tmp_path / "vocabulary.safetensors")


def test_what_ships_is_small_and_composes():
    kinds = shipped()
    assert all(len(find(kind).runs.hashes) > 10_000 for kind in kinds if COMPOSERS[kind].guarded)
    assert "transformer" in kinds and sum(asset(kind).stat().st_size for kind in kinds) <= 8e6
    for kind in kinds:
        score = find(kind).compose(2, torch.Generator().manual_seed(0))
        assert sum(map(len, score.parts)) >= 4


def test_without_weights_it_says_how_to_train_them(monkeypatch, tmp_path):
    monkeypatch.setattr(folders, "ASSETS", tmp_path)
    with pytest.raises(UserError, match="lstm: no trained weights ship; train it: train --model lstm"):
        find("lstm", None, lambda kind: f"train --model {kind}")
