"""experiments/compose.py with small composers and a tiny model."""

from importlib.util import find_spec

import mido
import music21
import pytest
import soundfile
import torch

from msdae import audio
from msdae.models.composers import COMPOSERS
from msdae.models.composers.base import new
from msdae.symbolic.notes import Score, ScoreNote
from msdae.symbolic.scores import read_score, write_score

SIZES = {
    "transformer": {"width": 16, "layers": 1, "heads": 2, "window": 16},
    "four_voices": {"width": 16, "layers": 1, "heads": 2, "window": 16},
    "lstm": {"embedding": 8, "hidden": 16, "layers": 1, "window": 16},
    "vae": {"channels": 8, "hidden": 8, "latent": 4, "decoder": 16},
    "musegan": {"noise": 4, "width": 8, "critic": 8},
}
if find_spec("diffusers"):
    # of the two kinds of images the one in which an untrained network is not silent
    SIZES["roll_diffusion"] = {"channels": (8, 8, 8), "steps": 2, "standard": False}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """{kind: file} of untrained composers."""
    folder = tmp_path_factory.mktemp("composers")
    for kind, sizes in SIZES.items():
        new(kind, COMPOSERS[kind].Config(**sizes), [_score(1)], 0).save(folder / f"{kind}.safetensors")
    return {kind: folder / f"{kind}.safetensors" for kind in SIZES}


def _score(voices):
    return Score(
        tuple([ScoreNote(0.5 * n, 0.5, 60 - 5 * v + n % 7) for n in range(16)] for v in range(voices))
    )


def test_a_tune_is_midi_a_picture_and_sound(tmp_path, trained, run, capsys):
    out = tmp_path / "tune.mid"
    run("compose", "--trained", trained["transformer"], "--bars", "2", "--seed", "3", "--out", out)
    assert {path.name for path in tmp_path.iterdir()} == {"tune.mid", "tune.png", "tune.wav"}
    score = read_score(out)
    assert score.quarters == pytest.approx(8, abs=0.05) and soundfile.info(tmp_path / "tune.wav").duration > 4
    again = tmp_path / "again.mid"
    run("compose", "--trained", trained["transformer"], "--bars", "2", "--seed", "3", "--out", again)
    assert again.read_bytes() == out.read_bytes()
    assert capsys.readouterr().out.splitlines()[0].startswith(f"wrote {out} (")


@pytest.mark.parametrize("kind", SIZES)
def test_other_programs_open_the_file(tmp_path, trained, run, kind):
    out = tmp_path / "tune.mid"
    run("compose", "--model", kind, "--trained", trained[kind], "--bars", "2", "--out", out)
    opened = mido.MidiFile(out)
    played = [event for event in opened if event.type == "note_on" and event.velocity]
    notes = [note for part in read_score(out).parts for note in part]
    assert len(played) == len(notes) and 4 < opened.length < 7
    heard = music21.converter.parse(out).flatten().notes
    assert {pitch.midi for note in heard for pitch in note.pitches} == {note.pitch for note in notes}


def test_it_is_played_with_the_sound_that_is_asked_for(tmp_path, trained, sounds, checkpoint, run):
    run(
        *("compose", "--trained", trained["transformer"], "--bars", "1", "--out", tmp_path / "t.mid"),
        *("--wav", tmp_path / "y.wav", "--timbre", sounds[0], "--checkpoint", checkpoint),
        *("--steps", "2", "--device", "cpu"),
    )
    plain, swapped = audio.read(tmp_path / "y-plain.wav"), audio.read(tmp_path / "y.wav")
    assert len(plain) == len(swapped) and not plain.allclose(swapped, atol=1e-3)


def test_what_is_said_of_a_timbre_source_is_said_once(tmp_path, trained, checkpoint, run, capsys):
    """Regression: it was opened to be checked, and again to be played."""
    audio.write(tmp_path / "a.wav", 0.1 * torch.randn(44100, generator=torch.Generator().manual_seed(0)))
    mono, rate = soundfile.read(tmp_path / "a.wav")
    soundfile.write(tmp_path / "a.wav", [[left, left / 2] for left in mono], rate)
    run(
        *("compose", "--trained", trained["transformer"], "--bars", "1", "--out", tmp_path / "t.mid"),
        *("--timbre", tmp_path / "a.wav", "--checkpoint", checkpoint, "--steps", "2", "--device", "cpu"),
    )
    assert capsys.readouterr().err.count("2 channels are processed as their mean") == 1


def test_a_score_is_a_melody_source(tmp_path, sounds, checkpoint, run):
    write_score(tmp_path / "tune.mid", _score(1))
    out = tmp_path / "y.wav"
    run(
        *("swap", "--timbre", sounds[0], "--melody", tmp_path / "tune.mid", "--checkpoint", checkpoint),
        *("--steps", "2", "--device", "cpu", "--out", out),
    )
    assert soundfile.info(out).duration == pytest.approx(8 * 60 / 100 + 0.5, abs=0.01)


