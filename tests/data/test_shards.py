"""Views within shards: a set larger than a disk trains the default recipe."""

import itertools
import pickle

import pytest
import torch

from msdae import codecs, data
from msdae.data import ClipCache, ShardStream, shards
from msdae.data.cache import score_of, sound_of
from msdae.data.encode import Encoding
from msdae.data.prepare import prepare_set
from msdae.data.sets.squares import SquaresConfig
from msdae.data.views import ViewConfig, Views
from msdae.models.config import ModelConfig
from msdae.training.autoencoder import TrainConfig
from msdae.training.stages import train_stage

PER_SHARD = 8


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Squares as a cache and as shards."""
    root, config = tmp_path_factory.mktemp("squares"), SquaresConfig(clips=40, seed=6)
    encoding = Encoding(codecs.DEFAULT)
    prepare_set("squares", root / "cache", encoding, config=config, workers=1)
    source = root / "cache" / "source"
    prepare_set("squares", root / "shards", encoding, source, config, workers=1, shard_clips=PER_SHARD)
    return root / "cache", root / "shards"


def test_squares_are_in_one_shard(folders):
    stream = ShardStream(folders[1] / "train")
    assert sum(stream.shards.values()) == len(ClipCache(folders[0] / "train"))
    assert max(stream.shards.values()) <= PER_SHARD and len(stream.shards) >= 5
    places = {}
    for name, count in stream.shards.items():
        for clip in shards.Shard(stream.path / name, count, 1.0).clips:
            places.setdefault(clip["name"].split("_")[0], set()).add(name)
    assert all(len(names) == 1 for names in places.values())


def test_views_in_shards_are_of_the_same_sound_and_the_same_notes(folders):
    cache, stream = (data.open_clips(folder / "train") for folder in folders)
    views = Views(stream, ViewConfig(scramble=0, recolour=0))
    mels = cache.mel(range(len(cache)))
    renditions = 0
    for batch in itertools.islice(views.batches(6, seed=3), 12):
        for place, index in enumerate(batch.indices):
            clip = cache.clips[index]
            timbre = (mels == batch.timbre[place]).flatten(1).all(dim=1).nonzero().flatten().tolist()
            assert any(sound_of(cache.clips[other]) == sound_of(clip) for other in timbre)
            content = (mels == batch.content[place]).flatten(1).all(dim=1).nonzero().flatten().tolist()
            if content:
                renditions += 1
                assert any(score_of(cache.clips[other]) == score_of(clip) for other in content)
                assert batch.sound[place] != batch.content_sound[place]
            else:  # no clip of the same notes: bent
                assert batch.sound[place] == batch.content_sound[place]
    assert renditions > 40


def test_views_in_shards_depend_on_seed_step_and_place_only(folders):
    def views():
        return Views(data.open_clips(folders[1] / "train"), ViewConfig())

    stream = list(itertools.islice(views().batches(4, seed=1), 14))  # into the second epoch
    resumed = next(views().batches(4, seed=1, start=13))
    assert resumed.names == stream[13].names and torch.equal(resumed.timbre, stream[13].timbre)
    halves = [next(views().batches(4, 1, 13, rank, 2)) for rank in range(2)]
    for field in ("z", "timbre", "content", "sound", "content_sound", "pitches"):
        both = torch.cat([getattr(half, field) for half in halves])
        assert torch.allclose(both, getattr(stream[13], field), atol=1e-5), field


def test_the_default_recipe_trains_on_shards(folders, tmp_path):
    model = ModelConfig(widths=(16, 16, 24), hidden=16)
    few = {"steps": (2, 2, 2), "batch_size": 4, "validation_batches": 1, "pretrain": 2, "pretrain_batch": 8}
    settings = TrainConfig(model=model, trackers=(), **few)
    assert settings.views == ViewConfig() and settings.contrast > 0
    assert train_stage("msdae", 1, settings, tmp_path, [folders[1]])


def test_views_travel_to_worker_processes(folders):
    for folder in folders:
        views = Views(data.open_clips(folder / "train"), ViewConfig())
        batch = next(views.batches(4))
        assert torch.equal(next(pickle.loads(pickle.dumps(views)).batches(4)).timbre, batch.timbre)


def test_a_long_recording_fills_several_shards():
    records = [(None, None, {"name": f"a_{index}", "piece": "a"}) for index in range(10)]
    records += [(None, None, {"name": name, "piece": name}) for name in "bc"]
    assert [len(group) for group in shards.groups(records, 4)] == [4, 4, 2, 1, 1]


def test_steps_that_follow_each_other_read_a_shard_once(folders, monkeypatch):
    """Regression: workers ask for each step anew, and read the whole shard for each."""
    stream, reads = ShardStream(folders[1] / "train"), []

    def read(path, *rest):
        reads.append(path)
        return shard(path, *rest)

    shard = shards.Shard
    monkeypatch.setattr(shards, "Shard", read)
    for step in (0, 1):
        next(stream.batches(2, start=step))
    assert len(reads) == 1
