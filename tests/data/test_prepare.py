import errno
import hashlib
import itertools
import json
import os
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from msdae import audio, codecs
from msdae.audio.mel import LogMel, MelConfig
from msdae.data import ClipCache, ShardStream, cache
from msdae.data import prepare as prepare_module
from msdae.data.defaults import embedded
from msdae.data.encode import Encoding
from msdae.data.prepare import prepare, prepare_set
from msdae.data.sets.squares import Squares, SquaresConfig
from msdae.data.sources import ClipLength, SourceFile, complete_clips
from msdae.data.tally import Tally
from msdae.data.views import ViewConfig, Views
from msdae.errors import UserError
from msdae.symbolic.midi import write_midi
from msdae.symbolic.notes import Note

DEFAULT = Encoding(codecs.DEFAULT)


@pytest.fixture(scope="module")
def codec():
    return codecs.load(codecs.DEFAULT)


@pytest.fixture
def recordings(tmp_path):
    """Two recordings of two clips and a half each, the second of which has a silent clip."""
    source = tmp_path / "music"
    source.mkdir()
    for index, name in enumerate(("a.wav", "b.wav")):
        waveform = 0.3 * torch.sin(torch.arange(round(2.5 * ClipLength().samples)) * (0.02 + 0.01 * index))
        waveform[: index * ClipLength().samples] = 0
        audio.write(source / name, waveform, subtype="PCM_16")
    return source


def _prepare(source, out, tally=None, **options):
    """All recordings of `source` as one split."""
    tally = tally or Tally()
    train = [
        SourceFile(path.name, path, complete_clips(path), {"dataset": "folder", "piece": path.name})
        for path in sorted(source.glob("*.wav"))
    ]
    return prepare({"train": train}, out, source, "folder", DEFAULT, tally, workers=1, **options)


def _bytes(root):
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_cached_values_equal_those_computed_from_the_sound(tiny, codec):
    clips = ClipCache(tiny / "train")
    for index in (0, len(clips) - 1):
        batch, waveform = clips.batch([index]), clips.waveform(index)[None]
        torch.testing.assert_close(batch.mel, LogMel()(waveform), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(batch.z, codec.encode(waveform), rtol=2e-3, atol=5e-3)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"piece": 1}, "piece is '1', expected text"),
        ({"pitch": 60.0, "instrument": "oud"}, "pitch is '60.0', expected 0 to 127"),
        ({"pitch": np.int64(60), "instrument": "oud"}, "type int64 is not JSON"),
        ({"pitch": 60}, "a pitch without an instrument"),
        ({"notes": [(0.0, 1.0, 60)]}, "notes are not .onset, offset, pitch, velocity. each"),
    ],
)
def test_labels_that_a_cache_is_refused_for_are_said_before_the_work(recordings, tmp_path, labels, reason):
    """Regression: a data set of one's own was prepared, and its cache was then called damaged."""
    file = SourceFile("a", recordings / "a.wav", 2, labels)
    with pytest.raises(UserError, match=f"a.wav: labels that no clip can have .*{reason}.*; mend `scan`"):
        prepare({"train": [file]}, tmp_path / "out", recordings, "own", DEFAULT, Tally(), workers=1)
    assert not (tmp_path / "out").exists()


def test_files_of_one_name_are_refused(recordings, tmp_path):
    """Regression: clips of two recordings that have one name were taken for the same notes."""
    files = [SourceFile("01", recordings / name, 2) for name in ("a.wav", "b.wav")]
    with pytest.raises(UserError, match="b.wav: has the name '01', as .*a.wav; mend `scan`"):
        prepare({"train": files}, tmp_path / "out", recordings, "own", DEFAULT, Tally(), workers=1)
    splits = {"train": files[:1], "valid": files[1:]}
    prepare(splits, tmp_path / "out", recordings, "own", DEFAULT, Tally(), workers=1)


