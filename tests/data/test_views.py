import pytest
import torch

from msdae.data import ClipCache
from msdae.data.views import Partners, ViewConfig, Views
from msdae.errors import UserError


@pytest.fixture(scope="module")
def cache(tiny):
    return ClipCache(tiny / "train")


def square(index, cells=("XP", "XQ", "YP", "YQ")):
    return [{"name": f"{index}{c}", "score": f"{index}/{c[0]}", "sound": f"{index}/{c[1]}"} for c in cells]


def test_partners_in_a_square():
    clips = square(0) + square(1)
    partners = Partners(clips)
    for draw in (0.0, 0.5, 0.999):
        assert clips[partners.excerpt(0, draw)]["name"] == "0YP"
        assert clips[partners.rendition(0, draw)]["name"] == "0XQ"
        assert clips[partners.rendition(7, draw)]["name"] == "1YP"


def test_single_notes_pair_by_instrument_and_pitch():
    clips = [{"name": f"{i}{p}", "instrument": i, "pitch": p} for i in "ab" for p in (60, 61)]
    partners = Partners(clips)
    assert partners.excerpt(0, 0.7) == 1
    assert partners.rendition(0, 0.7) == 2


def test_recordings_without_labels_pair_with_themselves():
    clips = [{"name": f"{piece}{i}", "piece": piece} for piece in "ab" for i in range(3)]
    partners = Partners(clips)
    assert {partners.excerpt(0, draw) for draw in (0.0, 0.4, 0.9)} == {1, 2}
    assert partners.rendition(0, 0.3) == 0
    assert Partners([{"name": "alone"}]).excerpt(0, 0.5) == 0


def test_views_are_other_clips_and_the_same_every_time(cache):
    views = Views(cache, ViewConfig(scramble=0, recolour=0))
    one, again = next(views.batches(4, seed=1, start=3)), next(views.batches(4, seed=1, start=3))
    assert torch.equal(one.timbre, again.timbre)
    assert torch.equal(one.mel, cache.batch(one.indices).mel)
    assert not torch.equal(one.timbre, one.mel)
    partners = views.partners
    for place, index in enumerate(one.indices):
        found = {partners.excerpt(index, draw / 50) for draw in range(50)}
        assert any(torch.equal(one.timbre[place], mel) for mel in cache.batch(sorted(found)).mel)


def test_two_ranks_see_what_one_sees(cache):
    config = ViewConfig(scramble=0, recolour=0)
    whole = next(Views(cache, config).batches(4, seed=2))
    halves = [next(Views(cache, config).batches(4, seed=2, rank=rank, world=2)) for rank in range(2)]
    assert torch.equal(whole.timbre, torch.cat([half.timbre for half in halves]))
    assert torch.equal(whole.content, torch.cat([half.content for half in halves]))


def test_shares_of_perturbed_views(cache):
    views = Views(cache, ViewConfig(timbre="same", content="same", scramble=1.0, recolour=0.0))
    batch = next(views.batches(4))
    assert torch.equal(batch.content, batch.mel) and not torch.equal(batch.timbre, batch.mel)


def test_unknown_views_and_shards_are_refused():
    with pytest.raises(UserError, match="timbre is 'rendition'"):
        ViewConfig(timbre="rendition")
    with pytest.raises(UserError, match="shards"):
        Views(object(), ViewConfig())
