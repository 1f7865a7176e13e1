import json
import tarfile

import numpy as np
import pytest

from msdae.data import ClipCache, ShardStream, cache, open_clips, shards
from msdae.data.cache import pitch_sets
from msdae.errors import UserError

CLIP = {"path": "a.wav", "start": 0.0, "notes": [[0.0, 1.0, 60, 90]]}
MANIFEST = {
    "format": 2,
    "key": "k",
    "dataset": "folder",
    "split": "train",
    "source": "/nowhere",
    "codec": {"name": "toy", "fingerprint": "f", "hop": 512, "sample_rate": 44100, "channels": 4},
    "frames": 8,
    "mel": {"bands": 6, "gain": 10.0},
    "clips": 3,
    "latent": {"mean": [0.0] * 4, "std": 1.0},
}
LATENTS, MELS = np.zeros((3, 4, 8), np.float16), np.zeros((3, 6, 16), np.float16)
CLIPS = [{**CLIP, "name": f"clip {index}"} for index in range(3)]


@pytest.fixture
def folder(tmp_path):
    """A cache of three clips."""
    np.save(tmp_path / cache.LATENTS, LATENTS)
    np.save(tmp_path / cache.MELS, MELS)
    _write(tmp_path, CLIPS)
    (tmp_path / cache.MANIFEST).write_text(json.dumps(MANIFEST))
    return tmp_path


def _write(folder, clips):
    (folder / cache.CLIPS).write_text("".join(json.dumps(clip) + "\n" for clip in clips))


@pytest.fixture
def streamed(tmp_path):
    """The same as a shard."""
    counts = shards.write(zip(LATENTS, MELS, CLIPS, strict=True), tmp_path, 3)
    (tmp_path / cache.MANIFEST).write_text(json.dumps({**MANIFEST, "shards": counts}))
    return tmp_path


def test_caches_and_shards_of_these_files_are_read(folder, streamed):
    assert streamed == folder  # the manifest is the shards'
    assert next(ShardStream(streamed).batches(3)).z.shape == (3, 4, 8)
    (folder / cache.MANIFEST).write_text(json.dumps(MANIFEST))
    assert ClipCache(folder).batch([2, 0]).mel.shape == (2, 6, 16)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "2"},
        {"key": None},
        {"source": 3},
        {"source": "\0"},
        {"codec": "toy"},
        {"codec": {"name": "toy"}},
        {"codec": {**MANIFEST["codec"], "hop": 0}},
        {"codec": {**MANIFEST["codec"], "sample_rate": 44100.5}},
        {"codec": {**MANIFEST["codec"], "channels": 5}},
        {"frames": -8},
        {"frames": 9},
        {"frames": 10**40},
        {"mel": []},
        {"mel": {"bands": 6}},
        {"mel": {"bands": 7, "gain": 10.0}},
        {"clips": "3"},
        {"clips": 4},
        {"latent": {}},
        {"latent": {"mean": [0.0] * 4, "std": float("nan")}},
        {"latent": {"mean": "0000", "std": 1.0}},
        {"shards": []},
        {"shards": {"../other.tar": 3}},
        {"shards": {"shard-000000.tar": 0}},
        {"shards": {"shard-000000.tar": 2}},
    ],
)
def test_manifests_of_other_types_are_named(folder, change):
    """Regression: half a manifest ended in a traceback."""
    (folder / cache.MANIFEST).write_text(json.dumps({**MANIFEST, **change}))
    with pytest.raises(UserError, match=f"{folder}.*prepare it again"):
        open_clips(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '"x"', "[" * 100_000, "\udcff"])
def test_manifests_that_are_none_are_named(folder, text):
    (folder / cache.MANIFEST).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match="manifest.json: "):
        open_clips(folder)


@pytest.mark.parametrize("name", [cache.LATENTS, cache.MELS])
def test_damaged_arrays_are_named(folder, name):
    path = folder / name
    good = path.read_bytes()
    for damaged in (
        b"",
        b"PK\3\4",
        good[:40],
        good[:-9],
        good.replace(b"(3, 4, 8)", b"(3,9**99)").replace(b"(3, 6, 16)", b"(3, 6, 99)"),
        good.replace(b"<f2", b"|O "),
        good.replace(b"(3, ", b"(9, "),
    ):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=f"{name}: damaged .*prepare it again"):
            ClipCache(folder)
    for array in (np.zeros(3), np.zeros((3, 4, 8), np.int16), np.zeros((3, 4, 7), np.float16)):
        np.save(path, array)
        with pytest.raises(UserError, match="prepare it again"):
            ClipCache(folder)
    path.unlink()
    with pytest.raises(UserError, match=f"{name}: no such file"):
        ClipCache(folder)


def test_damaged_clips_are_named(folder):
    for odd in ([], 3, {}, {**CLIPS[0], "path": "../../x"}, {**CLIPS[0], "notes": [[0, 1, 999, 1]]}):
        _write(folder, [*CLIPS[1:], odd])
        with pytest.raises(UserError, match="clips.jsonl: .*prepare it again"):
            ClipCache(folder)
    (folder / cache.CLIPS).write_bytes(b"\xff\xfe{")
    with pytest.raises(UserError, match="clips.jsonl: damaged"):
        ClipCache(folder)


def test_damaged_shards_are_named(streamed):
    """Regression: an array that was cut ended in a traceback in the middle of a training."""
    path = streamed / "shard-000000.tar"
    good = path.read_bytes()
    for damaged in (
        b"",
        b"text" * 1000,
        good[: len(good) // 3],
        good.replace(b".latent.npy", b".../tent.npy"[:11]),
        good.replace(b"\x93NUMPY", b"\x93NUMPX", 1),
        good.replace(b"(4, 8)", b"(4, 9)", 1),
        good.replace(b"'<f2'", b"'|O' "),
        good.replace(b'"path": "a.wav"', b'"path": "/../x"'),
    ):
        assert damaged != good
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="shard-000000.tar: "):
            next(ShardStream(streamed).batches(1))
    for name, kind in (("../x.mel.npy", tarfile.REGTYPE), ("000000000.mel.npy", tarfile.SYMTYPE)):
        with tarfile.open(path, "w") as archive:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        with pytest.raises(UserError, match="shard-000000.tar: damaged .member"):
            next(ShardStream(streamed).batches(1))


def test_a_pitch_that_two_notes_have_in_a_frame_counts_once():
    """Regression: a note repeated within a frame, or a unison, was silence there."""
    held = pitch_sets([(0.0, 4.0, 60, 90)], 8, 4.0)
    repeated = pitch_sets([(0.0, 1.3, 60, 90), (1.3, 4.0, 60, 90)], 8, 4.0)
    unison = pitch_sets([(0.0, 4.0, 60, 90), (0.0, 4.0, 60, 70)], 8, 4.0)
    assert (held == repeated).all() and (held == unison).all() and (held != 0).all()


def test_a_note_shorter_than_a_frame_sounds_in_its_frame():
    numbers = pitch_sets([(1.1, 1.2, 60, 90)], 4, 4.0)
    assert numbers[1] != 0 and (numbers[[0, 2, 3]] == 0).all()


def test_equal_sets_of_pitches_have_equal_numbers():
    numbers = pitch_sets(
        [(0.0, 1.0, 60, 90), (0.0, 1.0, 64, 90), (2.0, 3.0, 64, 9), (2.0, 3.0, 60, 9)], 4, 4.0
    )
    assert numbers[0] == numbers[2] != 0 and numbers[1] == numbers[3] == 0
    assert (pitch_sets(None, 4, 4.0) == -1).all()
