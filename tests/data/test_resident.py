"""Clips in an accelerator's memory, tried on the CPU; and on a GPU where there is one."""

import pytest
import torch

from msdae.data import ClipCache
from msdae.data.joined import JoinedCaches
from msdae.data.resident import ResidentClips, fits
from msdae.data.views import ViewConfig, Views

CPU = torch.device("cpu")
FIELDS = ("z", "mel", "timbre", "content", "sound", "content_sound", "pitches")


@pytest.fixture(scope="module")
def cache(tiny):
    return ClipCache(tiny / "train")


@pytest.mark.parametrize("config", [ViewConfig(loudness=0.5, vibrato=0.5), None], ids=["views", "plain"])
@pytest.mark.parametrize("joined", [False, True])
def test_batches_are_those_of_the_cache(cache, config, joined):
    clips = JoinedCaches([cache, cache]) if joined else cache
    for sets in zip(
        *(
            (Views(store, config) if config else store).batches(8, seed=3, start=2)
            for store in (clips, ResidentClips(clips, CPU))
        ),
        range(4),
        strict=False,
    ):
        one, other, _ = sets
        assert one.names == other.names and one.indices == other.indices
        for field in FIELDS:
            torch.testing.assert_close(getattr(one, field), getattr(other, field))


def test_only_accelerators_hold_clips_and_only_as_many_as_fit(cache, monkeypatch):
    assert not fits([cache], CPU)
    size = (cache.latents[0].size + cache.mels[0].size) * 2 * len(cache)
    for free, sets, fit in ((2, 1, True), (1.5, 1, False), (2, 2, False), (4, 2, True)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free * size: (free, 0))
        assert fits([cache] * sets, torch.device("cuda")) == fit


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_are_made_on_the_gpu(cache):
    device = torch.device("cuda")
    views = Views(ResidentClips(cache, device), ViewConfig(loudness=0.5, vibrato=0.5))
    one, again = (next(views.batches(8, seed=1)) for _ in range(2))
    assert all(getattr(one, field).is_cuda for field in FIELDS)
    assert all(torch.equal(getattr(one, field), getattr(again, field)) for field in FIELDS)
