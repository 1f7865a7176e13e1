import numpy as np
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


def at(partners, kind, index, draw):
    """The partner of one clip."""
    return getattr(partners, kind)(torch.tensor([index]), torch.tensor([draw])).item()


def test_partners_in_a_square():
    clips = square(0) + square(1)
    partners = Partners(clips)
    for draw in (0.0, 0.5, 0.999):
        assert clips[at(partners, "excerpt", 0, draw)]["name"] == "0YP"
        assert clips[at(partners, "rendition", 0, draw)]["name"] == "0XQ"
        assert clips[at(partners, "rendition", 7, draw)]["name"] == "1YP"


def test_single_notes_pair_by_instrument_and_pitch():
    clips = [{"name": f"{i}{p}", "instrument": i, "pitch": p} for i in "ab" for p in (60, 61)]
    partners = Partners(clips)
    assert at(partners, "excerpt", 0, 0.7) == 1
    assert at(partners, "rendition", 0, 0.7) == 2


def test_recordings_without_labels_pair_with_themselves():
    clips = [{"name": f"{piece}{i}", "piece": piece} for piece in "ab" for i in range(3)]
    partners = Partners(clips)
    assert {at(partners, "excerpt", 0, draw) for draw in (0.0, 0.4, 0.9)} == {1, 2}
    assert at(partners, "rendition", 0, 0.3) == 0
    assert at(Partners([{"name": "alone"}]), "excerpt", 0, 0.5) == 0


def test_notes_of_long_recordings_are_paired_clip_by_clip():
    """Regression: a clip had for its rendition any clip of the same score, of other notes."""
    clips = [
        {"name": f"{player}{i}", "score": "song", "sound": player, "start": 2.97 * i}
        for player in "ab"
        for i in range(3)
    ]
    partners = Partners(clips)
    for draw in (0.0, 0.4, 0.9):
        assert [at(partners, "rendition", index, draw) for index in range(6)] == [3, 4, 5, 0, 1, 2]
    assert {at(partners, "excerpt", 0, draw) for draw in (0.0, 0.9)} == {1, 2}


def test_views_are_other_clips_and_the_same_every_time(cache):
    views = Views(cache, ViewConfig(scramble=0, recolour=0))
    one, again = next(views.batches(4, seed=1, start=3)), next(views.batches(4, seed=1, start=3))
    assert torch.equal(one.timbre, again.timbre)
    assert torch.equal(one.mel, cache.batch(one.indices).mel)
    assert not torch.equal(one.timbre, one.mel)
    partners = views.partners(cache)
    for place, index in enumerate(one.indices):
        excerpts = {at(partners, "excerpt", index, draw / 50) for draw in range(50)}
        found = any(torch.equal(one.timbre[place], mel) for mel in cache.batch(sorted(excerpts)).mel)
        assert found != (excerpts == {index})  # alone, it is scrambled


@pytest.mark.parametrize("world", [2, 4])
def test_any_number_of_ranks_sees_what_one_sees(cache, world):
    config = ViewConfig(scramble=0.5, recolour=0.5, loudness=0.5, vibrato=0.5)
    one = next(Views(cache, config).batches(8, seed=2, start=5))
    parts = [next(Views(cache, config).batches(8, 2, 5, rank, world)) for rank in range(world)]
    for view in ("timbre", "content"):
        assert torch.allclose(getattr(one, view), torch.cat([getattr(p, view) for p in parts]), atol=1e-5)
    assert not torch.equal(one.timbre, one.mel)


def test_shares_of_perturbed_views(cache):
    views = Views(cache, ViewConfig(timbre="same", content="same", scramble=1.0, recolour=0.0))
    batch = next(views.batches(4))
    assert torch.equal(batch.content, batch.mel) and not torch.equal(batch.timbre, batch.mel)


def test_clips_without_a_rendition_are_bent_whatever_the_share(cache, monkeypatch):
    clips = [{**clip, "score": f"{index // 2}"} for index, clip in enumerate(cache.clips)]
    for clip in clips[::3]:
        clip["score"] = f"alone {clip['name']}"
    monkeypatch.setattr(cache, "clips", clips)
    views = Views(cache, ViewConfig("same", "rendition", 0, 0))
    batch, partners = next(views.batches(len(cache))), views.partners(cache)
    renditions = [at(partners, "rendition", index, 0.0) for index in batch.indices]
    alone = torch.tensor([one == other for one, other in zip(renditions, batch.indices, strict=True)])
    assert alone.any() and not alone.all()
    assert torch.equal(batch.content_sound, cache.sound(renditions))
    assert not torch.equal(batch.content_sound, batch.sound)
    unbent = (batch.content == cache.mel(renditions)).flatten(1).all(dim=1)
    assert torch.equal(alone, ~unbent)


def test_unknown_views_are_refused():
    with pytest.raises(UserError, match="timbre is 'rendition'"):
        ViewConfig(timbre="rendition")
    with pytest.raises(UserError, match="scramble: is 2"):
        ViewConfig(scramble=2)


def test_partners_are_those_that_share_one_label_and_not_the_other():
    rng = np.random.default_rng(0)
    clips = [
        {"name": f"{n}", "sound": int(rng.integers(6)), "score": int(rng.integers(8))} for n in range(60)
    ]
    partners, indices = Partners(clips), torch.arange(60)
    seen = {"excerpt": {}, "rendition": {}}
    for draw in torch.linspace(0, 0.9999, 40):
        for kind, found in seen.items():
            for index, other in enumerate(getattr(partners, kind)(indices, draw.expand(60)).tolist()):
                found.setdefault(index, set()).add(other)
    for index, clip in enumerate(clips):
        for kind, same, other in (("excerpt", "sound", "score"), ("rendition", "score", "sound")):
            group = {n for n, c in enumerate(clips) if c[same] == clip[same]}
            wanted = {n for n in group if clips[n][other] != clip[other]}
            if not wanted:
                wanted = (group - {index} if kind == "excerpt" else set()) or {index}
            assert seen[kind][index] == wanted


def test_a_timbre_view_that_is_the_clip_itself_is_scrambled(cache, monkeypatch):
    clips = [{**clip, "sound": clip["name"]} for clip in cache.clips]
    monkeypatch.setattr(cache, "clips", clips)
    batch = next(Views(cache, ViewConfig("excerpt", "same", 0, 0)).batches(4))
    assert not (batch.timbre == batch.mel).flatten(1).all(dim=1).any()


def test_loudness_and_vibrato_are_of_the_content_alone(cache):
    plain = {"timbre": "same", "content": "same", "scramble": 0, "recolour": 0}
    for share in ("loudness", "vibrato"):
        config = ViewConfig(**plain, **{share: 1.0})
        batch = next(Views(cache, config).batches(4))
        assert not config.plain and torch.equal(batch.timbre, batch.mel)
        assert not torch.equal(batch.content, batch.mel)
