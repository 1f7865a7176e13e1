import hashlib
import json
import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from msdae import audio
from msdae.config import from_mapping, load
from msdae.data.sets import squares
from msdae.data.sets.squares import Squares, SquaresConfig
from msdae.data.sources import ClipLength
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.symbolic.corpus import split_of
from msdae.symbolic.instruments import HELD_OUT, reserved, voices
from msdae.synthesis import effects, plugins, procedural, recording, soundfont
from msdae.synthesis.sound import Sound, SoundConfig

CONFIG = SquaresConfig(clips=8, seed=4)
TRAIN, TEST, LEVELS = "19f3a9c29590cdfd", "d98c5ea8491579e5", [0.10157, 0.063508, 0.15589, 0.096528]
MELODY = [(0.2, 0.7, 60, 90), (0.8, 1.4, 67, 70)]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    squares.render_square(square(0), folder / "train" / "Square00000")
    return folder


def square(index, config=CONFIG, clip=ClipLength()):
    return squares.Square("train", index, config, tuple(voices((str(soundfont.default()),), ())[0]), clip)


def test_a_square_is_two_excerpts_by_two_sounds(rendered):
    labels = json.loads((rendered / "train" / "Square00000" / "square.json").read_text())
    assert set(labels) == {"XP", "XQ", "YP", "YQ"}
    for one, other, key in (
        ("XP", "XQ", "notes"),
        ("YP", "YQ", "notes"),
        ("XP", "YP", "sound"),
        ("XQ", "YQ", "sound"),
    ):
        assert labels[one][key] == labels[other][key]
    assert labels["XP"]["sound"] != labels["XQ"]["sound"] and labels["XP"]["piece"] != labels["YP"]["piece"]
    assert all(split_of(cell["piece"]) == "train" for cell in labels.values() if "/" in cell["piece"])
    waveforms = {cell: audio.read(rendered / "train" / "Square00000" / f"{cell}.flac") for cell in labels}
    assert all(
        len(waveform) == ClipLength().samples and waveform.abs().max() > 0.2
        for waveform in waveforms.values()
    )
    assert not torch.allclose(waveforms["XP"], waveforms["XQ"], atol=0.05)


def test_squares_repeat_byte_for_byte(rendered, tmp_path):
    squares.render_square(square(0), tmp_path / "again")
    digest = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()  # noqa: E731
    for path in (rendered / "train" / "Square00000").iterdir():
        assert digest(path) == digest(tmp_path / "again" / path.name)


def test_scan_labels_partners(rendered):
    tally = Tally()
    files = squares.scan(rendered, tally)["train"]
    assert tally.accepted == len(files) == 4
    assert {file.labels["score"] for file in files} == {"Square00000/X", "Square00000/Y"}


def test_held_out_instruments_play_in_no_square():
    names = {voice.instrument.program for voice in square(0).voices}
    assert not names & set(HELD_OUT)


@pytest.mark.parametrize("seed", range(6))
def test_formulas_play_the_notes_they_are_given(seed):
    patch = procedural.Patch.draw(random.Random(seed))
    waveform = procedural.render(MELODY, patch, ClipLength().samples)
    assert waveform.dtype == np.float32 and np.isfinite(waveform).all() and np.abs(waveform).max() <= 1.001
    assert np.abs(waveform[: round(0.19 * 44100)]).max() == 0
    sounding = waveform[round(0.25 * 44100) : round(0.6 * 44100)]
    spectrum = np.abs(np.fft.rfft(sounding * np.hanning(len(sounding))))
    strongest = spectrum.argmax() * 44100 / len(sounding)
    harmonic = strongest / 261.63 * (2 if patch.index else 1)  # FM with half ratios sounds an octave below
    if patch.index == 0 and not patch.modes and not patch.stretch:
        assert abs(harmonic - round(harmonic)) < 0.05