def test_shapes_and_labels(tiny):
    clips = ClipCache(tiny / "train")
    batch = clips.batch([3, 1])
    assert batch.z.shape == (2, 64, 32)
    assert batch.mel.shape == (2, 128, 512)
    assert batch.z.dtype == batch.mel.dtype == torch.float32
    assert batch.indices == [3, 1]
    assert batch.names == [clips.clips[3]["name"], clips.clips[1]["name"]]
    assert {clip["dataset"] for clip in clips.clips} == {"notes", "tracks"}
    assert {clip["kind"] for clip in clips.clips} == {"note", "melody"}
    assert len({clip["name"] for clip in clips.clips}) == len(clips) == clips.manifest["clips"]
    for clip in clips.clips:
        assert clip["notes"]
        for onset, offset, pitch, velocity in clip["notes"]:
            assert 0 <= onset < offset <= round(ClipLength().seconds, 4)
            assert 21 <= pitch <= 108
            assert 1 <= velocity <= 127


def test_latent_statistics_are_the_measured_ones(tiny):
    clips = ClipCache(tiny / "train")
    latents = np.array(clips.latents, np.float64)
    mean = latents.mean(axis=(0, 2))
    np.testing.assert_allclose(clips.manifest["latent"]["mean"], mean, atol=1e-9)
    spread = (latents - mean[:, None]).std()
    assert clips.manifest["latent"]["std"] == pytest.approx(spread, rel=1e-6)


def test_a_cache_of_another_codec_or_mel_is_refused_by_name(tiny, codec):
    clips = ClipCache(tiny / "train")
    clips.require(codec, MelConfig())
    with pytest.raises(UserError, match="bands is 128 there, 64 here"):
        clips.require(codec, replace(MelConfig(), bands=64))
    other = codecs.load("spectral")
    message = rf"made with codec 'spectral-neural'.*this is 'spectral' \({other.fingerprint[:12]}\)"
    with pytest.raises(UserError, match=message):
        clips.require(other, MelConfig())


def test_damaged_caches_are_refused(tiny, tmp_path):
    with pytest.raises(UserError, match="not a prepared data set"):
        ClipCache(tmp_path)
    copy = shutil.copytree(tiny / "test", tmp_path / "test")
    latents = (copy / cache.LATENTS).read_bytes()
    (copy / cache.LATENTS).write_bytes(latents[:-100])
    with pytest.raises(UserError, match="latents.npy: damaged"):
        ClipCache(copy)
    (copy / cache.LATENTS).write_bytes(latents)
    lines = (copy / cache.CLIPS).read_text().splitlines(keepends=True)
    (copy / cache.CLIPS).write_text("".join(lines[1:]))
    with pytest.raises(UserError, match="differ in length"):
        ClipCache(copy)
    manifest = json.loads((copy / cache.MANIFEST).read_text())
    (copy / cache.MANIFEST).write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(UserError, match="newer msdae"):
        ClipCache(copy)
    (copy / cache.MANIFEST).write_text("{")
    with pytest.raises(UserError, match="damaged"):
        ClipCache(copy)


def test_a_data_set_may_be_moved_with_its_source(tiny, tmp_path):
    moved = shutil.copytree(tiny, tmp_path / "elsewhere")
    clips = ClipCache(moved / "test")
    assert clips.clips[0]["path"].startswith(str(moved))
    assert clips.waveform(0).shape == (ClipLength().samples,)


def test_random_access_is_fast(tiny):
    batches = ClipCache(tiny / "train").batches(32)
    rates = []
    for _ in range(8):  # the best of several: the machine may be busy with other things
        start = time.perf_counter()
        for batch in itertools.islice(batches, 8):
            assert len(batch.names) == 32
        rates.append(8 * 32 / (time.perf_counter() - start))
    assert max(rates) > 1000


def test_silent_clips_and_rests_of_files_are_left_out(recordings, tmp_path):
    tally = _prepare(recordings, tmp_path / "out")
    assert (tally.total, tally.accepted) == (4, 3)
    assert tally.left_out == {"silent clip": 1, "rest of a file, shorter than a clip": 2}
    names = [clip["name"] for clip in ClipCache(tmp_path / "out" / "train").clips]
    assert names == ["a.wav_000", "a.wav_001", "b.wav_001"]


