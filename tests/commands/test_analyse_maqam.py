"""The command line of analyse_maqam.py on sounds of several kinds."""

import json

import pytest
import torch

from msdae import audio
from msdae.commands import analyse_maqam
from msdae.data.sets.maqam import MaqamConfig, Piece, render
from msdae.errors import UserError

RATE = 44100
pytest.importorskip("swift_f0")


def melody(keys, vibrato=(0.0, 0.0), detuning=0.0, seconds=0.5, decay=0.0):
    """Tones of eight partials; keys: MIDI pitches. vibrato: Hz, cents. decay: 1 / s."""
    time = torch.arange(round(seconds * RATE)) / RATE
    waves = []
    for key in keys:
        swing = vibrato[1] / 100 * torch.sin(2 * torch.pi * vibrato[0] * time)
        hertz = 440 * 2 ** ((key + detuning / 100 + swing - 69) / 12)
        phase = 2 * torch.pi * torch.cumsum(hertz, 0) / RATE
        wave = sum(torch.sin(k * phase) / k for k in range(1, 9))
        waves.append(wave * torch.exp(-decay * time) * (1 - torch.exp(-time / 0.01)))
    return 0.2 * torch.cat(waves)


def said(tmp_path, capsys, waveform, *options):
    """What the command prints as JSON about a sound."""
    audio.write(tmp_path / "a.wav", waveform)
    analyse_maqam.main([str(tmp_path / "a.wav"), "--json", *options])
    return json.loads(capsys.readouterr().out)


MAJOR = (57, 59, 61, 62, 64, 66, 68, 69, 64, 61, 57, 57)


def test_an_oud(tmp_path, capsys):
    rendering = render(Piece("train", 2, MaqamConfig(section_clips=(2, 2))))  # hijaz
    audio.write(tmp_path / "oud.wav", torch.from_numpy(rendering.waveform))
    analyse_maqam.main([str(tmp_path / "oud.wav"), "--plot", str(tmp_path / "oud.png")])
    printed = capsys.readouterr().out
    assert "tonic" in printed and "scale    hijaz" in printed and "vibrato" in printed
    assert (tmp_path / "oud.png").read_bytes().startswith(b"\x89PNG")


def test_a_piano_out_of_tune(tmp_path, capsys):
    document = said(tmp_path, capsys, melody(MAJOR, detuning=37, decay=3))
    assert document["scales"][0]["maqam"] == "ajam"
    assert document["tonic"]["hertz"] == pytest.approx(220 * 2 ** (37 / 1200), rel=0.006)
    assert document["ornaments"]["vibrato_seconds"] < 0.5 and document["ornaments"]["trills"] == 0


def test_quarter_tones_with_the_vibrato_of_a_voice(tmp_path, capsys):
    phrase = (62, 63.5, 65, 67, 67, 65, 63.5, 62)
    bayati = (*phrase, 67, 69, 70, 72, 70, 69, 67, 67, *phrase, 62)
    waveform = melody(bayati, vibrato=(5.5, 35), seconds=0.6)
    document = said(tmp_path, capsys, waveform, "--part", "whole")
    assert document["scales"][0]["maqam"] == "bayati"
    assert document["ornaments"]["vibrato_rate_hertz"] == pytest.approx(5.5, abs=0.3)
    assert document["ornaments"]["vibrato_extent_cents"] == pytest.approx(35, rel=0.2)
    assert document["ornaments"]["vibrato_seconds"] > 5
    frames = document["frames"]
    assert (
        len(frames["hertz"])
        == len(frames["vibrato_rate"])
        == pytest.approx(len(waveform) / RATE * 62.5, abs=3)
    )


def test_parts(tmp_path, capsys):
    """The middle third in another scale: it shows in the whole, not in the ends."""
    kurd = (57, 58, 60, 62, 64, 65, 67, 69, 62, 60, 58, 57)
    waveform = melody((*MAJOR, *[key + 2 for key in kurd] * 2, *MAJOR), seconds=0.3)[: 16 * RATE]
    outer = said(tmp_path, capsys, waveform)
    whole = said(tmp_path, capsys, waveform, "--part", "whole")
    assert outer["scales"][0]["score"] > whole["scales"][0]["score"]
    assert [third["maqam"] for third in outer["thirds"]][::2] == ["ajam", "ajam"]
    strongest = outer["dominant_frequencies"]
    assert strongest["whole"] != strongest["first_and_last_third"]


QUIET = torch.zeros(7 * RATE)


def drums():
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(RATE // 4) / RATE
    return (
        torch.cat([torch.randn(len(time), generator=generator) * torch.exp(-25 * time) for _ in range(24)])
        / 8
    )


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (lambda: torch.zeros(5 * RATE), "is silent"),
        (lambda: melody((57, 57)), "has 1.0 s; give 3 s to an hour"),
        (drums, "have a steady pitch, of .* give a recording of a melody"),
        (lambda: torch.cat([melody((57, 59)), torch.zeros(4 * RATE)]), "have a steady pitch"),
        (
            lambda: torch.cat(
                [melody((57,))[: RATE // 4], QUIET, melody(MAJOR), QUIET, melody((57,))[: RATE // 4]]
            ),
            "no melody in its first and last third; use --part",
        ),
    ],
)
def test_what_has_no_scale(tmp_path, waveform, message):
    audio.write(tmp_path / "a.wav", waveform())
    with pytest.raises(UserError, match=message):
        analyse_maqam.main([str(tmp_path / "a.wav")])


def test_bad_files(tmp_path):
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(UserError, match="not a readable recording"):
        analyse_maqam.main([str(tmp_path / "a.wav")])
    audio.write(tmp_path / "b.wav", melody(MAJOR))
    with pytest.raises(UserError, match="pictures are written as"):
        analyse_maqam.main([str(tmp_path / "b.wav"), "--plot", str(tmp_path / "b.txt")])
