import json
import pickle
import shutil

import numpy as np
import pytest
import torch

from msdae import codecs, data
from msdae.audio.mel import MelConfig
from msdae.data import ClipCache
from msdae.data.joined import JoinedCaches
from msdae.data.views import Partners, ViewConfig, Views
from msdae.errors import UserError


@pytest.fixture(scope="module")
def caches(tiny):
    return [ClipCache(tiny / split) for split in ("train", "valid")]


@pytest.fixture(scope="module")
def joined(caches):
    return data.open_clips(*(cache.path for cache in caches))


def test_clips_follow_each_other(caches, joined):
    first, second = caches
    assert isinstance(joined, JoinedCaches) and len(joined) == len(first) + len(second)
    places = [len(first), 1, len(joined) - 1, 0, len(first) - 1]
    batch = joined.batch(places)
    expected = [second.batch([0]), first.batch([1]), second.batch([len(second) - 1]), first.batch([0])]
    expected.append(first.batch([len(first) - 1]))
    assert torch.equal(batch.z, torch.cat([part.z for part in expected]))
    assert torch.equal(batch.mel, torch.cat([part.mel for part in expected]))
    assert batch.indices == places and batch.names[1] == f"{first.path}/{first.clips[1]['name']}"
    assert torch.equal(joined.waveform(len(first)), second.waveform(0))


def test_statistics_are_those_of_all_latents(caches, joined):
    latents = np.concatenate([cache.latents for cache in caches]).astype(np.float64)
    mean = latents.mean(axis=(0, 2))
    assert joined.manifest["latent"]["mean"] == pytest.approx(mean.tolist(), abs=1e-6)
    deviation = np.sqrt(np.square(latents - mean[:, None]).mean())
    assert joined.manifest["latent"]["std"] == pytest.approx(deviation, rel=1e-5)


def copies(tiny, tmp_path, labels, dataset="squares", names=("one", "two")):
    """Folders with caches of clips that have `labels`."""
    folders = [tmp_path / name for name in names]
    for folder in folders:
        shutil.copytree(tiny / "train", folder)
        clips = [{"path": "a.wav", "start": 0.0, "dataset": dataset, **label} for label in labels]
        (folder / "clips.jsonl").write_text("".join(json.dumps(clip) + "\n" for clip in clips))
        for name in ("latents.npy", "mels.npy"):
            np.save(folder / name, np.load(folder / name)[: len(labels)])
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest |= {"clips": len(labels), "dataset": dataset}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folders


def drawn(partner, *draws):
    """The partners that clip 0 has by these draws."""
    return set(partner(torch.zeros(len(draws), dtype=torch.long), torch.tensor(draws)).tolist())


@pytest.mark.parametrize("dry", ["soundfont abc/7", "samples 0123abcd", "preset 0123abcd"])
def test_notes_are_paired_within_a_cache_and_dry_sounds_across(tmp_path, tiny, dry):
    cells = [(score, sound) for score in "XY" for sound in (dry, score)]
    labels = [{"name": "".join(cell), "score": cell[0], "sound": cell[1]} for cell in cells]
    partners = Partners(data.open_clips(*copies(tiny, tmp_path, labels)).clips)
    assert drawn(partners.rendition, 0.0, 0.9) == {1}
    assert drawn(partners.excerpt, 0.0, 0.4, 0.9) == {2, 4, 6}


def test_sounds_drawn_from_a_seed_are_others_in_each_set(tmp_path, tiny):
    labels = [{"name": f"{score}P", "score": score, "sound": "0/train0.0P"} for score in "XY"]
    clips = data.open_clips(*copies(tiny, tmp_path, labels))
    partners = Partners(clips.clips)
    assert drawn(partners.excerpt, 0.0, 0.5, 0.9) == {1}
    assert len(set(clips.sounds.tolist())) == 2


@pytest.mark.parametrize("dataset", ["folder", "own"])
def test_recordings_of_equal_names_in_two_folders_are_two(tmp_path, tiny, dataset):
    """Regression of "own": a data set of one's own without labels of sounds had them mixed."""
    labels = [{"name": f"01.wav_{index:03d}", "piece": "01.wav"} for index in range(2)]
    clips = data.open_clips(*copies(tiny, tmp_path, labels, dataset))
    assert drawn(Partners(clips.clips).excerpt, 0.0, 0.5, 0.9) == {1}


@pytest.mark.parametrize(("dataset", "partners"), [("nsynth", {1, 2, 3}), ("synth", {1})])
def test_instruments_are_the_same_in_all_of_nsynth_only(tmp_path, tiny, dataset, partners):
    label = {"instrument": "bass_acoustic_000", "velocity": 75}
    labels = [{**label, "name": f"{pitch}", "pitch": pitch} for pitch in (60, 61)]
    clips = data.open_clips(*copies(tiny, tmp_path, labels, dataset))
    others = drawn(Partners(clips.clips).excerpt, 0.0, 0.4, 0.7, 0.9)
    assert others == partners - ({2} if dataset == "nsynth" else set())  # 2 is the same note


def test_it_trains_as_a_cache_does(joined):
    views = Views(joined, ViewConfig())
    assert len(next(views.batches(4)).names) == 4
    joined.require(codecs.load(codecs.DEFAULT), MelConfig())
    assert len(pickle.loads(pickle.dumps(joined))) == len(joined)


def test_what_does_not_fit_is_named(joined, tiny, tmp_path):
    said = f"{tiny / 'train'}: other mel settings .*--mel-of CONFIG .*--set model.mel.n_fft=2048"
    with pytest.raises(UserError, match=said):
        joined.require(codecs.load(codecs.DEFAULT), MelConfig(n_fft=1024))
    manifest = json.loads((tiny / "train" / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "shards": {}}))
    for paths in ((tiny / "train", tmp_path), (tmp_path, tmp_path)):
        with pytest.raises(UserError, match=f"{tmp_path}: holds shards.*prepare it without --shards"):
            data.open_clips(*paths)


def test_caches_of_different_codecs_are_refused(caches, tiny, tmp_path):
    shutil.copytree(tiny / "valid", tmp_path / "other")
    manifest = {**caches[1].manifest, "codec": {"name": "mine", "fingerprint": "0" * 64}}
    (tmp_path / "other/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="different codecs .*train: spectral-neural, .*other: mine"):
        data.open_clips(tiny / "train", tmp_path / "other")


def test_a_recording_that_became_shorter_is_said_so(caches):
    """Regression: joined caches have no path of their own to name."""
    joined = JoinedCaches(caches)
    joined.clips[0]["start"] = 1e4
    with pytest.raises(UserError, match="shorter than when it was prepared"):
        joined.waveform(0)