@pytest.mark.parametrize(
    ("effect", "config"),
    [
        *((effect, effects.EffectsConfig()) for _, effect in effects.CHAIN),
        *((effect, recording.RecordingConfig()) for _, effect in recording.CHAIN),
    ],
)
def test_effects_keep_length_and_change_the_sound(effect, config):
    waveform = soundfont.render(MELODY, soundfont.default(), 40, ClipLength().samples).numpy()
    changed = effect(waveform, MELODY, random.Random(1), config)
    assert changed.shape == waveform.shape and changed.dtype == np.float32 and np.isfinite(changed).all()
    assert np.abs(changed - waveform).max() > 1e-4
    assert np.array_equal(changed, effect(waveform, MELODY, random.Random(1), config))


def test_all_splits_are_rendered_and_pieces_stay_in_theirs(tmp_path):
    Squares.render(SquaresConfig(clips=4, seed=4), tmp_path, workers=1)
    found = squares.scan(tmp_path, Tally())
    assert {split: len(files) for split, files in found.items()} == {"train": 4, "valid": 12, "test": 12}
    for split, folder in (("valid", "validation"), ("test", "test")):
        pieces = {file.labels["piece"] for file in found[split]}
        assert all(split_of(piece) == folder for piece in pieces if "/" in piece)
    with pytest.raises(UserError, match="other seed"):
        Squares.render(SquaresConfig(clips=4, seed=5), tmp_path, workers=1)


def test_the_default_recipe_draws_what_it_always_drew():
    """Sounds, notes and levels of two squares: where they change, the version of the data set is raised."""
    default = SquaresConfig()
    for split, digest in (("train", TRAIN), ("test", TEST)):
        first = squares.Square(split, 0, default, square(0).voices)
        sounds, excerpts = squares.compose(first, random.Random(f"squares/0/{split}/0"))
        drawn = [[s.name.split("/")[-1], s.low, s.high, s.seed] for s in sounds], excerpts
        assert hashlib.sha256(json.dumps(drawn).encode()).hexdigest()[:16] == digest
    waveforms = [sound.play(notes, 131072) for sound in sounds for _, notes in excerpts]
    levels = [float(np.abs(waveform).mean() / np.abs(waveform).max()) for waveform in waveforms]
    assert levels == pytest.approx(LEVELS, rel=1e-3)


