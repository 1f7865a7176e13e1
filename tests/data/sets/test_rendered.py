import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from msdae.data.rendering import RECORD, RenderConfig
from msdae.data.sets import DATASETS, rendered, rendered_notes, rendered_tracks
from msdae.data.sets.rendered import Rendered
from msdae.data.sources import ClipLength, read_notes
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.symbolic import instruments
from msdae.symbolic.corpus import SHARES, pieces, split_of
from msdae.symbolic.instruments import FAMILIES, HELD_OUT, reserved
from msdae.synthesis import soundfont

CONFIG = RenderConfig(clips=8, seed=3)


def _bytes(root):
    """Hash of every file, by its path."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("rendered")
    Rendered.render(CONFIG, path, workers=1)
    return path


def test_a_note_is_one_clip_at_full_bandwidth_with_its_labels(folder):
    fingerprint = soundfont.fingerprint(soundfont.default())
    notes = rendered_notes.scan(folder / "notes", Tally())
    sizes = {split: len(files) for split, files in notes.items()}
    assert sizes == {"train": 4, "valid": 6, "test": 6, "unseen": 6}
    for file in (file for files in notes.values() for file in files):
        info = soundfile.info(file.path)
        assert (info.samplerate, info.frames, info.channels) == (44100, ClipLength().samples, 1)
        labels = file.labels
        assert labels["kind"] == "note" and labels["family"] in FAMILIES
        assert labels["velocity"] in instruments.VELOCITIES
        assert labels["sound"] == f"soundfont {fingerprint}/{labels['program']}"
        assert labels["notes"] == [[0.0, 2.9722, labels["pitch"], labels["velocity"]]]
        assert not reserved(labels["program"], labels["pitch"])


def test_rendered_notes_are_not_band_limited(folder):
    tops = []
    for file in rendered_notes.scan(folder / "notes", Tally())["train"]:
        waveform, rate = soundfile.read(file.path)
        spectrum = abs(np.fft.rfft(waveform)) ** 2
        tops.append(spectrum[len(spectrum) * 2 * 9000 // rate :].sum() / spectrum.sum())
    assert max(tops) > 1e-7  # at a rate of 16 kHz nothing is left above 8 kHz


def test_the_midi_of_a_track_is_what_the_stem_plays(folder):
    for stem in rendered_tracks.scan(folder / "tracks", Tally())["train"]:
        info = soundfile.info(stem.path)
        assert (info.samplerate, info.channels, stem.labels["kind"]) == (44100, 1, "melody")
        notes = read_notes(stem.midi)
        waveform = soundfont.render(notes, soundfont.default(), stem.labels["program"], info.frames)
        stored, _ = soundfile.read(stem.path, dtype="float32")
        played = waveform.numpy() * (abs(stored).max() / abs(waveform.numpy()).max())
        first = round(notes[0][0] * 44100)
        assert abs(stored[: max(0, first - 50)]).max(initial=0.0) == 0.0
        assert (played * stored).sum() > 0.5 * (stored**2).sum()


def test_pieces_are_in_one_split_each():
    splits = {piece: split_of(piece) for piece in pieces()}
    for split in SHARES:
        assert list(splits.values()).count(split) > 0.04 * len(splits)


def test_unseen_instruments_are_in_the_unseen_split_only(folder):
    for split, members in rendered.scan(folder, Tally()).items():
        for file in members:
            assert (file.labels["program"] in HELD_OUT) == (split == "unseen")
    seen, unseen = instruments.voices(["a.sf2", "b.sf2"], ["c.sf2"])
    assert {voice.instrument.program for voice in unseen} == set(HELD_OUT)
    assert not {voice.instrument.program for voice in seen} & set(HELD_OUT)
    assert len({voice.name for voice in seen + unseen}) == len(seen) + len(unseen)


def test_no_note_is_in_two_splits_and_instruments_are_even():
    seen, _ = instruments.voices(["a.sf2"], ["a.sf2"])
    notes = rendered_notes.plan(seen, {"train": 800, "valid": 200}, seed=0)
    names = [note.name for split in notes.values() for note in split]
    assert len(set(names)) == 1000
    counts = [sum(note.voice == voice for note in notes["train"]) for voice in seen]
    assert max(counts) - min(counts) <= 1
    with pytest.raises(UserError, match="--clips: 99999 different notes"):
        rendered_notes.plan(seen, {"train": 99999}, seed=0)


def test_same_seed_same_bytes_with_any_number_of_workers(folder, tmp_path):
    Rendered.render(CONFIG, tmp_path, workers=2)
    assert _bytes(tmp_path) == _bytes(folder)


def test_an_interrupted_rendering_continues(folder, tmp_path, monkeypatch):
    calls = []

    def stop_at_the_third(track, path):
        calls.append(track)
        if len(calls) == 3:
            raise KeyboardInterrupt
        render_track(track, path)

    render_track = rendered_tracks.render_track
    monkeypatch.setattr(rendered_tracks, "render_track", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        Rendered.render(CONFIG, tmp_path, workers=1)
    Rendered.render(CONFIG, tmp_path, workers=1)
    assert len(calls) == 3 + 2  # four tracks in all: the third again, and the fourth
    assert _bytes(tmp_path) == _bytes(folder)


def test_a_folder_of_other_settings_clips_or_version_is_refused(folder, tmp_path):
    with pytest.raises(UserError, match="rendered with other seed"):
        Rendered.render(replace(CONFIG, seed=4), folder)
    with pytest.raises(UserError, match="rendered with other clip"):
        Rendered.render(CONFIG, folder, ClipLength(48000, 16000))
    record = json.loads((folder / RECORD).read_text())
    (tmp_path / RECORD).write_text(json.dumps({**record, "version": 1}))
    with pytest.raises(UserError, match="another version of msdae; delete it .*prepare_data.py"):
        Rendered.render(CONFIG, tmp_path)
    (tmp_path / RECORD).rename(tmp_path / "synth.json")  # as earlier versions called it
    with pytest.raises(UserError, match="another version of msdae"):
        Rendered.render(CONFIG, tmp_path)


def test_soundfonts_have_names_and_weights(tmp_path):
    font = soundfont.default()
    assert RenderConfig(soundfonts=(font.name,)).fonts() == (str(font),)
    copy = tmp_path / "mine.sf2"
    copy.write_bytes(font.read_bytes())
    config = RenderConfig(soundfonts=(font.name, str(copy)), weights=(2, 1))
    assert config.fonts() == (str(font), str(font), str(copy))
    with pytest.raises(UserError, match=r"weights: are \[1\]"):
        RenderConfig(soundfonts=(font.name, str(copy)), weights=(1,))
    with pytest.raises(UserError, match="Nowhere.sf2: no such SoundFont"):
        RenderConfig(soundfonts=("Nowhere.sf2",)).fonts()


def test_every_data_set_is_in_the_registry():
    assert list(DATASETS) == ["folder", "maqam", "notes", "nsynth", "slakh", "squares", "synth", "tracks"]
    with pytest.raises(UserError, match="data set 'square': .* did you mean 'squares'"):
        DATASETS["square"]


def test_a_piece_that_no_instrument_can_play_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(rendered_tracks, "ATTEMPTS", 2)
    track = rendered_tracks.Track("train", 0, 0, ())
    with pytest.raises(UserError, match="no piece of the corpus suits"):
        rendered_tracks.render_track(track, tmp_path / "Track00001")


def test_a_soundfont_of_weight_two_puts_no_note_in_two_splits(tmp_path):
    font = soundfont.default().name
    sizes = {"train": 300, "valid": 60}
    config = RenderConfig(soundfonts=(font,), weights=(3,))
    groups = rendered_notes.work(config, sizes, tmp_path, ClipLength())
    notes = [(n.voice.instrument.program, n.pitch, n.velocity) for part in groups for n in part.task.notes]
    assert len(set(notes)) == len(notes) == 360