def test_a_file_that_turns_out_faulty_is_rejected_as_a_whole(recordings, tmp_path):
    waveform = torch.full((2 * ClipLength().samples,), 0.1)
    waveform[-5] = float("nan")
    soundfile.write(recordings / "b.wav", waveform.numpy(), audio.SAMPLE_RATE, "FLOAT")
    tally = _prepare(recordings, tmp_path / "out")
    assert tally.rejected == {"has NaN or infinite samples": 1}
    paths = {clip["path"] for clip in ClipCache(tmp_path / "out" / "train").clips}
    assert paths == {str(recordings / "a.wav")}
    with pytest.raises(UserError, match="b.wav: has NaN"):
        _prepare(recordings, tmp_path / "strict", Tally(strict=True))


@pytest.mark.parametrize("shard_clips", [None, 1])
def test_names_that_are_no_utf_8(recordings, tmp_path, shard_clips):
    """Fault F4: labels keep them, in JSON too."""
    path = (recordings / "a.wav").rename(recordings / os.fsdecode(b"caf\xe9.wav"))
    _prepare(recordings, tmp_path / "out", shard_clips=shard_clips)
    if shard_clips:
        names = next(ShardStream(tmp_path / "out" / "train").batches(1)).names
        assert names[0].startswith(path.name)
    else:
        assert str(path) in {clip["path"] for clip in ClipCache(tmp_path / "out" / "train").clips}


def test_nothing_audible_is_an_error(tmp_path):
    audio.write(tmp_path / "silence.wav", torch.zeros(ClipLength().samples))
    with pytest.raises(UserError, match=r"(?s)nothing to put there.*1 left out: silent clip"):
        _prepare(tmp_path, tmp_path / "out")


