import hashlib
import json

import pytest
import soundfile

from msdae.data.sets import rendered as synth
from msdae.data.sets import rendered_notes as synth_notes
from msdae.data.sets import rendered_tracks as synth_tracks
from msdae.data.sets import slakh
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.symbolic import instruments
from msdae.symbolic.corpus import SHARES, pieces, split_of
from msdae.symbolic.instruments import FAMILIES, HELD_OUT
from msdae.synthesis import soundfont

SETTINGS = synth.Settings(clips=8, seed=3)


def _bytes(folder):
    """Hash of every file, by its path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered")
    synth.render(SETTINGS, folder, workers=1)
    return folder


def test_nsynth_layout(rendered):
    examples = json.loads((rendered / "nsynth" / "nsynth-train" / "examples.json").read_text())
    assert len(examples) == 4
    for name, labels in examples.items():
        assert (
            name
            == labels["note_str"]
            == f"{labels['instrument_str']}-{labels['pitch']:03d}-{labels['velocity']:03d}"
        )
        assert FAMILIES[labels["instrument_family"]] == labels["instrument_family_str"]
        assert labels["velocity"] in instruments.VELOCITIES
        assert len(labels["qualities"]) == 10
        info = soundfile.info(rendered / "nsynth" / "nsynth-train" / "audio" / f"{name}.wav")
        assert (info.samplerate, info.frames, info.channels, info.subtype) == (16000, 64000, 1, "PCM_16")


def test_slakh_layout_whose_midi_is_what_the_stem_plays(rendered):
    (track,) = (rendered / "slakh" / "train").glob("Track*")
    for stem in slakh.scan(rendered / "slakh", Tally())["train"]:
        info = soundfile.info(stem.path)
        assert (info.samplerate, info.channels) == (44100, 1)
        notes = slakh.read_notes(stem.midi)
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


def test_unseen_instruments_are_in_the_unseen_split_only(rendered):
    for split, members in synth.scan(rendered, Tally()).items():
        for file in members:
            if file.labels["dataset"] == "slakh":
                assert (file.labels["program"] in HELD_OUT) == (split == "unseen")
    seen, unseen = instruments.voices(["a.sf2", "b.sf2"], ["c.sf2"])
    assert {voice.instrument.program for voice in unseen} == set(HELD_OUT)
    assert not {voice.instrument.program for voice in seen} & set(HELD_OUT)
    assert len({voice.name for voice in seen + unseen}) == len(seen) + len(unseen)


def test_no_note_is_in_two_splits_and_instruments_are_even():
    seen, _ = instruments.voices(["a.sf2"], ["a.sf2"])
    notes = synth_notes.plan(seen, {"train": 800, "valid": 200}, seed=0)
    names = [note.name for split in notes.values() for note in split]
    assert len(set(names)) == 1000
    counts = [sum(note.voice == voice for note in notes["train"]) for voice in seen]
    assert max(counts) - min(counts) <= 1
    with pytest.raises(UserError, match="--clips: 99999 different notes"):
        synth_notes.plan(seen, {"train": 99999}, seed=0)


def test_same_seed_same_bytes_with_any_number_of_workers(rendered, tmp_path):
    synth.render(SETTINGS, tmp_path, workers=2)
    assert _bytes(tmp_path) == _bytes(rendered)


def test_an_interrupted_rendering_continues(rendered, tmp_path, monkeypatch):
    calls = []

    def stop_at_the_third(track, folder):
        calls.append(track)
        if len(calls) == 3:
            raise KeyboardInterrupt
        render_track(track, folder)

    render_track = synth_tracks.render_track
    monkeypatch.setattr(synth_tracks, "render_track", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        synth.render(SETTINGS, tmp_path, workers=1)
    synth.render(SETTINGS, tmp_path, workers=1)
    assert len(calls) == 3 + 2  # four tracks in all: the third again, and the fourth
    assert _bytes(tmp_path) == _bytes(rendered)


def test_a_folder_of_other_settings_is_refused(rendered):
    with pytest.raises(UserError, match="rendered with other seed"):
        synth.render(synth.Settings(clips=8, seed=4), rendered)


def test_a_piece_that_no_instrument_can_play_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(synth_tracks, "ATTEMPTS", 2)
    track = synth_tracks.Track("train", 0, 0, ())
    with pytest.raises(UserError, match="no piece of the corpus suits"):
        synth_tracks.render_track(track, tmp_path / "Track00001")