def test_shares_and_ranges_are_settings(tmp_path):
    only_formulas = {"sound": {"formulas": 1, "processed": 0, "patch": {"struck": 1}}, "single_notes": 1}
    config = from_mapping(SquaresConfig, only_formulas)
    for index in range(5):
        sounds, excerpts = squares.compose(square(index, config), random.Random(index))
        assert all(sound.patch.sustain == 0 and sound.seed is None for sound in sounds)
        assert all(len(notes) == 1 for _, notes in excerpts)
    path = tmp_path / "recipe.yaml"
    path.write_text("single_notes: 0\nsound: {effects: {room: 1}}\n")
    loaded = load(SquaresConfig, path, ["sound.layered=0.5", "peak=[0.1, 0.2]"])
    assert (loaded.single_notes, loaded.sound.effects.room, loaded.sound.layered) == (0, 1, 0.5)
    assert loaded.peak == (0.1, 0.2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"single_notes": 1.5}, "single_notes: is 1.5, expected 0 to 1"),
        ({"peak": [0.9, 0.2]}, "peak is .*the lower one first"),
        ({"sound": {"effects": {"room": -1}}}, "room: is -1.0, expected 0 to 1"),
        ({"sound": {"effects": {"bell_hertz": [0, 100]}}}, "bell_hertz: is 0.0, expected above 0"),
        ({"sound": {"patch": {"fm_one_in": 0}}}, "fm_one_in: is 0, expected 1 to 1 000"),
        ({"sound": {"patch": {"formants": [0, 10**9]}}}, "formants: is 1000000000"),
        ({"sound": {"effects": {"room_seconds": [0.1, float("nan")]}}}, "room_seconds: is nan"),
        ({"clips": 10**9}, "half a terabyte"),
        ({"unseen_soundfonts": ["a.sf2"]}, "no unseen split"),
        ({"sampled": 1.5}, "sampled"),
        ({"single_note": 0.5}, "did you mean 'single_notes'"),
        ({"clips": 0}, "clips: is 0, expected 1 to 1 000 000"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        from_mapping(SquaresConfig, values)


def test_single_notes_use_no_pitch_that_is_kept_for_swapbench():
    config = SquaresConfig(single_notes=1, sound=SoundConfig(formulas=0, layered=0.3), mixed=0)
    pitches = 0
    for index in range(60):
        sounds, excerpts = squares.compose(square(index, config), random.Random(index))
        for _, ((_, _, pitch, _),) in excerpts:
            pitches += 1
            voices = [voice for sound in sounds for voice in sound.voices]
            assert not any(reserved(voice.instrument.program, pitch) for voice in voices)
    assert pitches == 120


def test_a_dry_voice_is_one_sound_whatever_the_seed_and_the_name_of_the_file(tmp_path):
    copy = tmp_path / "other name.sf2"
    copy.write_bytes(soundfont.default().read_bytes())
    dry, names = SoundConfig(0, 0, 0, moved=0, played=0, recorded=0), set()
    for font, name in ((soundfont.default(), "0/train0"), (copy, "1/train7")):
        sound = Sound.draw(voices((str(font),), ())[0], random.Random(0), name, dry)
        names.add(sound.name)
    assert len(names) == 1 and names.pop().startswith("soundfont ")


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """A folder of two libraries, each an instrument of three octaves: "reed" as SFZ, "tuba" by its names."""
    folder, time = tmp_path_factory.mktemp("libraries"), np.arange(2 * 44100) / 44100
    for name, weights in (("reed", (1, 0.1, 0.6)), ("tuba", (1, 0.7, 0.2))):
        (folder / name).mkdir()
        for pitch, note in ((48, "C3"), (60, "C4"), (72, "C5"), (84, "C6")):
            hertz = 440 * 2 ** ((pitch - 69) / 12)
            tone = sum(w * np.sin(2 * np.pi * k * hertz * time) for k, w in enumerate(weights, 1))
            soundfile.write(folder / name / f"{note}.flac", 0.3 * tone, 44100)
    text = "".join(
        f"<region> sample=C{o}.flac lokey={12 * o + 6} hikey={12 * o + 17} pitch_keycenter=c{o}"
        for o in (3, 4, 5)
    )
    (folder / "reed" / "reed.sfz").write_text(text)
    return folder


def test_recorded_samples_play_in_squares_and_held_out_ones_in_their_split_only(libraries, tmp_path):
    config = SquaresConfig(
        4,
        4,
        samples=(str(libraries),),
        unseen_samples=(str(libraries / "tuba"),),
        sound=SoundConfig(processed=0.5, layered=0.5),
        single_notes=1,
    )
    Squares.render(config, tmp_path / "set", workers=1)
    record = json.loads((tmp_path / "set" / "rendering.json").read_text())
    assert [name for name, _ in record["samples"] + record["unseen_samples"]] == [libraries.name, "tuba"]
    instruments = {
        split: {file.labels["instrument"] for file in files}
        for split, files in squares.scan(tmp_path / "set", Tally()).items()
    }
    assert set(instruments) == {"train", "valid", "test", "unseen"} and instruments["unseen"] == {"tuba"}
    seen = instruments["train"] | instruments["valid"] | instruments["test"]
    assert f"{libraries.name}/reed/reed" in seen and not any("tuba" in name for name in seen)
    assert len(seen) > 1
    with pytest.raises(UserError, match="other samples"):
        Squares.render(replace(config, samples=(str(libraries / "reed"),)), tmp_path / "set", workers=1)


def test_instruments_may_be_left_out_with_those_of_the_same_recordings(libraries, tmp_path):
    for name in ("reed", "tuba", "copy"):
        shutil.copytree(libraries / ("tuba" if name == "copy" else name), tmp_path / "all" / name)
    library = (str(tmp_path / "all"),)
    every = {one.name for one in SquaresConfig(samples=library).instruments()[0]}
    seen, unseen = SquaresConfig(samples=library, left_out=("all/tuba",)).instruments()
    assert {"all/tuba", "all/copy"} <= every and not unseen
    assert {one.name for one in seen} == every - {"all/tuba", "all/copy"} and seen
    assert "left_out" not in SquaresConfig(samples=library).record()
    assert SquaresConfig(samples=library, left_out=("all/tuba",)).record()["left_out"] == ("all/tuba",)


def test_pieces_are_moved_into_the_range_of_the_samples(libraries):
    samples, sound = (str(libraries / "reed"),), SoundConfig(processed=1, layered=0, moved=0)
    config = SquaresConfig(samples=samples, sampled=1, single_notes=0, sound=sound)
    seen, unseen = config.instruments()
    assert not unseen and [(one.low, one.high) for one in seen] == [(42, 77)]
    for index in range(2):
        sounds, excerpts = squares.compose(
            replace(square(index, config), instruments=tuple(seen)), random.Random(index)
        )
        assert all(sound.sampled == seen[0] and sound.seed for sound in sounds)
        assert all(42 <= note.pitch <= 77 for _, notes in excerpts for note in notes)
    assert "samples" not in SquaresConfig().record() and "sampled" not in SquaresConfig().record()


def test_libraries_without_a_wide_instrument_are_refused(libraries):
    with pytest.raises(UserError, match="reed: no instrument reaches 40 semitones"):
        SquaresConfig(samples=(str(libraries / "reed"),), shared_range=40).instruments()


def test_clips_are_as_long_as_the_codec_asks(tmp_path):
    clip = ClipLength(143360, 48000)
    squares.render_square(square(0, clip=clip), tmp_path / "Square00000")
    for path in (tmp_path / "Square00000").glob("*.flac"):
        assert audio.open_recording(path, 48000).samples == clip.samples


def test_excerpts_are_textures_pieces_and_notes_by_their_shares():
    shares = {"single_notes": 0, "mixed": 0.5, "textures": 0.5, "sound": {"formulas": 1}}
    config, kinds = from_mapping(SquaresConfig, shares), []
    for index in range(40):
        _, excerpts = squares.compose(square(index, config), random.Random(index))
        kinds += ["piece" if "/" in name else name.split()[0] for name, _ in excerpts]
    assert set(kinds) == {"note", "piece", "chords", "arpeggios", "runs", "long"}
    assert 10 <= kinds.count("note") <= 30 and 18 <= kinds.count("piece") <= 42


def test_a_share_of_squares_is_by_sounds_that_play_several_notes_in_two_parts_or_more():
    def most_at_once(notes):
        return max(sum(n.onset <= note.onset + 0.03 < n.offset - 0.03 for n in notes) for note in notes)

    def drawn(**shares):
        config, several, notes = SquaresConfig(single_notes=0, mixed=0, textures=0, **shares), 0, []
        for index in range(8):
            sounds, excerpts = squares.compose(square(index, config), random.Random(index))
            several += all(sound.polyphonic for sound in sounds)
            notes += [most_at_once(excerpt) for _, excerpt in excerpts]
        return several, notes

    several, notes = drawn(polyphonic=1, several_lines=1)
    assert several == 8 and sum(count > 1 for count in notes) > 8 and max(notes) > 2
    several, notes = drawn(polyphonic=0, several_lines=0)
    assert several < 7 and max(notes) == 1


def test_what_plays_beside_held_out_samples_is_nothing_else(libraries):
    config = SquaresConfig(
        samples=(str(libraries),),
        unseen_samples=(str(libraries / "tuba"),),
        sampled=1,
        sound=SoundConfig(layered=1, moved=0.5),
    )
    seen, unseen = config.instruments()
    assert [one.name.rpartition("/")[2] for one in (*seen, *unseen)] == ["reed", "tuba"]
    for split, instruments in (("train", seen), ("unseen", unseen)):
        for index in range(6):
            one = replace(square(index, config), split=split, instruments=tuple(instruments))
            sounds, _ = squares.compose(one, random.Random(index))
            assert {sound.sampled for sound in sounds} == set(instruments)
            assert all(bool(sound.voices) == (split == "train") for sound in sounds)


def test_silent_squares_are_drawn_again(tmp_path, monkeypatch):
    play, silent = Sound.play, []

    def once_silent(sound, notes, samples):
        waveform = play(sound, notes, samples)
        if len(silent) < 3:
            silent.append(sound.name)
            return 0 * waveform
        return waveform

    monkeypatch.setattr(Sound, "play", once_silent)
    squares.render_square(square(0), tmp_path / "Square00000")
    for path in (tmp_path / "Square00000").glob("*.flac"):
        assert audio.read(path).abs().max() > 0.2
    monkeypatch.setattr(Sound, "play", lambda sound, notes, samples: np.zeros(samples, np.float32))
    with pytest.raises(UserError, match="Square00000: its instruments are silent"):
        squares.render_square(square(0), tmp_path / "Square00001")


def test_presets_of_synthesizers_play_squares_by_their_share_and_seed(dx7, tmp_path):
    dry = SoundConfig(processed=0, layered=0, moved=0, played=0, recorded=0)
    config = SquaresConfig(4, 4, synthesizers=("dx7",), synthesized=1, single_notes=1, sound=dry)
    for name in ("one", "two"):
        squares.render_square(square(0, config), tmp_path / name)
        plugins._host.cache_clear()
        plugins.judge.cache_clear()
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    labels = json.loads(one["square.json"])
    assert {cell["instrument"] for cell in labels.values()} == {"dx7/random"}
    assert labels["XP"]["sound"] == labels["YP"]["sound"] != labels["XQ"]["sound"]
    assert labels["XP"]["sound"].startswith("preset ")
    kinds = []
    for index in range(20):
        sounds, _ = squares.compose(square(index, replace(config, synthesized=0.5)), random.Random(index))
        kinds += [sound.preset is not None for sound in sounds]
    assert 10 <= sum(kinds) <= 30


def test_a_preset_that_crashes_in_a_square_is_drawn_again(dx7, tmp_path, monkeypatch):
    config = SquaresConfig(4, 4, synthesizers=("dx7",), synthesized=1, single_notes=1)
    play, played = plugins.render, []

    def once_crashed(notes, preset, samples):
        played.append(preset.name)
        if len(played) == 1:
            raise plugins.Crash
        return play(notes, preset, samples)

    monkeypatch.setattr(plugins, "render", once_crashed)
    squares.render_square(square(0, config), tmp_path / "Square00000")
    assert len(played) == 5
    assert all(audio.read(path).abs().max() > 0.2 for path in (tmp_path / "Square00000").glob("*.flac"))


def test_synthesizers_are_written_down_where_there_are_some(dx7):
    names = {"synthesizers", "synthesized", "banks"}
    assert names.isdisjoint(SquaresConfig(synthesized=0.9).record())
    record = SquaresConfig(synthesizers=("dx7",)).record()
    assert names < set(record) and record["synthesizers"] == [["dx7", "9.0"]]
    with pytest.raises(UserError, match="synthesizers: is moog, expected one of dx7, faust, vita"):
        SquaresConfig(synthesizers=("moog",))


def test_programs_may_be_left_out(tmp_path):
    def programs(**changes):
        part, *_ = squares.work(SquaresConfig(clips=4, **changes), tmp_path, ClipLength())
        return {voice.instrument.program for voice in part.task.voices}

    assert programs() - programs(without=(70, 0)) == {70, 0}
    assert "without" not in SquaresConfig().record()
    assert SquaresConfig(without=(70,)).record()["without"] == (70,)