def test_an_interrupted_run_continues_with_the_same_result(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_module, "CLIPS_PER_PART", 1)
    encode_part, calls = prepare_module.encode_part, []

    def stop_at_the_second(task, path):
        calls.append(path.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        encode_part(task, path)

    monkeypatch.setattr(prepare_module, "encode_part", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        _prepare(recordings, tmp_path / "out")
    assert not (tmp_path / "out" / "train").exists()
    _prepare(recordings, tmp_path / "out")
    assert calls == ["000000.npz", "000001.npz", "000001.npz"]
    _prepare(recordings, tmp_path / "whole")
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")


def test_two_ranks_share_the_work_and_the_first_assembles(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_module, "CLIPS_PER_PART", 1)
    seen = []  # the paths that show a rank which waits that others are at work
    monkeypatch.setattr(prepare_module.parts, "wait_for", lambda paths, signs=(): seen.extend(signs))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    _prepare(recordings, tmp_path / "out")
    (part,) = (tmp_path / "out" / ".parts").rglob("*.npz")
    assert part.name == "000001.npz" and sorted(path.name for path in seen) == ["000000.npz", "000001.npz"]
    monkeypatch.setenv("RANK", "0")
    _prepare(recordings, tmp_path / "out")
    monkeypatch.delenv("WORLD_SIZE")
    _prepare(recordings, tmp_path / "alone")
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "alone")


def test_prepared_data_is_kept_and_other_data_is_refused(recordings, tmp_path):
    _prepare(recordings, tmp_path / "out")
    before = (tmp_path / "out" / "train" / cache.MANIFEST).stat().st_mtime_ns
    _prepare(recordings, tmp_path / "out")
    assert (tmp_path / "out" / "train" / cache.MANIFEST).stat().st_mtime_ns == before
    shutil.copy(recordings / "a.wav", recordings / "c.wav")
    with pytest.raises(UserError, match="made from other files or settings"):
        _prepare(recordings, tmp_path / "out")


def test_caches_are_not_taken_for_shards_that_are_asked_for(recordings, tmp_path):
    """Regression: the line said that all clips were prepared before, and no shards were there."""
    _prepare(recordings, tmp_path / "out")
    with pytest.raises(UserError, match="out/train: made without --shards; delete it or choose"):
        _prepare(recordings, tmp_path / "out", shard_clips=2)
    _prepare(recordings, tmp_path / "shards", shard_clips=2)
    assert not _prepare(recordings, tmp_path / "shards").total  # training reads either


def test_data_of_recordings_that_were_edited_in_place_are_refused(recordings, tmp_path):
    """Regression: they were told by their sizes."""
    _prepare(recordings, tmp_path / "out")
    waveform = torch.cat(list(audio.open_recording(recordings / "a.wav").blocks()))
    audio.write(recordings / "a.wav", 0.5 * waveform, subtype="PCM_16")
    with pytest.raises(UserError, match="made from other files or settings"):
        _prepare(recordings, tmp_path / "out")


def test_data_of_scores_that_were_edited_are_refused(recordings, tmp_path):
    """Regression: all clips "were prepared before", and kept their old notes."""
    midi = tmp_path / "music/a.mid"

    def prepared(name, pitch=60, **score):
        write_midi(midi, [Note(0.0, 6.0, pitch, 90)], 0)
        files = {"train": [SourceFile("a", recordings / "a.wav", 2, {}, **score)]}
        return prepare(files, tmp_path / name, recordings, "own", DEFAULT, Tally(), workers=1).total

    assert prepared("out", midi=midi) == 2 and prepared("out", midi=midi) == 0
    with pytest.raises(UserError, match="made from other files or settings"):
        prepared("out", 61, midi=midi)
    assert prepared("older") == 2  # its key is that of an earlier msdae, which did not look into the score
    assert prepared("older", midi=midi) == 0


def test_shards_hold_the_records_of_the_cache(recordings, tmp_path, codec):
    _prepare(recordings, tmp_path / "cache")
    _prepare(recordings, tmp_path / "shards", shard_clips=2)
    clips, stream = ClipCache(tmp_path / "cache" / "train"), ShardStream(tmp_path / "shards" / "train")
    assert stream.shards == {"shard-000000.tar": 2, "shard-000001.tar": 1}
    assert stream.manifest["latent"] == clips.manifest["latent"]
    stream.require(codec, MelConfig())
    for batch in itertools.islice(stream.batches(3), 3):
        assert sorted(batch.indices) == [0, 1, 2]
        same = clips.batch(batch.indices)
        assert same.names == batch.names
        assert torch.equal(same.z, batch.z)
        assert torch.equal(same.mel, batch.mel)
    with pytest.raises(UserError, match="holds shards"):
        ClipCache(tmp_path / "shards" / "train")
    with pytest.raises(UserError, match="a cache, not shards"):
        ShardStream(tmp_path / "cache" / "train")


def test_the_order_of_a_stream_is_a_function_of_seed_and_step(recordings, tmp_path):
    _prepare(recordings, tmp_path / "shards", shard_clips=2)
    stream = ShardStream(tmp_path / "shards" / "train")

    def indices(count, **options):
        return [batch.indices for batch in itertools.islice(stream.batches(2, **options), count)]

    assert indices(4, start=5) == indices(9)[5:]
    first, second = indices(6, rank=0, world=2), indices(6, rank=1, world=2)
    assert [a + b for a, b in zip(first, second, strict=True)] == indices(6)
    assert len({str(indices(12, seed=seed)) for seed in range(4)}) > 1


def test_a_damaged_shard_is_named(recordings, tmp_path):
    _prepare(recordings, tmp_path / "shards", shard_clips=3)
    shard = tmp_path / "shards" / "train" / "shard-000000.tar"
    shard.write_bytes(shard.read_bytes()[:200_000])
    with pytest.raises(UserError, match="shard-000000.tar"):
        next(ShardStream(shard.parent).batches(1))


def test_embedded_is_reused_and_refused_for_another_codec(tiny, tmp_path, caplog, capsys):
    caplog.set_level("INFO", "msdae")
    copy = shutil.copytree(tiny, tmp_path / tiny.name)
    assert embedded(tmp_path) == copy
    assert not caplog.messages and capsys.readouterr().err == ""
    path = copy / "valid" / cache.MANIFEST
    manifest = path.read_text()
    path.write_text(manifest.replace(json.loads(manifest)["codec"]["fingerprint"], "f" * 64))
    with pytest.raises(UserError, match=r"valid: made with another codec.*delete"):
        embedded(tmp_path)


def test_the_first_use_says_what_is_made_and_how_long_it_takes(tmp_path, monkeypatch, caplog, capsys):
    monkeypatch.setattr(Squares, "config", lambda: SquaresConfig(clips=4))
    monkeypatch.setattr(prepare_module.parts, "cores", lambda: 1)
    caplog.set_level("INFO", "msdae")
    folder = embedded(tmp_path, dataset="squares")
    about = "once: 28 clips, about 1 min on two cores, 0.0 GB"
    assert caplog.messages[0] == f"making the data set squares in {folder} ({about})"
    assert any("clips found" in line for line in caplog.messages)
    written = capsys.readouterr()
    assert written.out == written.err == ""  # printing belongs to command lines


def test_sizes_come_from_the_codec(recordings, tmp_path, toy):
    encoding = Encoding("toy", MelConfig(n_fft=1024))
    prepare_set("folder", tmp_path / "out", encoding, recordings, workers=1)
    clips = ClipCache(tmp_path / "out" / "train")
    assert toy.clip_frames == 280 and clips.clip_seconds == toy.clip_seconds == 143360 / 48000
    batch = clips.batch([0, 1])
    assert batch.z.shape == (2, 8, 280) and batch.mel.shape == (2, 128, 143360 // 128)
    assert clips.manifest["mel"]["sample_rate"] == clips.sample_rate == 48000
    assert clips.manifest["codec"] == {
        "name": "toy",
        "fingerprint": "7" * 64,
        "hop": 512,
        "sample_rate": 48000,
        "channels": 8,
    }
    assert clips.manifest["frames"] == 280
    for index in range(len(clips)):
        waveform = clips.waveform(index)
        assert waveform.shape == (143360,)
        torch.testing.assert_close(clips.batch([index]).z, toy.encode(waveform[None]), rtol=2e-3, atol=1e-3)
    clips.require(toy, MelConfig(n_fft=1024).fitted(48000, 512))


def test_rendered_sets_are_as_long_as_the_codec_asks(tmp_path, toy):
    encoding = Encoding("toy", MelConfig(n_fft=1024))
    config = SquaresConfig(clips=4, seed=5, single_notes=0)
    prepare_set("squares", tmp_path, encoding, config=config, workers=1)
    clips = ClipCache(tmp_path / "train")
    assert clips.batch([0]).z.shape == (1, 8, 280)
    assert all(note[1] <= round(toy.clip_seconds, 4) for clip in clips.clips for note in clip["notes"])
    stream = next(Views(clips, ViewConfig()).batches(4))
    assert stream.content.shape == stream.mel.shape and stream.pitches.shape == (4, 280)


def test_caches_of_the_format_before_still_load(tiny, tmp_path):
    old = shutil.copytree(tiny / "test", tmp_path / "test")
    manifest = json.loads((old / cache.MANIFEST).read_text())
    codec = {key: manifest["codec"][key] for key in ("name", "fingerprint")}
    manifest |= {"format": 1, "codec": codec, "source": str(tiny / "source")}
    del manifest["frames"]
    (old / cache.MANIFEST).write_text(json.dumps(manifest))
    lines = [json.loads(line) for line in (old / cache.CLIPS).read_text().splitlines()]
    earlier = {"notes": "nsynth", "tracks": "slakh"}
    lines = [{**line, "dataset": earlier[line["dataset"]]} for line in lines]
    kinds = [line.pop("kind") for line in lines]
    (old / cache.CLIPS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    clips = ClipCache(old)
    assert [clip["kind"] for clip in clips.clips] == kinds
    assert clips.clip_seconds == ClipLength().seconds and clips.sample_rate == 44100
    assert clips.waveform(0).shape == (131072,)


def test_nothing_temporary_is_left_after_an_error(recordings, tmp_path, monkeypatch):
    def fails(*arguments):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(prepare_module, "_statistics", fails)
    with pytest.raises(UserError, match="out/train: disk full; make room"):
        _prepare(recordings, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".parts"]  # finished parts are kept


def test_damaged_parts_are_made_again(recordings, tmp_path, monkeypatch):
    """Regression: a part that a full disk had cut ended in a traceback, at every start."""
    monkeypatch.setattr(prepare_module, "CLIPS_PER_PART", 1)
    monkeypatch.setattr(prepare_module, "_install", _stop)
    with pytest.raises(KeyboardInterrupt):
        _prepare(recordings, tmp_path / "out")
    first, second = sorted((tmp_path / "out" / ".parts").rglob("*.npz"))
    first.write_bytes(first.read_bytes()[:-500])
    content = bytearray(second.read_bytes())
    content[len(content) // 2] ^= 255
    second.write_bytes(content)
    monkeypatch.undo()
    monkeypatch.setattr(prepare_module, "CLIPS_PER_PART", 1)
    _prepare(recordings, tmp_path / "out")
    _prepare(recordings, tmp_path / "whole")
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")


def _stop(*arguments):
    raise KeyboardInterrupt


def test_the_report_has_splits_minutes_and_what_is_missing(recordings, tmp_path, caplog):
    caplog.set_level("INFO", "msdae")
    for _ in range(2):
        prepare_set("folder", tmp_path / "out", DEFAULT, recordings, workers=1)
    first, again = caplog.messages[: len(caplog.messages) // 2 + 1], caplog.messages[-3:]
    assert "train 2 clips (6 s), valid 1 clip (3 s)" in first
    assert any(line.startswith("few for training: go on with the model that ships") for line in first)
    assert again[0] == f"{tmp_path / 'out'}: all 3 clips were prepared before"
    train, valid = (
        {clip["name"] for clip in ClipCache(tmp_path / "out" / s).clips} for s in ("train", "valid")
    )
    starts = {
        (c["path"], c["start"]) for s in ("train", "valid") for c in ClipCache(tmp_path / "out" / s).clips
    }
    assert len(starts) == 3 == len(train) + len(valid)  # no clip is in both


def test_work_that_the_disk_has_no_room_for_is_refused_before_it_begins(recordings, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=200_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match=r"out.*: encoding 4 clips: needs about .* are free; make room"):
        _prepare(recordings, tmp_path / "out")
    with pytest.raises(UserError, match="rendering 28 clips: needs about"):
        prepare_set("squares", tmp_path / "squares", DEFAULT, config=SquaresConfig(clips=4), workers=1)
    assert not list((tmp_path / "squares").rglob("*.flac"))


def test_linked_folders_are_prepared_where_they_are_linked(recordings, tmp_path):
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "music").symlink_to(recordings)
    prepare_set("folder", tmp_path / "out", DEFAULT, tmp_path / "linked", workers=1)
    clips = ClipCache(tmp_path / "out" / "train")
    assert clips.clips[0]["path"] == str(tmp_path / "linked" / "music" / "a.wav")
    assert clips.waveform(0).shape == (ClipLength().samples,)


def test_damaged_labels_of_rendered_sets_are_named(tmp_path):
    config = SquaresConfig(clips=4, seed=5)
    source = tmp_path / "source"
    Squares.render(config, source, workers=1)
    labels = [source / "validation" / f"Square0000{index}" / "square.json" for index in range(3)]
    labels[0].write_text("{")
    labels[1].write_text(json.dumps({"XP": 3, "../x": {}, "XQ": {"notes": "none"}}))
    labels[2].with_name("XP.flac").unlink()
    clips = prepare_set("squares", tmp_path, DEFAULT, config=config, workers=1)
    assert clips.rejected == {"no such file": 1}
    assert len(ClipCache(tmp_path / "valid")) == 3
    (source / "rendering.json").write_text("[]")
    with pytest.raises(UserError, match="rendering.json: expected names with values.*; delete"):
        prepare_set("squares", tmp_path, DEFAULT, config=config, workers=1)