def test_prompts_voices_and_the_way_between(tmp_path, trained, run):
    one, four = tmp_path / "one.mid", tmp_path / "four.mid"
    write_score(one, _score(1))
    write_score(four, _score(4))
    run(
        "compose",
        "--trained",
        trained["transformer"],
        "--prompt",
        one,
        "--bars",
        "1",
        "--out",
        tmp_path / "p.mid",
    )
    assert read_score(tmp_path / "p.mid").quarters == pytest.approx(12, abs=0.05)
    arguments = [
        "--model",
        "four_voices",
        "--trained",
        trained["four_voices"],
        "--prompt",
        four,
        "--voice",
        "2",
    ]
    run("compose", *arguments, "--out", tmp_path / "v.mid")
    pitches = [[note.pitch for note in part] for part in read_score(tmp_path / "v.mid").parts]
    assert [note.pitch for note in _score(4).parts[0]] in pitches
    styled = ["--model", "vae", "--trained", trained["vae"], "--prompt", one, "--style", four]
    run("compose", *styled, "--out", tmp_path / "styled.mid")
    assert (tmp_path / "styled.mid").exists() and (tmp_path / "styled.wav").exists()
    arguments = ["--model", "vae", "--trained", trained["vae"], "--between", one, four, "--count", "3"]
    run("compose", *arguments, "--out", tmp_path / "b.mid")
    assert all((tmp_path / f"b-{n}.{end}").exists() for n in (1, 2, 3) for end in ("mid", "png", "wav"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bars", "0"], "--bars: is 0"),
        (["--temperature", "0"], "--temperature: is 0"),
        (["--top-p", "1.5"], "--top-p: is 1.5"),
        (["--out", "t.wav"], "written as .mid"),
        (["--out", "nowhere/t.mid"], "does not exist"),
        (["--plot", "t.txt"], "pictures are written as"),
        (["--prompt", "missing.mid"], "missing.mid: no such file"),
        (["--prompt", "broken.mid"], "broken.mid: not a readable MIDI file"),
        (["--timbre", "missing.wav"], "missing.wav: no such file"),
        (["--timbre", "silence.wav"], "silence.wav: nothing can be heard"),
        (["--timbre", "a.wav", "--sound", "a.sound"], "exclude each other"),
        (["--sound", "missing.sound"], "missing.sound: no such file"),
        (["--sound", "silence.wav"], "silence.wav: a recording, no learnt sound"),
        (["--timbre", "one.mid", "--guidance", "1,2"], "guidance: give one weight or 3"),
        (["--timbre", "tune-plain.wav"], "tune-plain.wav: is also an input"),
        (["--between", "one.mid", "one.mid"], "give --model vae"),
        (["--between", "one.mid", "one.mid", "--wav", "y.wav"], "leave out --wav and --plot"),
        (["--between", "one.mid", "one.mid", "--plot", "y.png"], "leave out --wav and --plot"),
        (["--style", "one.mid"], "give both, and --model vae"),
        (["--style", "one.mid", "--voice", "2"], "leave out --between and --voice"),
        (["--voice", "2"], "give both"),
        (["--prompt", "one.mid", "--out", "one.mid"], "is also an input"),
        (["--count", "3"], "--count: of --between alone"),
        (
            ["--between", "one.mid", "one.mid", "--bars", "4"],
            "--bars: the tunes that are given have a length",
        ),
        (["--model", "four_voices"], "holds a transformer, expected a four_voices"),
        (["--trained", "one.mid"], "one.mid"),
        (["--trained", "missing.safetensors"], "missing.safetensors: no such file"),
    ],
)
def test_bad_input_is_refused(tmp_path, trained, run, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_score("one.mid", _score(1))
    (tmp_path / "broken.mid").write_bytes(b"MThd\0\0")
    audio.write("silence.wav", torch.zeros(44100))
    before = sorted(path.name for path in tmp_path.iterdir())
    given = arguments if "--trained" in arguments else ["--trained", trained["transformer"], *arguments]
    with pytest.raises(SystemExit) as end:
        run("compose", *given)
    said = capsys.readouterr().err
    assert end.value.code == 2 and message in said and "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("vae", ["--top-p", "0.5"]),
        ("vae", ["--between", "one.mid", "one.mid", "--temperature", "0.5"]),
        ("musegan", ["--copies"]),
        ("roll_diffusion", ["--temperature", "2"]),
    ],
)
def test_settings_that_a_composer_does_not_draw_by_are_refused(
    tmp_path, trained, run, monkeypatch, capsys, kind, arguments
):
    monkeypatch.chdir(tmp_path)
    write_score("one.mid", _score(1))
    with pytest.raises(SystemExit, match="2"):
        run("compose", "--model", kind, "--trained", trained[kind], *arguments)
    assert "would change nothing of what is asked for" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--steps", "4"], "--steps: is of the sound of --timbre or --sound"),
        (["--guidance", "2"], "--guidance: is of the sound of --timbre or --sound"),
        (["--learn", "always"], "--learn: is of the sound of --timbre or --sound"),
        (["--sound", "a.sound", "--learn", "always"], "--learn always: level 1 comes from no recording"),
    ],
)
def test_settings_of_a_swap_are_refused_without_one(
    tmp_path, trained, run, monkeypatch, capsys, arguments, reason
):
    """Regression: they changed nothing, without a word."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        run("compose", "--trained", trained["transformer"], *arguments)
    assert reason in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_prompt_of_other_voices_is_named(tmp_path, trained, run, capsys):
    write_score(tmp_path / "one.mid", _score(1))
    asked = ["--model", "four_voices", "--trained", trained["four_voices"], "--prompt", tmp_path / "one.mid"]
    with pytest.raises(SystemExit, match="2"):
        run("compose", *asked, "--out", tmp_path / "t.mid")
    assert f"{tmp_path / 'one.mid'}: a score of 1 parts: four_voices needs 4" in capsys.readouterr().err
